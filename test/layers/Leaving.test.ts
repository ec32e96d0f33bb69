/** What a process does with its runs while it leaves, and that it leaves. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Host from "../../src/layers/Host.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { kindOf } from "../support/events.ts"
import { answer, conversation, say } from "../support/hub.ts"
import { eventually, everything, type Live, live, storedRun } from "../support/live.ts"

const drain = (host: Live, seconds: number) => host.do(Effect.flatMap(RunOwner, (owner) => owner.drain(seconds)))

const recover = (host: Live) => host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))

describe("A process that leaves", () => {
  layer(Host.memory, { timeout: "60 seconds", excludeTestServices: true })((it) => {
    it.scoped("lets what goes on end, begins nothing that waits, and leaves that to the next as it is", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const going = yield* first.do(say(session, "sleep 300\nsay done"))
        const waiting = yield* first.do(say(session, "say later"))
        yield* drain(first, 20)
        assert.deepInclude(yield* storedRun(session, going.run_id), { finished_reason: "completed" })
        assert.deepInclude(yield* storedRun(session, waiting.run_id), { status: "queued", first_seq: null, attempt: 1 })
        yield* first.end
        const second = yield* live()
        yield* recover(second)
        const reply = yield* second.do(
          Effect.flatMap(SessionHub, (hub) => hub.reply(session, waiting.run_id, waiting.seq))
        )
        assert.strictEqual(textOf(reply.content), "later")
        assert.deepInclude(yield* storedRun(session, waiting.run_id), { attempt: 1, finished_reason: "completed" })
      }))

    it.scoped("ends a run for good that its user interrupts meanwhile", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(conversation())
        const going = yield* first.do(say(session, "sleep 60000"))
        const leaving = yield* Effect.fork(drain(first, 30))
        yield* Effect.sleep("50 millis")
        yield* first.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
        yield* Fiber.join(leaving).pipe(Effect.timeout("20 seconds"))
        yield* first.end
        const second = yield* live()
        yield* recover(second)
        assert.deepInclude(yield* storedRun(session, going.run_id), {
          status: "ended",
          finished_reason: "interrupted",
          attempt: 1
        })
        const types = (yield* everything(session)).map(({ event }) => kindOf(event))
        assert.notInclude(types, "run_resumed")
      }))

    it.scoped("takes no input and no answer any more, and says so", () =>
      Effect.gen(function*() {
        const host = yield* live()
        const session = yield* host.do(conversation())
        const accepted = yield* host.do(say(session, "call Pause {\"seconds\":0,\"note\":\"x\"}"))
        const parked = yield* eventually("parked", storedRun(session, accepted.run_id), ({ status }) =>
          status === "awaiting_permission")
        const asked = (yield* everything(session)).flatMap(({ event }) =>
          event.type === "REQUIRE_USER_CONFIRM" ? [event] : []
        )
        yield* drain(host, 0)
        const refusals = [
          yield* Effect.flip(host.do(say(session, "say no"))),
          yield* Effect.flip(host.do(answer(session, {
            type: "USER_CONFIRM_RESULT",
            reply_id: parked.reply_id,
            confirm_results: asked[0]!.tool_calls.map(({ id }) => ({ confirmed: true, tool_call: { id } }))
          })))
        ]
        for (const refused of refusals) {
          assert.deepInclude(refused, { _tag: "Unavailable", code: "draining" })
        }
        assert.deepInclude(yield* storedRun(session, accepted.run_id), { status: "awaiting_permission" })
      }))

    it.scoped("is gone in time although storage does not take the end of a run", () =>
      Effect.gen(function*() {
        const writing = Effect.unsafeMakeLatch(true)
        const host = yield* live({ append: (append) => (batch) => writing.whenOpen(append(batch)) })
        const session = yield* host.do(conversation())
        yield* host.do(say(session, "sleep 200\nsay done"))
        yield* writing.close
        yield* Effect.zipRight(drain(host, 1), host.end).pipe(Effect.disconnect, Effect.timeout("10 seconds"))
        yield* writing.open
      }))

    it.scoped("is gone in time although a model's call does not stop when it is told to", () =>
      Effect.gen(function*() {
        const host = yield* live({ stream: () => () => Effect.uninterruptible(Effect.never) })
        const session = yield* host.do(conversation())
        const going = yield* host.do(say(session, "say never"))
        yield* Effect.zipRight(drain(host, 1), host.end).pipe(Effect.disconnect, Effect.timeout("10 seconds"))
        const next = yield* live()
        yield* recover(next)
        const reply = yield* next.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, going.run_id, going.seq)))
        assert.strictEqual(textOf(reply.content), "never")
      }))
  })
})
