/**
 * Schedules that stand in the operator's definitions, with a record of each for every tenant that they name. They are
 * written when the definitions were read, and by nobody else: processes that do so at once write the same.
 */
import { Duration, Effect, Either, Schedule as Again } from "effect"
import { type AgentDefinition, runsFor, type ScheduleEntry } from "../../domain/Definition.ts"
import { withInput } from "../../domain/FireInput.ts"
import type { ScheduleId, UserId } from "../../domain/Ids.ts"
import type { Schedule, ScheduleData } from "../../domain/Schedule.ts"
import { type Book, Catalog } from "../../services/Catalog.ts"
import { timestampOf } from "../../services/Now.ts"
import { OwnAgents } from "../../services/OwnAgents.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { Storage } from "../../services/Storage.ts"
import { definedAgentId, definedScheduleId } from "../SameId.ts"
import { supervise } from "../Supervise.ts"
import * as Changing from "./Changing.ts"
import { nowhere, placeOf } from "./Plan.ts"
import type { Options } from "./Stored.ts"

/** Records that are read together. */
const batch = 200

/** How long a fire may wait, such as for a process that knows its agent. */
const life = Duration.toSeconds("1 hour")

/** Sessions of a schedule that are kept. */
const kept = 100

/** Pauses between tries while storage cannot be written. */
const pauses = Again.exponential("1 second").pipe(Again.union(Again.spaced("1 minute")), Again.jittered)

/** A schedule as a definition says it, for one tenant. */
interface Wanted {
  readonly id: ScheduleId
  readonly owner: UserId
  readonly agent: AgentDefinition
  readonly entry: ScheduleEntry
}

const wantedIn = ({ agents }: Book): ReadonlyArray<Wanted> =>
  [...agents.values()].flatMap((agent) =>
    agent.front.schedules.flatMap((entry) =>
      runsFor(agent, entry).map((owner) => ({
        id: definedScheduleId(owner, agent.id, entry.name),
        owner,
        agent,
        entry
      }))
    )
  )

const dataOf = (
  { agent, entry }: Wanted,
  timing: Pick<ScheduleData, "cron_expression" | "timezone">,
  before: Pick<ScheduleData, "definition" | "enabled" | "started_at">
): ScheduleData => ({
  name: entry.name,
  description: entry.message,
  // What its owner has chosen stays until the definition says something else.
  enabled: before.definition?.enabled === entry.enabled ? before.enabled : entry.enabled,
  cron_expression: timing.cron_expression,
  interval_seconds: null,
  once_at: null,
  timezone: timing.timezone,
  started_at: before.started_at,
  ended_at: null,
  jitter_seconds: 0,
  max_fires: null,
  overlap: "skip",
  missed: "once",
  missed_grace_seconds: Duration.toSeconds("1 hour"),
  missed_limit: 1,
  expires_after_seconds: life,
  // The one of the definition, through a credential of the tenant's, at each fire.
  chat_model_config: null,
  stateful: false,
  permission_mode: "dont_ask",
  instructions: entry.instructions,
  input: withInput(entry.message, entry.input),
  output_schema: null,
  keep_sessions: kept,
  source: "DEFINITION",
  source_session_id: null,
  definition: { agent: agent.id, enabled: entry.enabled, is_gone: false }
})

const isSame = (a: ScheduleData, b: ScheduleData) =>
  JSON.stringify(Object.entries(a).toSorted()) === JSON.stringify(Object.entries(b).toSorted())

