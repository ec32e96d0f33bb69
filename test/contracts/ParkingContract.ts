/** What runs promise that wait for a person or for a client's own tools, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, type Layer } from "effect"
import type { AnswerInput } from "../../src/domain/Chat.ts"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { MessageId, ToolCallId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { PermissionMode } from "../../src/domain/Permission.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { checkMessages } from "../support/agentservice/Checked.ts"
import { isNamed, kindOf } from "../support/events.ts"
import { answer, conversation, say, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

const pause = (note: string) => `call Pause {"seconds":0,"note":"${note}"}`

/** Sends, waits for the stream's end, and says what it told. */
const until = Effect.fnUntraced(
  function*(
    session: Session,
    accepted: { readonly seq: number; readonly run_id: Parameters<typeof watch>[1]["only"] }
  ) {
    const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id! })
    yield* Deferred.await(seen.ended)
    const events = seen.events().map(({ event }) => event)
    return { events, types: events.map(({ type }) => type), last: events.at(-1)! }
  },
  Effect.scoped
)

const asked = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) =>
    event.type === "REQUIRE_USER_CONFIRM" || event.type === "REQUIRE_EXTERNAL_EXECUTION" ? event.tool_calls : []
  )

const replyOf = (events: ReadonlyArray<AgentEvent>): MessageId =>
  events.flatMap((event) => "reply_id" in event ? [event.reply_id] : [])[0]!

const confirm = (
  reply_id: MessageId,
  ...answers: ReadonlyArray<
    { readonly id: string; readonly confirmed?: boolean; readonly input?: string; readonly always?: boolean }
  >
): AnswerInput => ({
  type: "USER_CONFIRM_RESULT",
  reply_id,
  confirm_results: answers.map(({ always, confirmed = true, id, input }) => ({
    confirmed,
    tool_call: { id: id as ToolCallId, ...(input !== undefined && { input }) },
    ...(always === true &&
      { rules: [{ tool_name: "Pause", rule_content: null, behavior: "allow" as const, source: "user" }] })
  }))
})

const results = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) => event.type === "TOOL_RESULT_END" ? [event.state] : [])

const outputs = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? [event.delta] : [])

const weather = [{ name: "Weather", description: "", parameters: { type: "object" }, effect: "none" as const }]

