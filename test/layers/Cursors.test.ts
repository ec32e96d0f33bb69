import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Schedule } from "effect"
import { Accepted } from "../../src/domain/Chat.ts"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { foreign } from "../support/events.ts"
import { conversation, say, watch } from "../support/hub.ts"

/** Pages wait a while for the log; what is written without a page does not, such as an input that is kept by its key. */
const slow = Layer.map(Host.memory, (context) => {
  const log = Context.get(context, EventLog)
  const append: typeof log.append = (batch) =>
    batch.pages.length === 0 ? log.append(batch) : Effect.delay(log.append(batch), "20 millis")
  return Context.add(context, EventLog, { ...log, append })
})

describe("Cursors", () => {
  layer(Host.over(slow), { excludeTestServices: true, timeout: "60 seconds" })("that are given out", (it) => {
    it.effect(
      "are in the log, for a keyed input into a session that streams too, fifty times",
      () =>
        Effect.gen(function*() {
          const hub = yield* SessionHub
          const rooms = yield* Rooms
          const { once } = yield* Idempotency
          let behind = 0
          for (let i = 0; i < 50; i += 10) {
            // A session for each ten: no more than 32 may wait in one.
            const session = yield* conversation("demo-script", { parameters: { delay_ms: 1 } })
            const { id: session_id, agent_id, user_id } = session
            const room = yield* rooms.get(session)
            yield* say(session, "repeat 100000 word ")
            for (let j = i; j < i + 10; j++) {
              if (room.last() > room.head()) behind++
              const payload = {
                agent_id,
                session_id,
                input: { name: "user" as const, role: "user" as const, content: `say ${j}`, metadata: {} },
                on_busy: j % 2 === 0 ? "enqueue" as const : "steer" as const,
                tools: []
              }
              const request = {
                owner: user_id,
                key: `key ${j}`,
                request: "POST /chat",
                body: payload,
                answer: Accepted
              }
              // A machine that stands still for a second is told to try again, as any client is.
              const send = Effect.retry(once(request, ({ claim }) => hub.send(user_id, payload, claim)), {
                while: ({ _tag }) => _tag === "Unavailable",
                schedule: Schedule.spaced("300 millis"),
                times: 50
              })
              const accepted = yield* send
              assert.isAtMost(accepted.seq, room.head())
              yield* Effect.scoped(watch(session, { after: accepted.seq, only: accepted.run_id }))
              assert.deepStrictEqual(yield* send, accepted)
            }
            yield* hub.interrupt(session, "drop")
          }
          assert.isAbove(behind, 10, "the session hardly streamed")
        }).pipe(Effect.scoped),
      { timeout: 120_000 }
    )

    it.effect("are waited for when the log has them in a moment, and refused when nobody gave them out", () =>
      Effect.gen(function*() {
        const rooms = yield* Rooms
        const session = yield* conversation()
        const room = yield* rooms.get(session)
        const { seq } = room.emit(null, foreign("x"))
        assert.isBelow(room.head(), seq)
        const seen = yield* watch(session, { after: seq })
        assert.strictEqual(room.head(), seq)
        assert.strictEqual((yield* Effect.flip(watch(session, { after: seq + 1 })))._tag, "Conflict")
        room.emit(null, foreign("y"))
        yield* room.durable
        assert.deepStrictEqual(seen.events().map((event) => event.seq), [seq + 1])
        assert.isFalse(yield* Deferred.isDone(seen.ended))
      }).pipe(Effect.scoped))
  })
})