export const make = Effect.fnUntraced(function*({ schedule_min_seconds }: Options) {
  const { schedules, transaction } = yield* Storage
  const store = yield* ScheduleStore
  const catalog = yield* Catalog
  const own = yield* OwnAgents

  const put = (schedule: Schedule, fires: number, now: number) =>
    store.put({ id: schedule.id, owner: schedule.user_id, ...placeOf(schedule, fires, now) })

  const insert = (wanted: Wanted, data: ScheduleData, now: number) =>
    transaction(Effect.gen(function*() {
      const at = timestampOf(now)
      const schedule = yield* schedules.insert({
        id: wanted.id,
        user_id: wanted.owner,
        agent_id: definedAgentId(wanted.owner, wanted.agent.id),
        created_at: at,
        updated_at: at,
        data
      })
      yield* put(schedule, 0, now)
    }))

  /** As the definition says it, with what its owner has chosen; one that is broken is tried again. */
  const update = (wanted: Wanted, timing: Pick<ScheduleData, "cron_expression" | "timezone">, now: number) =>
    transaction(Effect.gen(function*() {
      const before = yield* schedules.get(wanted.owner, wanted.id)
      const data = dataOf(wanted, timing, before.data)
      const state = (yield* store.states([wanted.id])).get(wanted.id)
      const isRight = isSame(data, before.data)
      if (isRight && state !== undefined && state.status !== "broken") return
      const after = isRight ? before : yield* schedules.modify(wanted.owner, wanted.id, (schedule) => ({
        ...schedule,
        updated_at: timestampOf(now),
        data
      }))
      const isStill = state?.status === "active" && !Changing.movesIt(before.data, data)
      if (!isStill) yield* put(after, state?.fire_count ?? 0, now)
    }))

  const write = Effect.fnUntraced(function*(wanted: Wanted) {
    const now = yield* store.now
    const { cron, timezone } = wanted.entry
    const read = Changing.read({ cron_expression: cron, timezone: timezone ?? "UTC" }, now, schedule_min_seconds)
    if (Either.isLeft(read)) {
      return yield* Effect.logWarning(
        `The schedule '${wanted.entry.name}' of the agent '${wanted.agent.id}' is left out: ${read.left.detail}`
      )
    }
    const { timing } = read.right
    const updated = update(wanted, timing, now)
    const fresh = dataOf(wanted, timing, { enabled: wanted.entry.enabled, started_at: timing.started_at })
    yield* Effect.catchTag(
      updated,
      "NotFound",
      () =>
        Effect.zipRight(own.ensure(wanted.owner), insert(wanted, fresh, now)).pipe(
          // Another process was first.
          Effect.catchTag("Conflict", () => updated),
          Effect.catchTag("NotFound", () => Effect.void)
        )
    )
  })

  /** What no definition says any more ends. Its history stays, until its owner removes it. */
  const retire = ({ id, user_id }: Schedule) =>
    transaction(Effect.gen(function*() {
      const at = timestampOf(yield* store.now)
      yield* schedules.modify(user_id, id, ({ data, ...schedule }) => ({
        ...schedule,
        updated_at: at,
        data: data.definition === undefined ? data : { ...data, definition: { ...data.definition, is_gone: true } }
      }))
      yield* store.put({
        id,
        owner: user_id,
        ...nowhere("ended", "It is not defined any more, or not for this user.")
      })
    })).pipe(Effect.catchTag("NotFound", () => Effect.void))

  const retireAllBut = Effect.fnUntraced(function*(wanted: ReadonlySet<string>) {
    let cursor: string | undefined
    do {
      const page: { readonly items: ReadonlyArray<Schedule>; readonly next_cursor: string | null } = yield* Effect
        .orDie(
          schedules.host.list({ limit: batch, cursor }, { defined: "yes" })
        )
      yield* Effect.forEach(page.items.filter(({ id }) => !wanted.has(id)), retire, { discard: true })
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
  })

  const follow = Effect.gen(function*() {
    const bell = yield* Effect.makeLatch(true)
    yield* catalog.listen(() => bell.unsafeOpen())
    const once = Effect.gen(function*() {
      const book = catalog.book()
      // Nothing could be read yet: what was defined before goes on.
      if (book.revision === 0) return
      const wanted = wantedIn(book)
      yield* Effect.forEach(wanted, write, { discard: true })
      yield* retireAllBut(new Set(wanted.map(({ id }) => id)))
    })
    const loop: Effect.Effect<never> = Effect.forever(
      bell.await.pipe(
        // The bell is closed before the book is read: who rings afterwards is heard the next time.
        Effect.zipRight(Effect.sync(() => bell.unsafeClose())),
        Effect.zipRight(Effect.retry(
          Effect.tapError(
            Effect.sandbox(once),
            (cause) =>
              Effect.logWarning("The schedules of the definitions could not be written and are tried again", cause)
          ),
          pauses
        )),
        Effect.orDie
      )
    )
    return yield* supervise("Schedules of definitions", loop)
  })
  return Effect.scoped(follow)
})
