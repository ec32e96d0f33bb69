/** Does the tasks of the program's own kinds: a row for each, and a job that does it. */
import { Clock, Data, Duration, Effect, Either, Layer, ParseResult, Predicate, Schema } from "effect"
import { Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import { TaskId, type Timestamp } from "../../domain/Ids.ts"
import { type Job, newJob } from "../../domain/Job.ts"
import { maxPendingTasks, maxTaskInput, maxTaskResult, type OwnTask } from "../../domain/OwnTask.ts"
import { done, type JobHandler, type Jobs, type Outcome } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { type OwnTaskKind, OwnTasks, TaskFailed } from "../../services/OwnTasks.ts"
import { Storage } from "../../services/Storage.ts"
import { leaving } from "../Leaving.ts"
import { supervise } from "../Supervise.ts"

/** Tasks are kept for a week. */
const kept = Duration.days(7)
const pruneEvery = Duration.minutes(10)
const pruneBatch = 500
const firstPrune = Duration.seconds(30)

/** Longest sentence of a task that cannot be done, in characters. */
const maxTold = 4_096

/** Most pieces of a result that comes in pieces. */
const maxPieces = 10_000

const jobPrefix = "own_task."
const jobKindOf = ({ name }: OwnTaskKind) => jobPrefix + name

/** Most jobs that one look for those of no kind goes through, and how many at a time. */
const maxLooked = 10_000
const lookedAtOnce = 200

const Payload = Schema.Struct({ task_id: TaskId })
const decodePayload = Schema.decodeUnknownOption(Payload)

const tooMuch = new TaskFailed({
  message: `The result has more than ${maxTaskResult} characters of JSON, or ${maxPieces} pieces.`,
  again: false
})
const broken = "The task failed; the cause is in the server's log."

const jsonOf = (value: unknown): string => JSON.stringify(value) ?? "null"

/** The result as JSON, which is what will be stored. */
const resultOf = async (value: unknown, signal: AbortSignal): Promise<unknown> => {
  const settled: unknown = await value
  if (!(Predicate.isObject(settled) && Symbol.asyncIterator in settled)) {
    const json = jsonOf(settled)
    if (json.length > maxTaskResult) throw tooMuch
    return JSON.parse(json)
  }
  const pieces: Array<string> = []
  let characters = 0
  for await (const piece of settled as AsyncIterable<unknown>) {
    // Nobody waits for it any more, and the iterator is told by the break.
    if (signal.aborted) break
    const json = jsonOf(piece)
    characters += json.length + 1
    // Before there is too much to hold: pieces may come for as long as an attempt may take.
    if (pieces.push(json) > maxPieces || characters > maxTaskResult) throw tooMuch
  }
  return JSON.parse(`[${pieces.join(",")}]`)
}

const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)

/** What code of the program failed with, whatever it is. */
class Broke extends Data.TaggedError("Broke")<{ readonly cause: unknown }> {}

const broke = (cause: unknown) => new Broke({ cause })

const attemptOf = (kind: OwnTaskKind, task: OwnTask, attempt: number): Effect.Effect<unknown, Broke> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    const stop = Effect.sync(() => controller.abort())
    const { id: task_id, user_id: owner } = task
    return Schema.decodeUnknown(kind.input)(task.input).pipe(
      Effect.mapError(() =>
        broke(new TaskFailed({ message: "The input does not fit this version of the task.", again: false }))
      ),
      Effect.flatMap((input) =>
        Effect.try({
          try: () => kind.run(input, { owner, task_id, attempt, signal: controller.signal }),
          catch: broke
        })
      ),
      // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- what a program's own effect fails with is its own
      Effect.flatMap((value) => isEffect(value) ? leaving(Effect.mapError(value, broke), stop) : Effect.succeed(value)),
      Effect.flatMap((value) => Effect.tryPromise({ try: () => resultOf(value, controller.signal), catch: broke })),
      Effect.onInterrupt(() => stop)
    )
  })

