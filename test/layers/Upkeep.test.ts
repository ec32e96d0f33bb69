import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import * as Upkeep from "../../src/layers/Upkeep.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Files } from "../../src/services/Files.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { Storage } from "../../src/services/Storage.ts"

describe("The sweeps", () => {
  const counts = { parked: 0, prune: 0 }
  const swept = { looked: 0, ended: 0, removed: 0, next: undefined }
  let filesSwept = 0
  let deliveriesSwept = 0
  const fakes = Layer.mergeAll(
    Layer.succeed(
      EventLog,
      {
        parked: () => Effect.suspend(() => counts.parked++ === 1 ? Effect.die("connection lost") : Effect.succeed([])),
        prune: () => Effect.sync(() => counts.prune++ % 3 !== 2)
      } as unknown as typeof EventLog.Service
    ),
    Layer.succeed(
      Files,
      {
        sweep: () => Effect.sync(() => ({ ...swept, looked: filesSwept++ % 3 === 0 ? 1 : 0 }))
      } as unknown as typeof Files.Service
    ),
    Layer.succeed(Rooms, {} as typeof Rooms.Service),
    Layer.succeed(RunOwner, {} as typeof RunOwner.Service),
    Layer.succeed(
      Storage,
      {
        forgetDeliveries: (_: string, limit: number) => Effect.sync(() => deliveriesSwept++ % 3 === 0 ? limit : 1)
      } as unknown as typeof Storage.Service
    )
  )
  const sweeps = (limits: Upkeep.Limits) => Layer.build(Layer.provide(Upkeep.layer(limits), fakes))

  it.scoped("come about every minute, go on after storage was away, and prune until nothing is left", () =>
    Effect.gen(function*() {
      yield* sweeps({ parked_hours: 1, retain_days: 1 })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(counts, { parked: 0, prune: 0 })
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(counts.parked >= 8 && counts.parked <= 13, `${counts.parked}`)
      assert.isTrue(counts.prune >= 24 && counts.prune <= 39 && counts.prune % 3 === 0, `${counts.prune}`)
    }))

  it.scoped("do not come when nothing expires and everything is kept", () =>
    Effect.gen(function*() {
      const before = { ...counts }
      yield* sweeps({ parked_hours: 0, retain_days: 0 })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(counts, before)
      assert.isAbove(filesSwept, 40, "files without a session go all the same")
      assert.isAbove(deliveriesSwept, 40, "and so do old messages")
    }))
})
