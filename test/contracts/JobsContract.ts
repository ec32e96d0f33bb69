/** What jobs promise, over every layer that keeps them. */
import { assert, layer } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer } from "effect"
import type { JobId, UserId } from "../../src/domain/Ids.ts"
import { type Job, newJob } from "../../src/domain/Job.ts"
import type * as Host from "../../src/layers/Host.ts"
import * as Working from "../../src/layers/Jobs/Working.ts"
import { type JobHandler, Jobs, type Outcome } from "../../src/services/Jobs.ts"
import { JobStore } from "../../src/services/JobStore.ts"
import { now } from "../../src/services/Now.ts"
import { Peers } from "../../src/services/Peers.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshId, freshOwner } from "../support/fixtures.ts"
import { eventually } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"

const soon = [Duration.millis(1), Duration.millis(1)]

/** New jobs of an owner, in this order. */
const added = (owner: UserId, count: number, kind: string) =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const at = yield* now
    const ids = Array.from({ length: count }, (_, i) => `${freshId()}.${String(i).padStart(4, "0")}`)
    const jobs = ids.map((id) => newJob(id, owner, kind, { id }, at))
    // One after the other, so that their times are in order.
    for (const job of jobs) yield* store.add([job])
    return jobs
  })

const read = (job: Job) => Effect.flatMap(Storage, ({ jobs }) => jobs.get(job.user_id, job.id))

const taking = { kinds: ["quiet"], worker: "a", lease: 60_000, limit: 100, perOwner: 100, without: [] }

/** Takes what there is of these owners. */
const taken = (owners: ReadonlyArray<UserId>, options: Partial<typeof taking> = {}) =>
  Effect.map(
    Effect.flatMap(JobStore, ({ take }) => take({ ...taking, limit: 10_000, ...options })),
    (jobs) => jobs.filter(({ user_id }) => owners.includes(user_id))
  )

/** The loop of a process, doing jobs of one kind. */
const process = (
  handler: Partial<JobHandler> & Pick<JobHandler, "kind" | "work">,
  machines = bus()
) =>
  Effect.gen(function*() {
    const member = machines.join()
    const handlers = [{ timeout: Duration.seconds(20), pauses: soon, ...handler }]
    const context = yield* Layer.build(Layer.provide(Layer.fresh(Working.layer(handlers)), member.layer))
    const { remove, retry, run } = yield* Effect.provide(Jobs, context)
    return { remove, retry, fiber: yield* Effect.forkScoped(run) }
  })

const done: Outcome = { result: "done" }