export const handlers = (kinds: ReadonlyArray<OwnTaskKind>) =>
  Effect.map(Storage, ({ ownTasks }) => {
    const change = (job: Job, id: TaskId, fields: (task: OwnTask) => Partial<OwnTask>) =>
      Effect.ignore(
        ownTasks.modify(job.user_id, id, (task) => ({ ...task, updated_at: job.updated_at, ...fields(task) }))
      )

    const handlerOf = (kind: OwnTaskKind): JobHandler => {
      /** What a failed attempt leaves; `job` says whether there will be another. */
      const failed = (id: TaskId, error: string) => (job: Job) =>
        change(job, id, () => ({
          error,
          ...(job.status === "dead" ? { status: "error", ended_at: job.updated_at } : { status: "pending" })
        }))

      return {
        kind: jobKindOf(kind),
        timeout: kind.timeout,
        pauses: kind.pauses,
        work: Effect.fnUntraced(function*(job) {
          const named = decodePayload(job.payload)
          if (named._tag === "None") return { result: "dead", error: "Its payload cannot be read." }
          const id = named.value.task_id
          const at = yield* now
          const task = yield* Effect.option(ownTasks.get(job.user_id, id))
          // It is done, or its owner is gone. One that was given up is done once more when somebody asks for it.
          if (task._tag === "None" || task.value.status === "finished") return done
          yield* Effect.ignore(ownTasks.modify(job.user_id, id, (task) =>
            // Another process has done it meanwhile: this one was away for longer than its lease.
            task.status === "finished" ? task : {
              ...task,
              status: "running",
              attempts: job.attempts,
              started_at: task.started_at ?? at,
              ended_at: null,
              updated_at: at
            }))
          return yield* attemptOf(kind, task.value, job.attempts).pipe(
            Effect.map((result): Outcome => ({
              ...done,
              write: (job) =>
                change(job, id, () => ({ status: "finished", result, error: null, ended_at: job.updated_at }))
            })),
            Effect.catchAll(({ cause: error }) => {
              const told = error instanceof TaskFailed ? String(error.message).slice(0, maxTold) : broken
              const outcome: Outcome = {
                result: error instanceof TaskFailed && error.again === false ? "dead" : "again",
                error: told,
                write: failed(id, told)
              }
              return error instanceof TaskFailed
                ? Effect.succeed(outcome)
                : Effect.as(Effect.logWarning(`The task ${kind.name} failed`, error), outcome)
            })
          )
        }),
        unended: (job) => {
          const named = decodePayload(job.payload)
          return named._tag === "None" ? Effect.void : failed(named.value.task_id, job.error ?? broken)(job)
        }
      }
    }

    return kinds.map(handlerOf)
  })

/**
 * Goes through jobs of kinds that the program does not bring. Another process may, of the version before or after; those
 * whose task is gone are removed. Answers how many wait of each kind.
 */
export const forgetStrangers = (kinds: ReadonlyArray<OwnTaskKind>, before: Timestamp) =>
  Effect.gen(function*() {
    const { jobs } = yield* Storage
    const known = new Set(kinds.map(jobKindOf))
    const waiting = new Map<string, number>()
    let cursor: string | undefined
    for (let looked = 0; looked < maxLooked;) {
      const page = yield* jobs.host.list({ limit: lookedAtOnce, cursor }, { status: "pending" }, "oldest")
      for (const { created_at, id, kind, user_id } of page.items) {
        if (!kind.startsWith(jobPrefix) || known.has(kind)) continue
        if (created_at < before) yield* Effect.ignore(jobs.remove(user_id, id))
        else waiting.set(kind, (waiting.get(kind) ?? 0) + 1)
      }
      looked += page.items.length
      if (page.next_cursor === null) break
      cursor = page.next_cursor
    }
    return waiting
  })

