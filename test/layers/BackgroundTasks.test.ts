import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { textOf } from "../../src/domain/Message.ts"
import * as Host from "../../src/layers/Host.ts"
import { BackgroundTasks } from "../../src/services/BackgroundTasks.ts"
import { call, isIdle, reply, taskProcess, tasksContract, toldTimes } from "../contracts/TasksContract.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { isWoken, runsOf, slowTool, tasksOf, toldIn } from "../support/tasks.ts"

tasksContract("Memory", Host.memory)

tasksContract("PGlite", Host.pglite({ dataDir: undefined }))

tasksContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)

/** Processes on one memory that hear each other. */
const two = Effect.gen(function*() {
  const hear = bus()
  const slow = [slowTool(), slowTool()] as const
  const [a, b] = [hear.join(), hear.join()]
  const [here, there] = [
    yield* taskProcess(slow[0], { peers: a.layer }),
    yield* taskProcess(slow[1], { peers: b.layer })
  ]
  return { a, here, there, slow: slow[0] }
})

/** A task of the first process, and its session. */
const begun = Effect.gen(function*() {
  const both = yield* two
  const session = yield* both.here.do(conversation())
  yield* both.here.do(Effect.flatMap(say(session, call("a")), (accepted) => reply(session, accepted)))
  const [task] = yield* tasksOf(session)
  return { ...both, session, task: task! }
})

layer(Host.memory, { timeout: patience(30_000), excludeTestServices: true })("Tasks of two processes", (it) => {
  it.scoped("are stopped from the other one", () =>
    Effect.gen(function*() {
      const { session, slow, task, there } = yield* begun
      yield* there.do(Effect.flatMap(BackgroundTasks, ({ cancel }) => cancel(session, task.id)))
      assert.deepStrictEqual(slow.stopped, ["a"])
      assert.deepStrictEqual((yield* tasksOf(session)).map(({ status }) => status), ["cancelled"])
    }))

  it.scoped("are told once where the other one drives the session, and its run is not disturbed", () =>
    Effect.gen(function*() {
      const { session, slow, there } = yield* begun
      const going = yield* there.do(say(session, "sleep 700\nsay one\ncall Slow {\"name\":\"b\"}\nthen\nsay two"))
      yield* Effect.sleep("100 millis")
      yield* slow.says("a", "heard ")
      yield* slow.ends("a", "done")
      const { content, finished_reason } = yield* there.do(reply(session, going))
      assert.strictEqual(finished_reason, "completed")
      assert.include(textOf(content), "one")
      yield* toldTimes(session, 1)
      yield* eventually("all jobs done", isWoken(session), (done) => done)
      yield* there.do(isIdle(session))
      const told = yield* toldIn(session)
      assert.lengthOf(told, 1)
      assert.include(told[0]!, "heard done")
      assert.isTrue((yield* runsOf(session)).every(({ attempt }) => attempt === 1))
    }))

  it.scoped("are told as lost by the other one when theirs is gone", () =>
    Effect.gen(function*() {
      const { a, here, session, there } = yield* begun
      yield* here.kill
      yield* a.gone
      yield* toldTimes(session, 1)
      yield* eventually("all jobs done", isWoken(session), (done) => done)
      yield* there.do(isIdle(session))
      assert.deepStrictEqual((yield* tasksOf(session)).map(({ status }) => status), ["lost"])
      assert.lengthOf(yield* toldIn(session), 1)
    }))
})
