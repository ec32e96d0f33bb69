/** What tasks of a program's own kinds promise, over every layer that keeps them. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import type { TaskId, Timestamp, UserId } from "../../src/domain/Ids.ts"
import { type Job, newJob } from "../../src/domain/Job.ts"
import { isOpen, maxPendingTasks, maxTaskInput, maxTaskResult } from "../../src/domain/OwnTask.ts"
import type * as Host from "../../src/layers/Host.ts"
import * as JobsWorking from "../../src/layers/Jobs/Working.ts"
import * as Task from "../../src/layers/OwnTasks/Task.ts"
import * as Working from "../../src/layers/OwnTasks/Working.ts"
import { JobStore } from "../../src/services/JobStore.ts"
import { type OwnTaskKind, OwnTasks } from "../../src/services/OwnTasks.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshId, freshOwner } from "../support/fixtures.ts"
import { eventually } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"

const Input = Schema.Struct({ x: Schema.NumberFromString })

const soon = { input: Input, pauses: ["10 millis", "10 millis"] } as const

/** The attempts at tasks that fail, by their inputs. */
const attempts = new Map<number, Array<number>>()
const failing = (x: number, attempt: number) => {
  attempts.set(x, [...attempts.get(x) ?? [], attempt])
}

const kinds = {
  square: Task.make({ ...soon, name: "square", run: ({ x }) => ({ square: x * x }) }),
  later: Task.make({ ...soon, name: "later", run: ({ x }) => Effect.delay(Effect.succeed(x), "50 millis") }),
  pieces: Task.make({
    ...soon,
    name: "pieces",
    run: async function*({ x }) {
      for (let i = 0; i < x; i++) yield i
    }
  }),
  second: Task.make({
    ...soon,
    name: "second",
    run: ({ x }, { attempt }) => {
      failing(x, attempt)
      if (attempt === 1) throw new Task.TaskFailed({ message: "Not yet." })
      return Promise.resolve(attempt)
    }
  }),
  never: Task.make({
    ...soon,
    name: "never",
    run: ({ x }, { attempt }) => {
      failing(x, attempt)
      return Effect.fail("a secret")
    }
  }),
  impossible: Task.make({
    ...soon,
    name: "impossible",
    run: ({ x }, { attempt }) => {
      failing(x, attempt)
      throw new Task.TaskFailed({ message: "It cannot be.", again: false })
    }
  }),
  huge: Task.make({ ...soon, name: "huge", run: () => "x".repeat(maxTaskResult + 1) }),
  odd: Task.make({
    ...soon,
    name: "odd",
    run: ({ x }, { attempt }) => {
      failing(x, attempt)
      if (attempt === 1) throw new Task.TaskFailed({ message: `a\0b\ud800${"c".repeat(8_192)}` })
      return ["a\0b\ud800", { "\0": 1, "__proto__": 2 }]
    }
  }),
  flood: Task.make({
    ...soon,
    name: "flood",
    run: async function*({ x }) {
      attempts.set(x, [])
      for (let i = 1;; i++) {
        failing(x, i)
        yield "x".repeat(256 * 1024)
      }
    }
  }),
  deaf: Task.make({
    ...soon,
    name: "deaf",
    timeout: "20 millis",
    pauses: [],
    run: () => Effect.uninterruptible(Effect.sleep("10 minutes"))
  }),
  endless: Task.make({
    ...soon,
    name: "endless",
    timeout: "100 millis",
    pauses: [],
    run: (_, { signal }) => sleep(60_000, undefined, { signal })
  })
}

/** A process that does them. It ends with the scope. */
const process = (machines = bus()) =>
  Effect.gen(function*() {
    const member = machines.join()
    const made = Working.layerWith(Object.values(kinds), JobsWorking.make)
    const context = yield* Layer.build(Layer.provide(Layer.fresh(made), member.layer))
    const tasks = yield* Effect.provide(OwnTasks, context)
    return { tasks, run: Effect.forkScoped(tasks.run), gone: member.gone }
  })

const submit = (tasks: typeof OwnTasks.Service, owner: UserId, kind: OwnTaskKind, x = "3") =>
  tasks.submit(owner, kind, { x }, (write) => write)