export const jobsContract = <E>(name: string, backend: Layer.Layer<Host.Memories, E>): void =>
  layer(backend, { timeout: patience(60_000), excludeTestServices: true })(`Jobs: ${name}`, (it) => {
    it.effect("are added once, and read by nobody but their owner", () =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const owner = freshOwner()
        const [job] = yield* added(owner, 1, "quiet")
        yield* store.add([{ ...job!, payload: { other: true } }])
        assert.deepStrictEqual((yield* read(job!)).payload, job!.payload)
        const { jobs } = yield* Storage
        assert.strictEqual((yield* Effect.flip(jobs.get(freshOwner(), job!.id)))._tag, "NotFound")
        assert.strictEqual((yield* jobs.list(owner, { limit: 10, cursor: undefined }, { status: "pending" })).total, 1)
        yield* taken([owner])
      }))

    it.effect("are not there when the transaction that adds them fails", () =>
      Effect.gen(function*() {
        const { transaction } = yield* Storage
        const store = yield* JobStore
        const job = newJob(freshId(), freshOwner(), "quiet", {}, yield* now)
        yield* Effect.ignore(transaction(Effect.zipRight(store.add([job]), Effect.fail("no"))))
        assert.strictEqual((yield* Effect.flip(read(job)))._tag, "NotFound")
      }))

    it.effect("are taken by one process each, the oldest of each owner first, and an owner with many does not keep others waiting", () =>
      Effect.gen(function*() {
        const [rich, poor] = [freshOwner(), freshOwner()]
        const many = yield* added(rich, 30, "quiet")
        const few = yield* added(poor, 2, "quiet")
        const store = yield* JobStore
        const first = yield* store.take({ ...taking, limit: 4, perOwner: 10 })
        assert.deepStrictEqual(
          new Set(first.map(({ id }) => id)),
          new Set([...many.slice(0, 2), ...few].map(({ id }) => id))
        )
        const rounds = yield* Effect.all(
          ["b", "c", "d", "e"].map((worker) => taken([rich, poor], { worker, perOwner: 9 })),
          { concurrency: "unbounded" }
        )
        const ids = rounds.flat().map(({ id }) => id)
        assert.strictEqual(new Set(ids).size, ids.length, "each one is taken once")
        assert.isTrue(rounds.every((round) => round.length <= 9))
        yield* taken([rich, poor])
        assert.deepStrictEqual(yield* taken([rich, poor]), [])
      }))

    it.effect("are passed over for owners who have enough, and can be taken again when the lease is over or the process is gone", () =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const owner = freshOwner()
        const [job] = yield* added(owner, 1, "quiet")
        assert.deepStrictEqual(yield* taken([owner], { without: [owner] } as never), [])
        assert.deepStrictEqual((yield* taken([owner], { lease: 1 })).map(({ attempts }) => attempts), [1])
        yield* Effect.sleep(30)
        assert.deepStrictEqual((yield* taken([owner], { worker: "b" })).map(({ attempts }) => attempts), [2])
        assert.deepStrictEqual(yield* taken([owner], { worker: "c" }), [])
        assert.include((yield* store.look([])).workers, "b")
        // The first one has lost it.
        assert.isFalse(yield* store.write({ ...job!, status: "done" }, "a"))
        yield* store.release(["b"])
        assert.deepStrictEqual((yield* taken([owner], { worker: "c" })).map(({ attempts }) => attempts), [3])
        assert.isTrue(yield* store.write({ ...job!, status: "done", attempts: 3 }, "c"))
        assert.isFalse(yield* store.write({ ...job!, status: "dead" }, "c"))
        assert.deepInclude(yield* read(job!), { status: "done", attempts: 3 })
      }))

    it.effect("that are over go when they are old, and those that wait stay", () =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const owner = freshOwner()
        const jobs = yield* added(owner, 3, "quiet")
        yield* taken([owner])
        yield* store.write({ ...jobs[0]!, status: "done" }, "a")
        yield* store.write({ ...jobs[1]!, status: "dead" }, "a")
        const later = Date.now() + 60_000
        assert.isAtLeast(yield* store.prune(later, 0, 1_000), 1)
        assert.strictEqual((yield* Effect.flip(read(jobs[0]!)))._tag, "NotFound")
        assert.strictEqual((yield* read(jobs[1]!)).status, "dead")
        yield* store.prune(0, later, 1_000)
        assert.strictEqual((yield* Effect.flip(read(jobs[1]!)))._tag, "NotFound")
        assert.strictEqual((yield* read(jobs[2]!)).status, "pending")
      }))

    it.scoped("are tried again with growing pauses, given up after the last, and done once somebody tries them again", () =>
      Effect.gen(function*() {
        let isFine = false
        const kind = freshId()
        const begun: Array<number> = []
        const { retry } = yield* process({
          kind,
          work: ({ attempts }) =>
            Effect.sync(() => {
              begun.push(attempts)
              return isFine ? done : { result: "again", error: "Not now." }
            })
        })
        const [job] = yield* added(freshOwner(), 1, kind)
        yield* eventually("it is given up", read(job!), ({ status }) => status === "dead")
        assert.deepInclude(yield* read(job!), { error: "Not now.", attempts: 3 })
        assert.deepStrictEqual(begun, [1, 2, 3])
        isFine = true
        yield* retry(job!.id)
        yield* eventually("it is done", read(job!), ({ status }) => status === "done")
        assert.deepInclude(yield* read(job!), { error: null })
        assert.strictEqual((yield* Effect.flip(retry(job!.id)))._tag, "Conflict")
        assert.strictEqual((yield* Effect.flip(retry(freshId())))._tag, "NotFound")
      }))

    it.scoped("that break or take too long hurt nobody else, and what is of no known kind waits", () =>
      Effect.gen(function*() {
        const kind = freshId()
        yield* process({
          kind,
          timeout: Duration.millis(20),
          work: ({ payload: { id } }) =>
            String(id).endsWith("0000")
              ? Effect.die(new Error("secret"))
              : String(id).endsWith("0001")
              ? Effect.never
              : Effect.succeed(done)
        })
        const owner = freshOwner()
        const [breaks, hangs, works] = yield* added(owner, 3, kind)
        const [unknown] = yield* added(owner, 1, "nobody knows this")
        yield* eventually("it is done", read(works!), ({ status }) => status === "done")
        assert.deepInclude(yield* read(unknown!), { status: "pending", attempts: 0 })
        for (const [job, why] of [[breaks!, "It broke"], [hangs!, "too long"]] as const) {
          yield* eventually(why, read(job), ({ status }) => status === "dead")
          const { error } = yield* read(job)
          assert.include(error, why)
          assert.notInclude(error, "secret")
        }
      }))

    it.scoped("can be deleted when they were given up, or when nobody knows how to do them, and not otherwise", () =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const kind = freshId()
        const vanished = freshId()
        const owner = freshOwner()
        const machines = bus()
        const { remove } = yield* process({
          kind,
          pauses: [],
          work: ({ payload: { id } }) => String(id).endsWith("0000") ? Effect.die("broken") : Effect.succeed(done)
        }, machines)
        const other = machines.join()
        const [dead, finished] = yield* added(owner, 2, kind)
        const [unknown, elsewhere] = yield* added(owner, 2, vanished)
        yield* eventually("it is given up", read(dead!), ({ status }) => status === "dead")
        yield* eventually("it is done", read(finished!), ({ status }) => status === "done")
        yield* store.take({ ...taking, kinds: [vanished], worker: other.self, limit: 1 })
        const refused = [finished!, unknown!, elsewhere!].map(({ id }) => Effect.either(remove(id)))
        const [ofFinished, ofFirst, ofSecond] = yield* Effect.all(refused)
        assert.deepInclude(ofFinished, { _tag: "Left" })
        // One of the two is being done by a process that knows how.
        assert.deepStrictEqual([ofFirst!._tag, ofSecond!._tag].toSorted(), ["Left", "Right"])
        yield* remove(dead!.id)
        assert.strictEqual((yield* Effect.flip(read(dead!)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(remove(dead!.id)))._tag, "NotFound")
        // Once that process is gone, nobody does it either.
        yield* other.gone
        yield* store.release([other.self])
        yield* Effect.all([unknown!, elsewhere!].map(({ id }) => Effect.ignore(remove(id))))
        const { jobs } = yield* Storage
        const { items } = yield* jobs.list(owner, { limit: 10, cursor: undefined })
        assert.deepStrictEqual(items.map(({ id }) => id), [finished!.id])
      }))

    it.scoped("that never come to an end are given up in the end, and that is written too", () =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const kind = freshId()
        const owner = freshOwner()
        const [job] = yield* added(owner, 1, kind)
        const written: Array<string | null> = []
        for (let times = 0; times < 6; times++) {
          assert.strictEqual((yield* taken([owner], { kinds: [kind] })).length, 1)
          yield* store.release(["a"])
        }
        yield* process({
          kind,
          work: () => Effect.succeed(done),
          unended: ({ error, status }) => Effect.sync(() => void written.push(`${status} ${error}`))
        })
        yield* eventually("it is given up", read(job!), ({ status }) => status === "dead")
        assert.deepStrictEqual(written, ["dead It never came to an end."])
      }))

    it.scoped("write what they did together with their end, or not at all", () =>
      Effect.gen(function*() {
        const { jobs } = yield* Storage
        const store = yield* JobStore
        const kind = freshId()
        const owner = freshOwner()
        const at = yield* now
        let refusals = 2
        yield* process({
          kind,
          work: ({ id }) =>
            Effect.succeed({
              result: "done",
              write: () =>
                Effect.flatMap(
                  store.add([newJob(`${id}.child`, owner, "nobody knows this", {}, at)]),
                  () => refusals-- > 0 ? Effect.die("storage is away") : Effect.void
                )
            })
        })
        const [job] = yield* added(owner, 1, kind)
        // The loop leaves it until its lease is over, which this one does not wait for.
        const again = Effect.repeat(Effect.delay(store.release(["process-1"]), "500 millis"), { times: 60 })
        yield* Effect.forkScoped(again)
        yield* eventually("it is done", read(job!), ({ status }) => status === "done")
        assert.strictEqual(refusals, -1)
        assert.strictEqual((yield* jobs.list(owner, { limit: 10, cursor: undefined })).total, 2)
      }))

    it.scoped("are each done once by three processes, of which one goes away in the middle of its work", () =>
      Effect.gen(function*() {
        const machines = bus()
        const kind = freshId()
        const counts = new Map<string, number>()
        const work = (job: Job) => Effect.as(Effect.sync(() => counts.set(job.id, (counts.get(job.id) ?? 0) + 1)), done)
        const held: Array<JobId> = []
        // It takes its jobs and does not come to their end.
        const dying = yield* process({
          kind,
          work: (job) => Effect.zipRight(Effect.sync(() => held.push(job.id)), Effect.never)
        }, machines)
        const jobs = (yield* Effect.forEach([freshOwner(), freshOwner(), freshOwner()], (owner) =>
          added(owner, 10, kind))).flat()
        yield* eventually("it has some", Effect.sync(() => held.length), (length) => length >= 4)
        yield* process({ kind, work }, machines)
        yield* process({ kind, work }, machines)
        machines.hide("process-1")
        yield* Fiber.interrupt(dying.fiber)
        for (const job of jobs) yield* eventually("it is done", read(job), ({ status }) => status === "done")
        assert.strictEqual(counts.size, jobs.length)
        assert.isTrue([...counts.values()].every((count) => count === 1))
      }))

    it.scoped("are begun when they are added, not at the next look, where no other process can have added them", () =>
      Effect.gen(function*() {
        const { layer } = bus().join()
        const alone = Layer.map(
          layer,
          (context) => Context.make(Peers, { ...Context.get(context, Peers), alone: true })
        )
        const handlers = [{
          kind: "prompt",
          timeout: Duration.seconds(20),
          pauses: soon,
          work: () => Effect.succeed(done)
        }]
        const context = yield* Layer.build(Layer.provide(Layer.fresh(Working.layer(handlers)), alone))
        yield* Effect.forkScoped(Effect.flatMap(Jobs, ({ run }) => run).pipe(Effect.provide(context)))
        const { transaction } = yield* Storage
        yield* Effect.sleep(200)
        // A process that shares its storage is never alone, and hears of a job before the others can see it.
        const [job] = yield* (name === "PostgreSQL"
          ? added(freshOwner(), 1, "prompt")
          : transaction(added(freshOwner(), 1, "prompt")))
        const [took] = yield* Effect.timed(eventually("it is done", read(job!), ({ status }) => status === "done"))
        assert.isBelow(Duration.toMillis(took), 4_000)
      }))
  })
