/** What two processes promise together that share their storage. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, type Layer, type Scope } from "effect"
import { Accepted, type AnswerInput } from "../../src/domain/Chat.ts"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { MessageId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import type { Host } from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import type { ModelCall } from "../../src/services/Models.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { kindOf } from "../support/events.ts"
import { answer, conversation, say, type Seen, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

export interface Process {
  readonly do: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Host>>
  /** Sudden: its runs stay as they are. */
  readonly end: Effect.Effect<void>
  /** What its models were asked, oldest first. */
  readonly asked: ReadonlyArray<ModelCall>
}

export const until = (seen: Seen, enough: (events: ReadonlyArray<AgentEvent>) => boolean) =>
  Effect.suspend(() => Effect.succeed(enough(seen.events().map(({ event }) => event)))).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: (done) => done }),
    Effect.timeoutFail({
      duration: "15 seconds",
      onTimeout: () => `Not seen. So far: ${typesOf(seen).join(" ")}`
    })
  )

export const typesOf = (seen: Seen) => seen.events().map(({ event }) => kindOf(event))

export const has = (kind: string, times = 1) => (events: ReadonlyArray<AgentEvent>) =>
  events.filter((event) => kindOf(event) === kind).length >= times

export const isGapless = (seen: Seen, after = 0) =>
  assert.deepStrictEqual(seen.events().map(({ seq }) => seq), seen.events().map((_, i) => after + i + 1))

const repliesOf = (session: Session) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { messages } = yield* hub.messages(session, { offset: 0, limit: 100 })
    return messages.filter(({ role }) => role === "assistant").map(({ content, finished_reason }) =>
      `${finished_reason} ${textOf(content)}`
    )
  })

export const reply = (
  session: Session,
  accepted: { readonly run_id: Parameters<typeof SessionHub.Service.reply>[1]; readonly seq: number }
) => Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))

const status = (session: Session) => Effect.flatMap(SessionHub, (hub) => hub.status(session))

export const slow = (delay_ms = 5) => ({ parameters: { delay_ms } })

const pause = "call Pause {\"seconds\":0,\"note\":\"done\"}"

const allow = (seen: Seen): AnswerInput => {
  const asked = seen.events().flatMap(({ event }) => event.type === "REQUIRE_USER_CONFIRM" ? [event] : [])[0]!
  return {
    type: "USER_CONFIRM_RESULT",
    reply_id: asked.reply_id as MessageId,
    confirm_results: asked.tool_calls.map(({ id }) => ({ confirmed: true, tool_call: { id } }))
  }
}

