import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { newJob } from "../../src/domain/Job.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Waking from "../../src/layers/BackgroundTasks/Waking.ts"
import * as Host from "../../src/layers/Host.ts"
import { BackgroundTasks, taskJobKind } from "../../src/services/BackgroundTasks.ts"
import { now } from "../../src/services/Now.ts"
import { Storage } from "../../src/services/Storage.ts"
import { TaskStore } from "../../src/services/TaskStore.ts"
import { call, isIdle, reply, taskProcess, tasksContract, toldTimes } from "../contracts/TasksContract.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, live } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { isWoken, leftTask, runsOf, slowTool, tasksOf, toldIn } from "../support/tasks.ts"

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

layer(Host.memory, { timeout: patience(30_000), excludeTestServices: true })("A task whose waking was lost", (it) => {
  it.scoped("is woken for again: the run that took the first one was killed before it told", () =>
    Effect.gen(function*() {
      const host = yield* live()
      const session = yield* host.do(conversation())
      const task = yield* leftTask(session)
      const at = yield* now
      yield* host.do(Effect.flatMap(TaskStore, ({ end }) => end({ ...task, status: "lost", ended_at: at })))
      const wake = (attempts: number) =>
        host.do(Effect.flatMap(Waking.handler, ({ work }) =>
          work({
            ...newJob(`task.${task.id}`, task.user_id, taskJobKind, { task_id: task.id, session_id: session.id }, at),
            attempts
          })))
      // An earlier attempt was taken into a run that is over, and has told nothing.
      const { claims } = yield* Storage
      yield* claims.insert({
        id: `task ${task.id}`,
        user_id: task.user_id,
        created_at: at,
        updated_at: at,
        digest: "",
        answer: "{}",
        is_sealed: false
      })
      assert.strictEqual((yield* wake(2)).result, "again")
      yield* toldTimes(session, 1)
      yield* host.do(isIdle(session))
      assert.strictEqual((yield* wake(3)).result, "done")
      assert.lengthOf(yield* toldIn(session), 1)
      assert.lengthOf(yield* runsOf(session), 1)
    }))
})
