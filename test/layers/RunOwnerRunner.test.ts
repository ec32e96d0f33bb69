/** What the run owner makes of whatever a runner does, also of what the one that Stoa has seldom does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Outcome } from "../../src/domain/Reply.ts"
import * as BackgroundTasksLocal from "../../src/layers/BackgroundTasks/Local.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsScripted from "../../src/layers/Models/Scripted.ts"
import * as RoomsLocal from "../../src/layers/Rooms/Local.ts"
import * as RunOwnerLocal from "../../src/layers/RunOwner/Local.ts"
import * as SessionHubLocal from "../../src/layers/SessionHub/Local.ts"
import * as ToolboxBuiltIn from "../../src/layers/Toolbox/BuiltIn.ts"
import { AgentRunner } from "../../src/services/AgentRunner.ts"
import type { AppendRefused } from "../../src/services/EventLog.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { conversation, say } from "../support/hub.ts"
import { storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

/** Sessions whose runs this does. */
const over = (run: () => Effect.Effect<Outcome, AppendRefused>) =>
  SessionHubLocal.layer.pipe(
    Layer.provideMerge(RunOwnerLocal.layer),
    Layer.provideMerge(
      Layer.mergeAll(BackgroundTasksLocal.layer, Layer.succeed(AgentRunner, { run }), ToolboxBuiltIn.layer)
    ),
    Layer.provideMerge(RoomsLocal.layer),
    Layer.provideMerge(Layer.merge(ModelsScripted.layer([]), Host.memory))
  )

const completed: Outcome = { finished_reason: "completed", error: null }

describe("A run", () => {
  for (const waiting_for of ["user_confirmation", "external_execution"] as const) {
    it.live(`that parks for a ${waiting_for} in the moment in which it is stopped ends as stopped`, () => {
      const began = Effect.unsafeMakeLatch(false)
      const parks = Effect.unsafeMakeLatch(false)
      // It cannot be interrupted, so that it parks for certain after it was stopped.
      const run = () =>
        Effect.uninterruptible(Effect.zipRight(began.open, Effect.as(parks.await, { waiting_for } as Outcome)))
      return Effect.gen(function*() {
        const hub = yield* SessionHub
        const session = yield* conversation()
        const accepted = yield* say(session, "go")
        const next = yield* say(session, "next")
        yield* began.await
        const stop = yield* Effect.fork(Effect.either(hub.cancel(session, accepted.run_id)))
        yield* Effect.sleep("50 millis")
        yield* parks.open
        yield* stop
        yield* hub.reply(session, accepted.run_id, accepted.seq)
        const stopped = yield* storedRun(session, accepted.run_id)
        assert.deepInclude(stopped, { status: "ended", finished_reason: "interrupted", error: null })
        yield* hub.reply(session, next.run_id, next.seq)
        // The same runner, which nobody has stopped, parks.
        assert.include(
          ["awaiting_permission", "awaiting_external_result"],
          (yield* storedRun(session, next.run_id)).status
        )
      }).pipe(Effect.provide(over(run)), Effect.timeout(patience(10_000)))
    })
  }

  it.live("whose runner breaks ends with an error that shows nothing of it, and the next one runs", () => {
    let times = 0
    const run = () => times++ === 0 ? Effect.die(new Error("sk-planted")) : Effect.succeed(completed)
    return Effect.gen(function*() {
      const hub = yield* SessionHub
      const session = yield* conversation()
      const accepted = yield* say(session, "go")
      const reply = yield* hub.reply(session, accepted.run_id, accepted.seq)
      assert.deepInclude(reply, { finished_reason: "error" })
      assert.deepInclude(reply.error, { type: "internal", code: "internal" })
      assert.notInclude(JSON.stringify(reply), "planted")
      const next = yield* say(session, "next")
      assert.deepInclude(yield* hub.reply(session, next.run_id, next.seq), { finished_reason: "completed" })
    }).pipe(Effect.provide(over(run)), Effect.timeout(patience(10_000)))
  })

  it.live("whose runner interrupts itself ends as interrupted", () =>
    Effect.gen(function*() {
      const hub = yield* SessionHub
      const session = yield* conversation()
      const accepted = yield* say(session, "go")
      const reply = yield* hub.reply(session, accepted.run_id, accepted.seq)
      assert.deepInclude(reply, { finished_reason: "interrupted", error: null })
    }).pipe(Effect.provide(over(() => Effect.interrupt)), Effect.timeout(patience(10_000))))

  it.live("whose model is gone when its turn comes ends with an error that says so", () => {
    const first = Effect.unsafeMakeLatch(false)
    return Effect.gen(function*() {
      const hub = yield* SessionHub
      const { sessions } = yield* Storage
      const session = yield* conversation()
      const going = yield* say(session, "go")
      const next = yield* say(session, "next")
      yield* sessions.modify(session.user_id, session.id, (old) => ({
        ...old,
        config: { ...old.config, chat_model_config: null }
      }))
      yield* first.open
      yield* hub.reply(session, going.run_id, going.seq)
      const reply = yield* hub.reply(session, next.run_id, next.seq)
      assert.deepInclude(reply.error, { type: "setup", code: "not_found", retryable: false })
    }).pipe(Effect.provide(over(() => Effect.as(first.await, completed))), Effect.timeout(patience(10_000)))
  })
})
