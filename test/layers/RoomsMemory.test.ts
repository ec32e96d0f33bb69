import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Host from "../../src/layers/Host.ts"
import { LiveRoom } from "../../src/layers/Rooms/Room.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { conversation, say, watch } from "../support/hub.ts"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

describe("Rooms", () => {
  layer(Host.over(Host.memory), { excludeTestServices: true, timeout: "60 seconds" })("in memory", (it) => {
    it.effect(
      "keep nothing of the runs that have ended in a session that is watched all the time",
      () =>
        Effect.gen(function*() {
          const hub = yield* SessionHub
          const owner = yield* RunOwner
          const session = yield* conversation()
          const room = yield* Effect.flatMap(Rooms, (rooms) => rooms.get(session))
          assert.instanceOf(room, LiveRoom)
          yield* watch(session, { after: 0 })
          // What is registered once for a room, by its first run, stays with the room.
          const first = yield* say(session, "say x")
          yield* hub.reply(session, first.run_id, first.seq)
          const before = room.registered()
          const runs: Array<WeakRef<object>> = []
          const count = 100
          for (let i = 0; i < count; i++) {
            const { run_id, seq } = yield* say(session, "sleep 5\nsay x")
            const activity = owner.activity(session.id)
            if (activity !== undefined) runs.push(new WeakRef(activity.run))
            yield* hub.reply(session, run_id, seq)
          }
          // Fibers end a moment after their runs.
          yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => room.registered() === before, times: 500 })
          assert.strictEqual(room.registered(), before)
          assert.isAbove(runs.length, count / 2)
          const living = Effect.sync(() => {
            collect()
            return runs.filter((run) => run.deref() !== undefined).length
          })
          yield* Effect.repeat(Effect.delay(living, "20 millis"), { until: (n) => n <= 10, times: 50 })
          assert.isAtMost(yield* living, 10)
        }).pipe(Effect.scoped),
      { timeout: 120_000 }
    )
  })
})