export const make = Effect.fnUntraced(function*(kinds: ReadonlyArray<OwnTaskKind>, jobs: typeof Jobs.Service) {
  const storage = yield* Storage
  const store = yield* JobStore
  const newId = yield* NewId
  const { ownTasks } = storage

  /** Kinds that have been told of: their tasks wait for a program that brings them. */
  const told = new Set<string>()

  const tell = (waiting: ReadonlyMap<string, number>) =>
    Effect.forEach([...waiting], ([kind, count]) => {
      if (told.has(kind)) return Effect.void
      told.add(kind)
      return Effect.logWarning(`${count} tasks wait that this program does not bring: ${kind.slice(jobPrefix.length)}`)
    }, { discard: true })

  const pruning = Effect.flatMap(Clock.currentTimeMillis, (millis) => {
    const before = timestampOf(millis - Duration.toMillis(kept))
    const forgetting = Effect.repeat(storage.forgetOwnTasks(before, pruneBatch), {
      while: (removed) => removed === pruneBatch
    })
    return Effect.zipRight(forgetting, Effect.flatMap(forgetStrangers(kinds, before), tell))
  }).pipe(
    Effect.provideService(Storage, storage),
    Effect.catchAllCause((cause) => Effect.logDebug("Old tasks cannot be removed now", cause))
  )

  /** How many tasks the owner has with these statuses that somebody does here. What nobody does keeps nobody from handing in. */
  const open = Effect.fnUntraced(function*(owner: OwnTask["user_id"]) {
    const count = (where: { readonly status: string; readonly name?: string }) =>
      Effect.map(Effect.orDie(ownTasks.list(owner, { limit: 1, cursor: undefined }, where)), ({ total }) => total)
    const statuses = ["pending", "running"] as const
    const sum = (counts: ReadonlyArray<number>) => counts.reduce((all, one) => all + one, 0)
    const all = sum(yield* Effect.forEach(statuses, (status) => count({ status })))
    if (all < maxPendingTasks) return all
    return sum(
      yield* Effect.forEach(
        kinds,
        ({ name }) => Effect.map(Effect.forEach(statuses, (status) => count({ status, name })), sum)
      )
    )
  })

  return OwnTasks.of({
    submit: Effect.fnUntraced(function*(owner, kind, given, keep) {
      const decoded = Schema.decodeUnknownEither(kind.input, { errors: "all" })(given)
      if (Either.isLeft(decoded)) {
        const errors = ParseResult.ArrayFormatter.formatErrorSync(decoded.left).slice(0, 20).map(({ path }) => ({
          path: path.join(".").slice(0, 200),
          message: "is not valid"
        }))
        return yield* new Invalid({ detail: "The input does not fit the task's schema.", errors })
      }
      const json = JSON.stringify(given) ?? "null"
      if (json.length > maxTaskInput) {
        return yield* new Invalid({ detail: `The input has more than ${maxTaskInput} characters of JSON.` })
      }
      const task = yield* keep(Effect.gen(function*() {
        if ((yield* open(owner)) >= maxPendingTasks) {
          return yield* new LimitReached({
            code: "too_many_tasks",
            detail: `${maxPendingTasks} tasks wait already. Wait until some are done.`,
            retry_after: 5
          })
        }
        const millis = yield* Clock.currentTimeMillis
        const at = timestampOf(millis)
        const task: OwnTask = {
          id: TaskId.make(newId.record(millis)),
          user_id: owner,
          created_at: at,
          updated_at: at,
          name: kind.name,
          status: "pending",
          input: JSON.parse(json),
          result: null,
          error: null,
          attempts: 0,
          started_at: null,
          ended_at: null
        }
        // Together: there is no task that nothing does, and no job without its task.
        return yield* storage.transaction(Effect.gen(function*() {
          yield* Effect.orDie(ownTasks.insert(task))
          yield* store.add([newJob(`${task.id}.own`, owner, jobKindOf(kind), { task_id: task.id }, at)])
          return task
        }))
      }))
      yield* jobs.wake
      return task
    }),
    get: (owner, { name }, id) =>
      Effect.flatMap(
        Effect.mapError(ownTasks.get(owner, id), () => NotFound.of("Task", id.slice(0, 128))),
        (task) => task.name === name ? Effect.succeed(task) : NotFound.of("Task", id.slice(0, 128))
      ),
    list: (owner, { name }, page) => ownTasks.list(owner, page, { name }, "newest"),
    run: Effect.gen(function*() {
      const always = Effect.zipRight(
        Effect.delay(pruning, firstPrune),
        Effect.forever(Effect.delay(pruning, pruneEvery))
      )
      yield* Effect.forkScoped(supervise("Removal of old tasks", always))
      // Nothing is done where the program brings no tasks; what was left from another one is still removed.
      return yield* kinds.length === 0 ? Effect.never : jobs.run
    }).pipe(Effect.scoped)
  })
})

/** `working` makes the loop that does jobs of these kinds. */
export const layerWith = <R>(
  kinds: ReadonlyArray<OwnTaskKind>,
  working: (handlers: ReadonlyArray<JobHandler>) => Effect.Effect<typeof Jobs.Service, never, R>
): Layer.Layer<OwnTasks, never, JobStore | Storage | R> =>
  Layer.effect(OwnTasks, Effect.flatMap(Effect.flatMap(handlers(kinds), working), (jobs) => make(kinds, jobs)))