export const parkingContract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>) =>
  layer(Host.over(storage), { timeout: patience(60_000), excludeTestServices: true })(`Parking: ${name}`, (it) => {
    it.effect("asks before a tool with an effect, waits visibly, and runs it once when allowed", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const accepted = yield* say(session, `${pause("done")}\nthen\nresults`)
        const first = yield* until(session, accepted)
        assert.deepNestedInclude(first.last, { name: "run_parked", "value.waiting_for": "user_confirmation" })
        assert.notInclude(first.types, "TOOL_RESULT_START")
        assert.strictEqual(yield* hub.status(session), "awaiting_permission")
        const { runs } = yield* Storage
        const parked = yield* runs.list(session.user_id, { limit: 10, cursor: undefined }, {
          status: "awaiting_permission"
        })
        assert.deepStrictEqual(parked.items.map(({ id }) => id), [accepted.run_id])

        const [call] = asked(first.events)
        const again = yield* answer(session, confirm(replyOf(first.events), { id: call!.id }))
        assert.strictEqual(again.run_id, accepted.run_id)
        const second = yield* until(session, again)
        assert.strictEqual(second.types[0], "USER_CONFIRM_RESULT")
        assert.deepStrictEqual(outputs(second.events), ["done"])
        assert.deepInclude(second.last, { type: "REPLY_END", finished_reason: "completed" })
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual(messages.map(({ role }) => role), ["user", "assistant"])
        const calls = messages[1]!.content.filter((block) => block.type === "tool_call")
        assert.deepStrictEqual(calls.map(({ state }) => state), ["finished"])
        assert.strictEqual(messages[1]!.content.filter(({ type }) => type === "tool_result").length, 1)
        assert.strictEqual(yield* hub.status(session), "idle")
      }))

    it.effect("tells the model of a denied call, and does not run it", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, `${pause("no")}\nthen\nsay went on`))
        const [call] = asked(first.events)
        const second = yield* until(
          session,
          yield* answer(session, confirm(replyOf(first.events), { id: call!.id, confirmed: false }))
        )
        assert.deepStrictEqual(results(second.events), ["denied"])
        assert.deepInclude(second.last, { type: "REPLY_END", finished_reason: "completed" })
      }))

    it.effect("runs the arguments that a person edited, and the transcript shows those", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, pause("original")))
        const [call] = asked(first.events)
        const edited = "{\"seconds\":0,\"note\":\"edited\"}"
        const second = yield* until(
          session,
          yield* answer(session, confirm(replyOf(first.events), { id: call!.id, input: edited }))
        )
        assert.deepStrictEqual(outputs(second.events), ["edited"])
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        const block = messages[1]!.content.find((one) => one.type === "tool_call")
        assert.strictEqual(block?.type === "tool_call" && block.input, edited)
      }))

    it.effect("takes answers one by one: what is answered runs, the rest goes on waiting", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, `${pause("a")}\n${pause("b")}`))
        const [a, b] = asked(first.events)
        const reply_id = replyOf(first.events)
        const second = yield* until(session, yield* answer(session, confirm(reply_id, { id: b!.id })))
        assert.deepStrictEqual(outputs(second.events), ["b"])
        assert.strictEqual(kindOf(second.last), "run_parked")
        const third = yield* until(session, yield* answer(session, confirm(reply_id, { id: a!.id })))
        assert.deepStrictEqual(outputs(third.events), ["a"])
        assert.strictEqual(third.last.type, "REPLY_END")
      }))

    it.effect("remembers a rule that came with an answer: the sibling and later calls are not asked about", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, `${pause("a")}\n${pause("b")}`))
        const [a] = asked(first.events)
        const second = yield* until(
          session,
          yield* answer(session, confirm(replyOf(first.events), { id: a!.id, always: true }))
        )
        assert.sameMembers([...outputs(second.events)], ["a", "b"])
        const third = yield* until(session, yield* say(session, pause("c")))
        assert.deepStrictEqual(outputs(third.events), ["c"])
        assert.strictEqual(third.last.type, "REPLY_END")
      }))

    it.effect("releases the siblings that a new rule's pattern fits, and no others", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const calls = ["npm test -- a", "npm test -- b", "make", "npm test; make"].map((command) =>
          `call Bash ${JSON.stringify({ command })}`
        )
        const first = yield* until(session, yield* say(session, calls.join("\n")))
        const waiting = asked(first.events).map(({ id }) => id)
        assert.lengthOf(waiting, calls.length)
        const second = yield* until(
          session,
          yield* answer(session, {
            type: "USER_CONFIRM_RESULT",
            reply_id: replyOf(first.events),
            confirm_results: [{
              confirmed: true,
              tool_call: { id: waiting[0]! },
              rules: [{ tool_name: "Bash", rule_content: "npm test:*", behavior: "allow", source: "user" }]
            }]
          })
        )
        const ended = second.events.flatMap((event) => event.type === "TOOL_RESULT_END" ? [event.tool_call_id] : [])
        assert.sameMembers(ended, waiting.slice(0, 2))
        assert.strictEqual(kindOf(second.last), "run_parked")
      }))

    it.scoped("tells everybody of the rules that an answer makes, once, and of none where it makes none", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const seen = yield* watch(session, { after: 0 })
        const first = yield* until(session, yield* say(session, pause("a")))
        const [a] = asked(first.events)
        const reply_id = replyOf(first.events)
        const second = yield* until(session, yield* answer(session, confirm(reply_id, { id: a!.id, always: true })))
        assert.strictEqual(second.last.type, "REPLY_END")
        const rule = { tool_name: "Pause", rule_content: null, behavior: "allow", source: "user" }
        const state = (events: ReadonlyArray<AgentEvent>) =>
          events.flatMap((event) => isNamed(event, "state_updated") ? [event.value] : [])
        assert.deepStrictEqual<unknown>(state(second.events), [{
          tasks_context: { tasks: [] },
          permission_context: {
            mode: "default",
            working_directories: {},
            allow_rules: { Pause: [rule] },
            deny_rules: {},
            ask_rules: {}
          }
        }])
        const other = yield* conversation()
        const third = yield* until(other, yield* say(other, pause("b")))
        const [b] = asked(third.events)
        const fourth = yield* until(other, yield* answer(other, confirm(replyOf(third.events), { id: b!.id })))
        assert.deepStrictEqual(state([...third.events, ...fourth.events]), [])
        assert.deepStrictEqual(state(seen.events().map(({ event }) => event)), state(second.events))
      }))

    it.effect("runs harmless calls while others wait", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, `${pause("a")}\ncall Calculate {"expression":"6*7"}`))
        assert.deepStrictEqual(outputs(first.events), ["42"])
        assert.strictEqual(kindOf(first.last), "run_parked")
      }))

    for (const [mode, outcome] of [["bypass", "success"], ["explore", "denied"], ["dont_ask", "denied"]] as const) {
      it.effect(`does not ask in the mode ${mode}: ${outcome}`, () =>
        Effect.gen(function*() {
          const session = yield* conversation("demo-script", { mode: mode satisfies PermissionMode })
          const { events, last } = yield* until(session, yield* say(session, pause("x")))
          assert.deepStrictEqual(results(events), [outcome])
          assert.strictEqual(last.type, "REPLY_END")
        }))
    }

    it.effect("hands a client's tool to the client, and goes on with its result", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const script = "call Weather {\"city\":\"Oslo\"}\ncall Weather {\"city\":\"Rome\"}\nthen\nresults"
        const first = yield* until(session, yield* say(session, script, "enqueue", weather))
        assert.deepNestedInclude(first.last, { name: "run_parked", "value.waiting_for": "external_execution" })
        assert.strictEqual(yield* hub.status(session), "awaiting_external_result")
        const calls = asked(first.events)
        assert.strictEqual(calls.length, 2)
        const again = yield* answer(session, {
          type: "EXTERNAL_EXECUTION_RESULT",
          reply_id: replyOf(first.events),
          execution_results: calls.map(({ id, input }) => ({
            id,
            output: `snow in ${input}`,
            state: "success" as const
          }))
        })
        const second = yield* until(session, again)
        assert.deepInclude(second.last, { type: "REPLY_END", finished_reason: "completed" })
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        const toolResults = messages[1]!.content.filter((block) => block.type === "tool_result")
        assert.deepStrictEqual(
          toolResults.map(({ output, state }) => [textOf(output), state]),
          calls.map(({ input }) => [`snow in ${input}`, "success"])
        )
        assert.include(textOf(messages[1]!.content), "Oslo")
      }))

    it.effect("refuses wrong, late, doubled and foreign answers, and changes nothing", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const stranger = yield* conversation()
        const codeOf = (input: AnswerInput, at = session) =>
          Effect.map(Effect.flip(answer(at, input)), (error) => error._tag === "Conflict" ? error.code : error._tag)
        assert.strictEqual(yield* codeOf(confirm("x" as MessageId, { id: "y" })), "not_waiting")
        const first = yield* until(session, yield* say(session, pause("once")))
        const [call] = asked(first.events)
        const reply_id = replyOf(first.events)
        const right = confirm(reply_id, { id: call!.id })
        assert.strictEqual(yield* codeOf(confirm("other" as MessageId, { id: call!.id })), "wrong_reply")
        assert.strictEqual(yield* codeOf(confirm(reply_id, { id: "other" })), "not_asked")
        assert.strictEqual(yield* codeOf(confirm(reply_id, { id: call!.id }, { id: call!.id })), "answered_twice")
        assert.strictEqual(
          yield* codeOf({
            type: "EXTERNAL_EXECUTION_RESULT",
            reply_id,
            execution_results: [{ id: call!.id, output: "x", state: "success" }]
          }),
          "not_asked"
        )
        assert.strictEqual(yield* codeOf(right, stranger), "not_waiting")
        assert.strictEqual(
          yield* codeOf(right, { ...stranger, id: session.id, agent_id: session.agent_id }),
          "NotFound"
        )
        assert.strictEqual(yield* hub.status(session), "awaiting_permission")
        const all = yield* Effect.all(
          [answer(session, right), answer(session, right), answer(session, right)].map(Effect.either),
          {
            concurrency: "unbounded"
          }
        )
        assert.strictEqual(all.filter(({ _tag }) => _tag === "Right").length, 1)
        const accepted = all.flatMap((one) => one._tag === "Right" ? [one.right] : [])[0]!
        const second = yield* until(session, accepted)
        assert.deepStrictEqual(outputs(second.events), ["once"])
        assert.strictEqual(yield* codeOf(right), "not_waiting")
      }))

    it.effect("refuses an answer to what an earlier run asked, although another asks now", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, pause("old")))
        const [old] = asked(first.events)
        yield* until(session, yield* answer(session, confirm(replyOf(first.events), { id: old!.id, confirmed: false })))
        const second = yield* until(session, yield* say(session, pause("new")))
        const [fresh] = asked(second.events)
        const late = yield* Effect.flip(answer(session, confirm(replyOf(first.events), { id: old!.id })))
        assert.deepInclude(late, { _tag: "Conflict", code: "wrong_reply" })
        const right = yield* answer(session, confirm(replyOf(second.events), { id: fresh!.id }))
        assert.deepStrictEqual(outputs((yield* until(session, right)).events), ["new"])
      }))

    it.effect("gives a model the reply that goes on once, and last", () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        yield* until(session, yield* say(session, "say before"))
        const first = yield* until(session, yield* say(session, `say asks\n${pause("x")}\nthen\ncontext`))
        const [call] = asked(first.events)
        const second = yield* until(session, yield* answer(session, confirm(replyOf(first.events), { id: call!.id })))
        const text = second.events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")
        // Two inputs and two replies.
        assert.strictEqual((JSON.parse(text) as { readonly messages: number }).messages, 4)
      }))

    it.effect("tells nobody of a steering input that was cancelled", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation("demo-script", { mode: "bypass" })
        const going = yield* say(session, "call Pause {\"seconds\":1}\nthen\nresults")
        const cancelled = yield* say(session, "never mind", "steer")
        const kept = yield* say(session, "be brief", "steer")
        yield* hub.cancel(session, cancelled.run_id)
        const reply = yield* hub.reply(session, going.run_id, going.seq)
        const hints = reply.content.flatMap((block) => block.type === "hint" ? [JSON.stringify(block.hint)] : [])
        assert.strictEqual(hints.length, 1)
        assert.include(hints[0], "be brief")
        assert.deepInclude(yield* hub.reply(session, cancelled.run_id, cancelled.seq), {
          finished_reason: "interrupted"
        })
        assert.strictEqual((yield* hub.reply(session, kept.run_id, kept.seq)).id, reply.id)
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.notInclude(JSON.stringify(messages), "never mind")
        checkMessages(messages)
      }))

    it.effect("closes what is asked when it is interrupted, and then runs what waited", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, pause("x")))
        const next = yield* say(session, "say after")
        assert.strictEqual(yield* hub.status(session), "awaiting_permission")
        yield* hub.interrupt(session, "keep")
        const reply = yield* hub.reply(session, next.run_id, next.seq)
        assert.strictEqual(textOf(reply.content), "after")
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual(messages.map(({ finished_reason }) => finished_reason), [
          undefined,
          "interrupted",
          undefined,
          "completed"
        ])
        assert.strictEqual(messages[1]!.id, replyOf(first.events))
        assert.isFalse(messages[1]!.content.some((block) => block.type === "tool_call" && block.state !== "finished"))
      }))

    it.effect("lets an input stop what is parked, be refused by it, or wait behind it", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const first = yield* until(session, yield* say(session, pause("x")))
        assert.deepInclude(yield* Effect.flip(say(session, "say no", "reject")), {
          _tag: "Conflict",
          code: "session_busy"
        })
        const waits = yield* say(session, "say second")
        const stops = yield* say(session, "say first", "interrupt")
        yield* hub.reply(session, waits.run_id, waits.seq)
        const { messages } = yield* hub.messages(session, { offset: 0, limit: 50 })
        assert.deepStrictEqual(
          messages.filter(({ role }) => role === "assistant").slice(1).map(({ content }) => textOf(content)),
          ["first", "second"]
        )
        assert.notStrictEqual(stops.run_id, waits.run_id)
        assert.strictEqual(kindOf(first.last), "run_parked")
      }))

    it.effect("cancels one run, waiting, parked or going on, and no other", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const { runs } = yield* Storage
        const session = yield* conversation()
        const going = yield* say(session, "sleep 60000")
        const waiting = yield* say(session, "say dropped")
        const last = yield* say(session, "say kept")
        yield* hub.cancel(session, waiting.run_id)
        yield* hub.cancel(session, going.run_id)
        assert.strictEqual(textOf((yield* hub.reply(session, last.run_id, last.seq)).content), "kept")
        const reasons = yield* Effect.forEach([going, waiting, last], ({ run_id }) =>
          Effect.map(runs.get(session.user_id, run_id), ({ finished_reason }) => finished_reason))
        assert.deepStrictEqual(reasons, ["interrupted", "interrupted", "completed"])
        yield* hub.cancel(session, last.run_id)
      }))

    it.effect("tells a steering input to the reply before its next model call, or runs it afterwards", () =>
      Effect.gen(function*() {
        const hub = yield* SessionHub
        const { runs } = yield* Storage
        const session = yield* conversation("demo-script", { mode: "bypass" })
        const going = yield* say(session, "call Pause {\"seconds\":0.2}\nthen\nsay end")
        yield* Effect.sleep("50 millis")
        const steering = yield* say(session, "be brief", "steer")
        const taken = yield* hub.reply(session, steering.run_id, steering.seq)
        const reply = yield* hub.reply(session, going.run_id, going.seq)
        assert.strictEqual(taken.id, reply.id)
        assert.strictEqual(textOf(taken.content), "end", "the reply is whole")
        assert.deepStrictEqual(reply.content.map(({ type }) => type), ["tool_call", "tool_result", "hint", "text"])
        assert.deepInclude(yield* runs.get(session.user_id, steering.run_id), {
          status: "ended",
          finished_reason: "completed"
        })
        const late = yield* say(session, "sleep 50\nsay last")
        const own = yield* say(session, "say own", "steer")
        assert.strictEqual(textOf((yield* hub.reply(session, own.run_id, own.seq)).content), "own")
        assert.notStrictEqual(late.run_id, own.run_id)
        // Who asks again, as with a key, gets the same, whatever has been and is being said since.
        const other = yield* say(session, "sleep 500\nsay other")
        const again = yield* hub.reply(session, steering.run_id, steering.seq)
        assert.strictEqual(again.id, reply.id)
        assert.strictEqual(yield* hub.status(session), "running")
        yield* hub.cancel(session, other.run_id)
      }))
  })