export const twoProcessesContract = <R, E, E2>(
  name: string,
  storage: Layer.Layer<R, E>,
  process: Effect.Effect<Process, E2, R | Scope.Scope>
) =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Two processes: ${name}`, (it) => {
    const two = Effect.all([process, process])

    it.scoped("show the same bytes on both, from the start and joined midway", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow(2)))
        const onB = yield* b.do(watch(session, { after: 0 }))
        const accepted = yield* a.do(say(session, "repeat 100 word "))
        const onA = yield* a.do(watch(session, { after: 0 }))
        yield* until(onB, has("TEXT_BLOCK_DELTA", 10))
        const joined = yield* b.do(watch(session, { after: 5 }))
        const only = yield* b.do(watch(session, { after: accepted.seq, only: accepted.run_id }))
        yield* until(onB, has("REPLY_END"))
        yield* until(joined, has("REPLY_END"))
        yield* until(onA, has("REPLY_END"))
        yield* Deferred.await(only.ended)
        isGapless(onB)
        isGapless(joined, 5)
        assert.strictEqual(onB.frames(), onA.frames())
        assert.strictEqual(only.frames(), onA.frames())
        assert.isTrue(onA.frames().endsWith(joined.frames()))
      }))

    it.scoped("tell the truth about a session that the other drives", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        assert.strictEqual(yield* b.do(status(session)), "idle")
        const accepted = yield* a.do(say(session, "repeat 100 word "))
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 5))
        assert.strictEqual(yield* b.do(status(session)), "running")
        const { is_running, messages } = yield* b.do(
          Effect.flatMap(SessionHub, (hub) => hub.messages(session, { offset: 0, limit: 10 }))
        )
        assert.isTrue(is_running)
        assert.deepStrictEqual(messages.map(({ role }) => role), ["user", "assistant"])
        assert.match(textOf(messages[1]!.content), /^(word ){3}/)
        const whole = yield* b.do(reply(session, accepted))
        assert.strictEqual(textOf(whole.content), "word ".repeat(100))
        assert.strictEqual(yield* b.do(status(session)), "idle")
      }))

    it.scoped("keep the order of inputs that come in by both", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "repeat 60 a "))
        yield* b.do(say(session, "say two"))
        yield* a.do(say(session, "say three"))
        const last = yield* b.do(say(session, "say four"))
        yield* b.do(reply(session, last))
        yield* until(seen, has("REPLY_END", 4))
        isGapless(seen)
        assert.strictEqual(typesOf(seen).filter((type) => type === "run_queued").length, 3)
        const said = (yield* b.do(repliesOf(session))).slice(1)
        assert.sameMembers(said, ["completed two", "completed three", "completed four"])
        assert.isBelow(said.indexOf("completed two"), said.indexOf("completed four"))
      }))

    it.scoped("take an input on the one after the other has finished, again and again", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const seen = yield* b.do(watch(session, { after: 0 }))
        for (let i = 0; i < 10; i++) {
          const accepted = yield* (i % 2 === 0 ? a : b).do(say(session, `say ${i}`))
          yield* (i % 3 === 0 ? a : b).do(reply(session, accepted))
        }
        yield* until(seen, has("REPLY_END", 10))
        isGapless(seen)
        assert.deepStrictEqual(yield* a.do(repliesOf(session)), Array.from({ length: 10 }, (_, i) => `completed ${i}`))
      }))

    it.scoped("lose nothing when inputs come in by both at once", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const seen = yield* a.do(watch(session, { after: 0 }))
        yield* Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) => (i % 2 === 0 ? a : b).do(say(session, `say ${i}`)),
          { concurrency: "unbounded" }
        )
        yield* until(seen, has("REPLY_END", 20))
        isGapless(seen)
        assert.sameMembers([...yield* b.do(repliesOf(session))], Array.from({ length: 20 }, (_, i) => `completed ${i}`))
      }))

    it.scoped("give a model the same context whichever of them drives the turn", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const said: Array<string> = []
        const turn = Effect.fnUntraced(function*(process: Process, text: string, answered: string) {
          const accepted = yield* process.do(say(session, text))
          yield* process.do(reply(session, accepted))
          said.push(text)
          const { messages } = process.asked.at(-1)!
          assert.deepStrictEqual(messages.map(({ content }) => textOf(content)), said)
          const placed = yield* process.do(Effect.flatMap(EventLog, (log) => log.recent(session.id, 100)))
          assert.deepStrictEqual(messages, placed.slice(0, -1).map(({ message }) => message))
          said.push(answered)
        })
        // Each has turns of its own after one, two and three turns of the other.
        for (const [n, process] of [a, b, a, a, b, b, b, a, b].entries()) yield* turn(process, `say ${n}`, `${n}`)
        assert.lengthOf(said, 18)
      }))

    it.scoped("refuse, stop and steer from the other as from the one that drives", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "repeat 400 a "))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
        assert.deepInclude(yield* b.do(Effect.flip(say(session, "say no", "reject"))), {
          _tag: "Conflict",
          code: "session_busy"
        })
        const next = yield* b.do(say(session, "say now", "interrupt"))
        yield* b.do(reply(session, next))
        const replies = yield* b.do(repliesOf(session))
        assert.match(replies[0]!, /^interrupted a /)
        assert.strictEqual(replies[1], "completed now")

        yield* a.do(say(session, "repeat 20 a \ncall Calculate {\"expression\":\"1\"}\nthen\nsay end"))
        yield* until(seen, has("REPLY_START", 3))
        const steered = yield* b.do(say(session, "listen", "steer"))
        yield* b.do(
          reply(session, steered).pipe(Effect.timeoutOption(patience(5_000)))
        )
        yield* until(seen, has("HINT_BLOCK"))
        isGapless(seen)
      }))

    it.scoped("stop a run from the other, and drop or keep what waits", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const hubOfB = yield* b.do(SessionHub)
        for (const queue of ["drop", "keep"] as const) {
          const session = yield* a.do(conversation("demo-script", slow()))
          const seen = yield* b.do(watch(session, { after: 0 }))
          yield* a.do(say(session, "repeat 400 a "))
          yield* b.do(say(session, "say b"))
          yield* a.do(say(session, "say c"))
          yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
          const began = Date.now()
          yield* hubOfB.interrupt(session, queue)
          assert.isBelow(Date.now() - began, patience(2_000))
          yield* until(seen, has("REPLY_END", 3))
          isGapless(seen)
          const [first, ...rest] = yield* b.do(repliesOf(session))
          assert.match(first!, /^interrupted a /)
          assert.deepStrictEqual(
            rest.map((one) => one.split(" ")[0]),
            queue === "drop" ? [] : ["completed", "completed"]
          )
        }
      }))

    it.scoped("cancel on the other what runs or waits, and nothing else", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* b.do(watch(session, { after: 0 }))
        const first = yield* a.do(say(session, "repeat 400 a "))
        const second = yield* a.do(say(session, "say b"))
        yield* b.do(say(session, "say c"))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
        const hub = yield* b.do(SessionHub)
        yield* hub.cancel(session, second.run_id)
        yield* hub.cancel(session, first.run_id)
        yield* until(seen, has("REPLY_END", 3))
        const replies = yield* b.do(repliesOf(session))
        assert.deepStrictEqual(replies.map((one) => one.split(" ")[0]), ["interrupted", "completed"])
      }))

    it.scoped("take an input once that comes to both with one key, and leave the run alone that goes on", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "repeat 400 a "))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
        const request = { agent_id: session.agent_id, session_id: session.id, on_busy: "enqueue", tools: [] } as const
        const send = (key: string) =>
          Effect.gen(function*() {
            const hub = yield* SessionHub
            const { once } = yield* Idempotency
            const input = { role: "user", name: "user", content: `say ${key}`, metadata: {} } as const
            const asked = { owner: session.user_id, key, request: "POST /chat", body: key, answer: Accepted }
            return yield* once(asked, ({ claim }) => hub.send(session.user_id, { ...request, input }, claim))
          })
        const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)
        for (const key of keys) {
          const accepted = yield* Effect.forEach([a, b, b, a], (one) => one.do(send(key)), { concurrency: "unbounded" })
          assert.strictEqual(new Set(accepted.map(({ run_id }) => run_id)).size, 1)
        }
        yield* until(seen, has("REPLY_END", keys.length + 1))
        isGapless(seen)
        assert.isFalse(has("run_resumed")(seen.events().map(({ event }) => event)))
        assert.deepStrictEqual((yield* b.do(repliesOf(session))).slice(1), keys.map((key) => `completed ${key}`))
      }))

    it.scoped("answer on the other what a run asks, once", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* a.do(say(session, `${pause}\nthen\nsay thanks`))
        yield* until(seen, has("run_parked"))
        assert.strictEqual(yield* b.do(status(session)), "awaiting_permission")
        const input = allow(seen)
        const tries = yield* Effect.forEach([a, b, a, b], (one) => one.do(Effect.either(answer(session, input))), {
          concurrency: "unbounded"
        })
        assert.strictEqual(tries.filter(({ _tag }) => _tag === "Right").length, 1)
        yield* until(seen, has("REPLY_END"))
        isGapless(seen)
        assert.strictEqual(typesOf(seen).filter((type) => type === "TOOL_RESULT_START").length, 1)
        assert.deepStrictEqual(yield* a.do(repliesOf(session)), ["completed thanks"])
      }))

    it.scoped("tell on both that the rules of a session have changed, also while a run is parked", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const [here, there] = [yield* a.do(watch(session, { after: 0 })), yield* b.do(watch(session, { after: 0 }))]
        const tell = Effect.flatMap(SessionHub, (hub) => hub.tellState(session))
        yield* b.do(tell)
        yield* a.do(say(session, pause))
        yield* until(there, has("run_parked"))
        yield* Effect.all([a.do(tell), b.do(tell)], { concurrency: "unbounded" })
        for (const seen of [here, there]) {
          yield* until(seen, has("state_updated", 3))
          isGapless(seen)
        }
        yield* a.do(answer(session, allow(there)))
        yield* until(here, has("REPLY_END"))
        isGapless(here)
        assert.strictEqual(typesOf(here).filter((type) => type === "state_updated").length, 3)
      }))

    it.scoped("stop on the other what waits for an answer, and then run what waited behind it", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation())
        const seen = yield* a.do(watch(session, { after: 0 }))
        yield* a.do(say(session, pause))
        yield* until(seen, has("run_parked"))
        yield* a.do(say(session, "say one"))
        yield* b.do(say(session, "say two"))
        const hub = yield* b.do(SessionHub)
        yield* hub.interrupt(session, "keep")
        yield* until(seen, has("REPLY_END", 3))
        isGapless(seen)
        assert.deepStrictEqual((yield* a.do(repliesOf(session))).slice(1), ["completed one", "completed two"])
      }))

    it.scoped("go on with the runs of one that is gone, and with what waited there", () =>
      Effect.gen(function*() {
        const [a, b, c] = yield* Effect.all([process, process, process])
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* b.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "repeat 60 word "))
        yield* b.do(say(session, "say next"))
        const last = yield* c.do(say(session, "say last"))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 5))
        const gone = Date.now()
        yield* a.end
        yield* until(seen, has("run_resumed"))
        assert.isBelow(Date.now() - gone, patience(5_000))
        yield* b.do(reply(session, last))
        isGapless(seen)
        assert.strictEqual(typesOf(seen).filter((type) => type === "run_resumed").length, 1)
        assert.deepStrictEqual(
          (yield* c.do(repliesOf(session))).map((one) => one.slice(0, 14)),
          ["completed word", "completed next", "completed last"]
        )
        const { runs } = yield* b.do(Storage)
        const { items } = yield* runs.list(session.user_id, { limit: 10, cursor: undefined })
        assert.deepStrictEqual(items.map(({ attempt }) => attempt), [2, 1, 1])
      }))

    it.scoped("end on both the streams of a session that is deleted", () =>
      Effect.gen(function*() {
        const [a, b] = yield* two
        const session = yield* a.do(conversation("demo-script", slow()))
        const seen = yield* a.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "repeat 400 a "))
        yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
        yield* b.do(Effect.flatMap(SessionHub, (hub) => hub.forget(session)))
        yield* b.do(Effect.flatMap(Storage, ({ sessions }) => sessions.remove(session.user_id, session.id)))
        assert.strictEqual(yield* Deferred.await(seen.ended), "session deleted")
        assert.deepInclude(seen.events().at(-1)!.event, { type: "REPLY_END", finished_reason: "interrupted" })
      }))

    it.scoped("leave alone what a living one drives", () =>
      Effect.gen(function*() {
        const a = yield* process
        const session = yield* a.do(conversation())
        const seen = yield* a.do(watch(session, { after: 0 }))
        yield* a.do(say(session, "sleep 5000\nsay done"))
        const b = yield* process
        yield* b.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
        yield* until(seen, has("REPLY_END"))
        assert.notInclude(typesOf(seen), "run_resumed")
        isGapless(seen)
      }))
  })
