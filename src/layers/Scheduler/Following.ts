/** Writes what became of the runs of fires. It reads the runs' own rows, so that nothing is lost with the process that drove them. */
import { Effect, Option } from "effect"
import type { Fire } from "../../domain/Fire.ts"
import type { Run } from "../../domain/Run.ts"
import { timestampOf } from "../../services/Now.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

/** Fires that are looked at together. */
const batch = 200

/** Ended fires of a schedule that are kept. */
const keptFires = 1_000

/** Sessions that are removed after one fire at most. */
const surplusBatch = 20

/** After how many fires of a schedule old ones are looked for. */
const pruneEvery = 50

const millisBetween = (from: string | null, to: string | null) =>
  from === null || to === null ? null : Math.max(0, Date.parse(to) - Date.parse(from))

const outcomeOf = ({ error, finished_reason }: Run): Fire["status"] =>
  finished_reason === "interrupted"
    ? "interrupted"
    : error !== null || finished_reason === "error"
    ? "failed"
    : "completed"

/** The fire as its run has it now. */
const followed = (fire: Fire, run: Run | undefined, now: string): Pick<Fire, "status"> & Partial<Fire> => {
  if (run === undefined) {
    return { status: "failed", reason: "Its session was deleted.", ended_at: timestampOf(Date.parse(now)) }
  }
  const { ended_at, error, started_at, usage } = run
  if (run.status !== "ended") {
    return { status: run.status === "queued" || run.status === "running" ? "running" : "waiting", started_at }
  }
  return {
    status: outcomeOf(run),
    reason: error?.message ?? null,
    error,
    usage,
    started_at,
    ended_at,
    duration_ms: millisBetween(started_at, ended_at)
  }
}

export const make = Effect.gen(function*() {
  const store = yield* ScheduleStore
  const storage = yield* Storage
  const hub = yield* SessionHub

  /** Removes what the schedule does not keep. */
  const tidy = Effect.fnUntraced(function*(fire: Fire) {
    const schedule = yield* Effect.option(storage.schedules.get(fire.user_id, fire.schedule_id))
    if (Option.isNone(schedule)) return
    const { data, id, user_id } = schedule.value
    if ((fire.number ?? 0) % pruneEvery === 0) yield* store.prune(id, keptFires)
    if (data.stateful) return
    const old = yield* store.surplus(id, data.keep_sessions, surplusBatch)
    yield* Effect.forEach(old, (session_id) =>
      storage.sessions.get(user_id, session_id).pipe(
        Effect.tap(hub.forget),
        Effect.flatMap(() => storage.sessions.remove(user_id, session_id)),
        Effect.catchTag("NotFound", () => Effect.void)
      ), { discard: true })
  }, Effect.catchAllCause((cause) => Effect.logWarning("Old sessions of a schedule were not removed", cause)))

  /** Answers how many fires have changed. */
  return Effect.gen(function*() {
    const changed = yield* store.changed(batch)
    if (changed.length === 0) return 0
    const now = timestampOf(yield* store.now)
    const ended = yield* Effect.forEach(changed, ({ fire, run }) => {
      const after: Fire = { ...fire, ...followed(fire, run, now), updated_at: now }
      return Effect.map(store.write(after, fire.status), (isMine) => isMine && after.ended_at !== null ? [after] : [])
    })
    yield* Effect.forEach(ended.flat(), tidy, { discard: true })
    return changed.length
  })
})