export const ownTasksContract = <E>(name: string, backend: Layer.Layer<Host.Memories, E>): void =>
  layer(backend, { timeout: patience(60_000), excludeTestServices: true })(`Tasks of a program: ${name}`, (it) => {
    const done = (tasks: typeof OwnTasks.Service, owner: UserId, kind: OwnTaskKind, x?: string) =>
      Effect.gen(function*() {
        const { id } = yield* submit(tasks, owner, kind, x)
        return yield* eventually("it has ended", Effect.orDie(tasks.get(owner, kind, id)), (task) => !isOpen(task))
      })

    it.scoped("are done, and what they bring is kept, whatever it comes as", () =>
      Effect.gen(function*() {
        const { run, tasks } = yield* process()
        yield* run
        const owner = freshOwner()
        for (
          const [kind, result] of [[kinds.square, { square: 9 }], [kinds.later, 3], [kinds.pieces, [0, 1, 2]]] as const
        ) {
          const task = yield* done(tasks, owner, kind)
          assert.deepInclude(
            task,
            { status: "finished", result, error: null, attempts: 1, input: { x: "3" } },
            kind.name
          )
          assert.isString(task.ended_at)
        }
      }))

    it.scoped("are tried again when they fail, and given up after the last attempt or when that is of no use", () =>
      Effect.gen(function*() {
        const { run, tasks } = yield* process()
        yield* run
        const owner = freshOwner()
        const own = () => String(attempts.size + 1)
        const outcomes = [
          [kinds.second, { status: "finished", result: 2, error: null }, [1, 2]],
          [kinds.never, { status: "error", error: "The task failed; the cause is in the server's log." }, [1, 2, 3]],
          [kinds.impossible, { status: "error", error: "It cannot be." }, [1]]
        ] as const
        for (const [kind, outcome, tried] of outcomes) {
          const x = own()
          assert.deepInclude(yield* done(tasks, owner, kind, x), outcome, kind.name)
          assert.deepStrictEqual(attempts.get(Number(x)), [...tried])
        }
        assert.include((yield* done(tasks, owner, kinds.huge)).error, "The result has more than")
        const odd = own()
        const done1 = yield* done(tasks, owner, kinds.odd, odd)
        assert.deepInclude(done1, { status: "finished" })
        assert.strictEqual(JSON.stringify(done1.result).includes("a\\u0000b"), true, JSON.stringify(done1.result))
        assert.deepStrictEqual(attempts.get(Number(odd)), [1, 2])
        const x = own()
        assert.include((yield* done(tasks, owner, kinds.flood, x)).error, "The result has more than")
        // Not all of what it could have said was held before it was too much.
        assert.strictEqual(attempts.get(Number(x))!.length, 4)
        assert.deepInclude(yield* done(tasks, owner, kinds.deaf), { status: "error", error: "It took too long." })
        assert.deepInclude(yield* done(tasks, owner, kinds.endless), { status: "error", error: "It took too long." })
      }))

    it.scoped("are seen by their owner alone, each under its own kind, newest first", () =>
      Effect.gen(function*() {
        const { tasks } = yield* process()
        const owner = freshOwner()
        const first = yield* submit(tasks, owner, kinds.square)
        const second = yield* submit(tasks, owner, kinds.square)
        assert.deepInclude(first, { status: "pending", attempts: 0, started_at: null, result: null })
        assert.strictEqual((yield* Effect.flip(tasks.get(freshOwner(), kinds.square, first.id)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(tasks.get(owner, kinds.later, first.id)))._tag, "NotFound")
        const page = yield* tasks.list(owner, kinds.square, { limit: 1, cursor: undefined })
        assert.deepStrictEqual([page.total, page.items.map(({ id }) => id)], [2, [second.id]])
        const others = yield* tasks.list(owner, kinds.later, { limit: 1, cursor: undefined })
        assert.strictEqual(others.total, 0)
      }))

    it.scoped("are refused where they do not fit, and nothing is kept of them", () =>
      Effect.gen(function*() {
        const { tasks } = yield* process()
        const owner = freshOwner()
        const refused = yield* Effect.flip(tasks.submit(owner, kinds.square, { x: 3 }, (write) => write))
        assert.deepInclude(refused, { _tag: "Invalid" })
        const long = yield* Effect.flip(submit(tasks, owner, kinds.square, "1".repeat(maxTaskInput)))
        assert.deepInclude(long, { _tag: "Invalid" })
        assert.strictEqual((yield* tasks.list(owner, kinds.square, { limit: 1, cursor: undefined })).total, 0)
      }))

    it.scoped("are a thousand of an owner's at most that wait, beside those that nobody does any more", () =>
      Effect.gen(function*() {
        const { tasks } = yield* process()
        const { jobs, ownTasks, transaction } = yield* Storage
        const owner = freshOwner()
        const one = yield* submit(tasks, owner, kinds.square)
        const copies = Array.from({ length: maxPendingTasks - 1 }, () => ({ ...one, id: freshId() as TaskId }))
        yield* transaction(
          Effect.forEach(copies, (copy, i) => ownTasks.insert(i === 0 ? { ...copy, name: "gone" } : copy))
        )
        yield* submit(tasks, owner, kinds.square)
        const full = yield* Effect.flip(submit(tasks, owner, kinds.later))
        assert.strictEqual(full._tag === "LimitReached" ? full.code : full._tag, "too_many_tasks")
        yield* submit(tasks, freshOwner(), kinds.later)

        // Their jobs stay for a program that brings them, as long as there is something to do.
        const { add } = yield* JobStore
        const left = (kind: string, at: string) => newJob(freshId(), owner, kind, {}, at as Timestamp)
        const old = left("own_task.gone", "2020-01-01T00:00:00.000Z")
        const young = left("own_task.gone", "2999-01-01T00:00:00.000Z")
        const known = left("own_task.square", "2020-01-01T00:00:00.000Z")
        const other = left("else", "2020-01-01T00:00:00.000Z")
        yield* add([old, young, known, other])
        const waiting = yield* Working.forgetStrangers(Object.values(kinds), "2020-01-02T00:00:00.000Z" as Timestamp)
        assert.isAtLeast(waiting.get("own_task.gone") ?? 0, 1)
        const isThere = (job: Job) => Effect.isSuccess(jobs.get(owner, job.id))
        assert.deepStrictEqual(yield* Effect.forEach([old, young, known, other], isThere), [false, true, true, true])
      }))

    it.scoped("are done by a process that comes later, when theirs has died in the middle of them", () =>
      Effect.gen(function*() {
        const machines = bus()
        const owner = freshOwner()
        const stuck = yield* Effect.scoped(Effect.gen(function*() {
          const { gone, run, tasks } = yield* process(machines)
          const { id } = yield* submit(tasks, owner, kinds.later)
          yield* run
          yield* eventually("it runs", tasks.get(owner, kinds.later, id), ({ status }) => status === "running")
          yield* gone
          return id
        }))
        const { run, tasks } = yield* process(machines)
        yield* run
        const task = yield* eventually("it is done", tasks.get(owner, kinds.later, stuck), (task) => !isOpen(task))
        assert.deepInclude(task, { status: "finished", result: 3 })
        assert.isAtLeast(task.attempts, 1)
      }))
  })
