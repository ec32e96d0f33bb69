import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { AppendRefused, EventLog } from "../../src/services/EventLog.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { conversation, converse, say, watch } from "../support/hub.ts"

const gates = new Map<string, Deferred.Deferred<void>>()

/** A log that cannot hold a certain word said by a model, and in which pages of some sessions hang. */
const storage = Layer.map(Host.memory, (context) => {
  const log = Context.get(context, EventLog)
  const append: typeof log.append = (batch) => {
    if (batch.pages.some(({ frames }) => frames.includes("\"delta\":\"poison"))) {
      return Effect.fail(new AppendRefused({ reason: "broken" }))
    }
    const gate = batch.pages.map(({ session_id }) => gates.get(session_id)).find((one) => one !== undefined)
    return gate === undefined ? log.append(batch) : Effect.zipRight(Deferred.await(gate), log.append(batch))
  }
  return Context.add(context, EventLog, { ...log, append })
})

describe("A log", () => {
  layer(Host.over(storage), { excludeTestServices: true, timeout: "60 seconds" })("of many sessions", (it) => {
    it.effect(
      "that cannot hold what one run says ends that run with an error that is kept, and no other",
      () =>
        Effect.gen(function*() {
          const hub = yield* SessionHub
          const { runs } = yield* Storage
          const [poisoned, other] = [
            yield* conversation(),
            yield* conversation("demo-script", {
              parameters: { delay_ms: 5 }
            })
          ]
          const going = yield* say(other, "repeat 300 word ")
          // Asleep long enough for each attempt to be in the log before it fails.
          const accepted = yield* say(poisoned, "sleep 300\nsay poison")
          const run = runs.get(poisoned.user_id, accepted.run_id)
          yield* Effect.repeat(Effect.delay(run, "50 millis"), {
            until: ({ status }) => status === "ended",
            times: 600
          })
          assert.deepInclude(yield* run, { status: "ended", finished_reason: "error" })
          const { events } = yield* converse(poisoned, "say fine")
          assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
          const reply = yield* hub.reply(other, going.run_id, going.seq)
          assert.strictEqual(reply.finished_reason, "completed")
          assert.isTrue(yield* (yield* Rooms).healthy)
        }),
      { timeout: 120_000 }
    )

    it.effect(
      "whose flush hangs lets no further input wait behind a run, and keeps nothing of it",
      () =>
        Effect.gen(function*() {
          const rooms = yield* Rooms
          const session = yield* conversation("demo-script", { parameters: { delay_ms: 5 } })
          const accepted = yield* say(session, "repeat 400 word ")
          const room = yield* rooms.get(session)
          const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
          const gate = yield* Deferred.make<void>()
          gates.set(session.id, gate)
          yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => rooms.isHeldUp() })
          const refused = yield* Effect.flip(say(session, "say never"))
          assert.deepInclude(refused, { _tag: "Unavailable", code: "storage_unavailable" })
          assert.strictEqual(room.open().length, 1)
          gates.delete(session.id)
          yield* Deferred.succeed(gate, undefined)
          yield* Deferred.await(seen.ended)
          assert.isFalse(seen.frames().includes("never"))
          yield* converse(session, "say next")
        }).pipe(Effect.scoped),
      { timeout: 120_000 }
    )
  })
})
