/** Background work: it ends runs that have waited too long, and removes what is older than the retention allows. */
import { Clock, Duration, Effect, Layer, Random } from "effect"
import type { RunId } from "../domain/Ids.ts"
import type { Run } from "../domain/Run.ts"
import { defaults, type Settings } from "../domain/Settings.ts"
import { EventLog } from "../services/EventLog.ts"
import { Files, type SweepPlace, type Swept } from "../services/Files.ts"
import { timestampOf } from "../services/Now.ts"
import { Rooms } from "../services/Rooms.ts"
import { RunOwner } from "../services/RunOwner.ts"
import { Storage } from "../services/Storage.ts"
import { supervise } from "./Supervise.ts"

export type Limits = Pick<Settings, "parked_hours" | "retain_days">

/** About the time between two sweeps, in milliseconds. */
const interval = 60_000

/** How many parked runs are read together, and how many are ended at the same time. */
const parkedBatch = 100
const parkedConcurrency = 4

/** How many pages are removed together, and the pause between two batches. */
const pruneBatch = 256
const pruneGap = Duration.millis(50)

/** How long a file may be stored before something must name it. */
const unnamedFor = Duration.hours(1)

/** The pause between two steps of looking for files that nobody holds. */
const sweepGap = Duration.millis(50)

/** Repeats the sweep, at random intervals so that processes do not all sweep at the same moment. */
const sweeping = <R>(name: string, sweep: Effect.Effect<void, never, R>) =>
  supervise(
    name,
    Effect.forever(Effect.flatMap(Random.next, (jitter) => Effect.delay(sweep, interval * (0.8 + 0.4 * jitter))))
  )

const ago = (duration: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (millis) => timestampOf(millis - Duration.toMillis(duration)))

/** Ends runs that have been parked for longer than the limit. */
export const expire = Effect.fnUntraced(function*(after: Duration.Duration) {
  const log = yield* EventLog
  const rooms = yield* Rooms
  const owner = yield* RunOwner
  const before = yield* ago(after)
  const end = (run: Run) =>
    Effect.flatMap(
      rooms.get({ id: run.session_id, user_id: run.user_id }),
      (room) => owner.expire(room, run.id, before)
    ).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) => Effect.logError("A parked run could not be ended", cause)),
      Effect.annotateLogs({ run_id: run.id, session_id: run.session_id })
    )
  for (let last: RunId | undefined, more = true; more;) {
    const runs: ReadonlyArray<Run> = yield* log.parked(before, last, parkedBatch)
    yield* Effect.forEach(runs, end, { concurrency: parkedConcurrency, discard: true })
    last = runs.at(-1)?.id
    more = runs.length === parkedBatch
  }
})

/** Removes the pages of runs that ended longer ago than the limit. */
export const prune = Effect.fnUntraced(function*(after: Duration.Duration) {
  const log = yield* EventLog
  const before = yield* ago(after)
  while (yield* log.prune(before, pruneBatch)) yield* Effect.sleep(pruneGap)
})

/** Removes files that came with an input which was never accepted, and those of sessions that are gone. */
const removeFiles = Effect.fnUntraced(function*(after: Duration.Duration = unnamedFor) {
  const files = yield* Files
  const before = yield* ago(after)
  for (let place: SweepPlace | undefined, more = true; more;) {
    const { looked, next }: Swept = yield* files.sweep(before, place)
    place = next
    more = looked > 0 || next !== undefined
    if (more) yield* Effect.sleep(sweepGap)
  }
})

/** How long messages and what became of them are kept, and how many are removed together. */
const keepDeliveries = Duration.days(30)
const deliveryBatch = 500

const removeDeliveries = Effect.gen(function*() {
  const { forgetDeliveries } = yield* Storage
  const before = yield* ago(keepDeliveries)
  while ((yield* forgetDeliveries(before, deliveryBatch)) === deliveryBatch) yield* Effect.sleep(pruneGap)
})

/** How long a question to a person is kept, whose tool has ended long before. */
const keepElicitations = Duration.days(1)

const removeElicitations = Effect.gen(function*() {
  const { forgetElicitations } = yield* Storage
  const before = yield* ago(keepElicitations)
  while ((yield* forgetElicitations(before, deliveryBatch)) === deliveryBatch) yield* Effect.sleep(pruneGap)
})

export const layer = (
  { parked_hours, retain_days }: Limits = defaults
): Layer.Layer<never, never, EventLog | Files | Rooms | RunOwner | Storage> =>
  Layer.mergeAll(
    Layer.scopedDiscard(Effect.forkScoped(sweeping("Removal of files", removeFiles()))),
    Layer.scopedDiscard(Effect.forkScoped(sweeping("Removal of old deliveries", removeDeliveries))),
    Layer.scopedDiscard(Effect.forkScoped(sweeping("Removal of old questions", removeElicitations))),
    parked_hours === 0
      ? Layer.empty
      : Layer.scopedDiscard(Effect.forkScoped(sweeping("Expiry of parked runs", expire(Duration.hours(parked_hours))))),
    retain_days === 0
      ? Layer.empty
      : Layer.scopedDiscard(Effect.forkScoped(sweeping("Retention", prune(Duration.days(retain_days)))))
  )
