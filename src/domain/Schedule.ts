/** When an agent works on its own, and what it is told then. The names that system A's clients read stay as they are. */
import { Either, Schema } from "effect"
import { AgentId, ScheduleId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { ChatModelConfig } from "./Model.ts"
import { OutputSchema } from "./OutputSchema.ts"
import { PermissionMode } from "./Permission.ts"

/** Most schedules of one owner. */
export const maxSchedules = 10_000

/** Shortest time between two fires of one schedule, in seconds, unless the settings say otherwise. */
export const minIntervalSeconds = 10

/** Longest cron expression, in characters. */
const maxExpression = 256

/** Longest interval, in seconds: ten years. */
const maxIntervalSeconds = 315_360_000

/** Longest jitter, in seconds. */
const maxJitterSeconds = 3_600

/** Longest grace of a missed fire and longest life of a waiting one, in seconds: 30 days. */
const maxGraceSeconds = 2_592_000

/** Missed fires that are made up for at most. */
const maxMissed = 100

/** Sessions of a stateless schedule that are kept, and the most that may be. */
const keptSessions = 100
const maxKeptSessions = 10_000

/** What happens when the fire before has not ended: this one waits, is left out, or stops the other. */
export const Overlap = Schema.Literal("queue", "skip", "interrupt")
export type Overlap = typeof Overlap.Type

/** What happens to fires that no process could do in time: none is made up for, the newest of them, or each up to a bound. */
export const Missed = Schema.Literal("skip", "once", "all")
export type Missed = typeof Missed.Type

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256))
const description = Schema.String.pipe(Schema.maxLength(64 * 1024))
const timezone = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(64))
const expression = Schema.String.pipe(Schema.maxLength(maxExpression))
const interval = Schema.Number.pipe(Schema.between(0.1, maxIntervalSeconds))
const jitter = Schema.Number.pipe(Schema.between(0, maxJitterSeconds))
const maxFires = Schema.Int.pipe(Schema.between(1, 1_000_000_000))
const grace = Schema.Number.pipe(Schema.between(0, maxGraceSeconds))
const limit = Schema.Int.pipe(Schema.between(1, maxMissed))
const life = Schema.Number.pipe(Schema.between(1, maxGraceSeconds))
const instructions = Schema.String.pipe(Schema.maxLength(4_000))
const kept = Schema.Int.pipe(Schema.between(1, maxKeptSessions))

/** A time with an offset (`2026-12-24T18:00:00Z`), or without one: then it is the wall clock of the schedule's zone. */
const time = Schema.String.pipe(
  Schema.pattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/, {
    message: () => "Expected a time such as 2026-12-24T18:00:00Z, or without Z on the clock of the schedule's zone"
  })
)

/** What a definition says of a schedule that stands in it. */
const DefinedIn = Schema.Struct({
  /** The name of the agent's definition. */
  agent: Schema.String,
  /** Whether it says that the schedule fires. Its owner may have paused it all the same. */
  enabled: Schema.Boolean,
  /** It does not say so any more, or not for this owner: the schedule has ended, and may be removed. */
  is_gone: Schema.Boolean
}).annotations({ identifier: "ScheduleDefinition" })

/** When it fires. One of `cron_expression`, `interval_seconds` and `once_at` is set; the other two are empty. */
export const Timing = Schema.Struct({
  /** Five or six fields, where six begin with seconds, or a name such as `@daily`; empty for the other kinds. */
  cron_expression: Schema.String,
  interval_seconds: Schema.NullOr(Schema.Number),
  once_at: Schema.NullOr(Timestamp),
  /** The IANA zone on whose wall clock a cron expression is read. */
  timezone: Schema.String,
  started_at: Timestamp,
  ended_at: Schema.NullOr(Timestamp)
})
export type Timing = typeof Timing.Type

const ScheduleData = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** Whether it fires; false while it is paused. */
  enabled: Schema.Boolean,
  ...Timing.fields,
  /** Each fire is late by a random time up to this, which is the same for everybody. */
  jitter_seconds: Schema.Number,
  max_fires: Schema.NullOr(Schema.Int),
  overlap: Overlap,
  missed: Missed,
  /** How old a missed fire may be to be made up for. */
  missed_grace_seconds: Schema.Number,
  /** How many missed fires `missed: all` makes up for at most. */
  missed_limit: Schema.Int,
  /** How long a fire may wait behind another before it is given up; null is without end. */
  expires_after_seconds: Schema.NullOr(Schema.Number),
  /** Null for an agent that is code, and where a definition says the model. */
  chat_model_config: Schema.NullOr(ChatModelConfig),
  /** One session for all fires, in which the context grows; else a session for each. */
  stateful: Schema.Boolean,
  permission_mode: PermissionMode,
  /** Added to the agent's system prompt for each fire. */
  instructions: Schema.String,
  /** What the agent is told, with variables such as `{{time}}`; null means the description. */
  input: Schema.NullOr(Schema.String),
  output_schema: Schema.NullOr(JsonObject),
  /** How many sessions of a stateless schedule are kept: the newest. */
  keep_sessions: Schema.Int,
  source: Schema.Literal("USER", "AGENT", "DEFINITION"),
  source_session_id: Schema.NullOr(Schema.String),
  /** Only where the source is a definition. */
  definition: Schema.optionalWith(DefinedIn, { exact: true })
}).annotations({ identifier: "ScheduleData" })
export type ScheduleData = typeof ScheduleData.Type

export const Schedule = Schema.Struct({
  id: ScheduleId,
  user_id: UserId,
  agent_id: AgentId,
  created_at: Timestamp,
  updated_at: Timestamp,
  data: ScheduleData
}).annotations({ identifier: "ScheduleRecord" })
export interface Schedule extends Schema.Schema.Type<typeof Schedule> {}

/** What is shown in the place of what is stored and cannot be read. */
const unreadable: ScheduleData = {
  name: "This schedule cannot be read",
  description: "",
  enabled: false,
  cron_expression: "",
  interval_seconds: null,
  once_at: null,
  timezone: "UTC",
  started_at: Timestamp.make("1970-01-01T00:00:00.000Z"),
  ended_at: null,
  jitter_seconds: 0,
  max_fires: null,
  overlap: "skip",
  missed: "skip",
  missed_grace_seconds: 0,
  missed_limit: 1,
  expires_after_seconds: null,
  chat_model_config: null,
  stateful: false,
  permission_mode: "dont_ask",
  instructions: "",
  input: null,
  output_schema: null,
  keep_sessions: keptSessions,
  source: "USER",
  source_session_id: null
}

/** As it is read from storage: one that cannot be read is listed all the same, so that its owner can remove it. */
export const StoredSchedule = Schema.Struct({
  ...Schedule.fields,
  data: ScheduleData.annotations({ decodingFallback: () => Either.right(unreadable) })
})

/** Whether a definition says what it is. */
export const isDefined = ({ data: { definition } }: Schedule): boolean => definition?.is_gone === false

export const isReadable = ({ data }: Schedule): boolean => data !== unreadable

/**
 * `ended`: it will not fire any more by itself. `broken`: it cannot be read or cannot
 * run, as its `status_reason` says; a change that mends it makes it active again.
 */
export const ScheduleStatus = Schema.Literal("active", "paused", "ended", "broken")
export type ScheduleStatus = typeof ScheduleStatus.Type

/** Where a schedule is. Kept beside the record, so that firing never rewrites what its owner wrote. */
export const ScheduleState = Schema.Struct({
  status: ScheduleStatus,
  status_reason: Schema.NullOr(Schema.String),
  /** The next time that its expression names, and when it fires for it, which is later by the jitter. */
  next_slot_at: Schema.NullOr(Timestamp),
  next_fire_at: Schema.NullOr(Timestamp),
  last_fire_at: Schema.NullOr(Timestamp),
  /** Fires by the clock so far. */
  fire_count: Schema.Int
})
export type ScheduleState = typeof ScheduleState.Type

/** A schedule as it is shown. */
export const ScheduleView = Schema.Struct({ ...Schedule.fields, ...ScheduleState.fields })
  .annotations({ identifier: "ScheduleView" })
export type ScheduleView = typeof ScheduleView.Type

const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value, nullable: true })

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

export const ScheduleDraft = Schema.Struct({
  name,
  description: withDefault(description, ""),
  agent_id: AgentId,
  enabled: withDefault(Schema.Boolean, true),
  cron_expression: nullable(expression),
  interval_seconds: nullable(interval),
  once_at: nullable(time),
  timezone: withDefault(timezone, "UTC"),
  started_at: nullable(time),
  ended_at: nullable(time),
  jitter_seconds: withDefault(jitter, 0),
  max_fires: nullable(maxFires),
  overlap: withDefault(Overlap, "skip"),
  missed: withDefault(Missed, "once"),
  missed_grace_seconds: withDefault(grace, 3_600),
  missed_limit: withDefault(limit, 10),
  expires_after_seconds: nullable(life),
  /** That of the agent, as it is now, when it is left out. */
  chat_model_config: nullable(ChatModelConfig),
  stateful: withDefault(Schema.Boolean, false),
  permission_mode: withDefault(PermissionMode, "dont_ask"),
  instructions: withDefault(instructions, ""),
  input: nullable(description),
  output_schema: nullable(OutputSchema),
  keep_sessions: withDefault(kept, keptSessions)
}).annotations({ identifier: "ScheduleDraft" })
export type ScheduleDraft = typeof ScheduleDraft.Type

/**
 * Absent fields keep what is there. Null does so too, but for the fields that can be null: there it takes
 * the value away. Giving one of `cron_expression`, `interval_seconds` and `once_at` replaces the other two.
 */
export const SchedulePatch = Schema.Struct({
  name: nullable(name),
  description: nullable(description),
  enabled: nullable(Schema.Boolean),
  cron_expression: nullable(expression),
  interval_seconds: nullable(interval),
  once_at: nullable(time),
  timezone: nullable(timezone),
  started_at: nullable(time),
  ended_at: nullable(time),
  jitter_seconds: nullable(jitter),
  max_fires: nullable(maxFires),
  overlap: nullable(Overlap),
  missed: nullable(Missed),
  missed_grace_seconds: nullable(grace),
  missed_limit: nullable(limit),
  expires_after_seconds: nullable(life),
  chat_model_config: nullable(ChatModelConfig),
  stateful: nullable(Schema.Boolean),
  permission_mode: nullable(PermissionMode),
  instructions: nullable(instructions),
  input: nullable(description),
  output_schema: nullable(OutputSchema),
  keep_sessions: nullable(kept)
}).annotations({ identifier: "SchedulePatch" })
export type SchedulePatch = typeof SchedulePatch.Type

/** The times of a draft or a patch as they were typed, before a zone has said what they mean. */
export interface TimingInput {
  readonly cron_expression?: string | null | undefined
  readonly interval_seconds?: number | null | undefined
  readonly once_at?: string | null | undefined
  readonly timezone: string
  readonly started_at?: string | null | undefined
  readonly ended_at?: string | null | undefined
}

/** Most times that a preview names. */
const maxPreview = 100

const queryNumber = (maximum: number) =>
  Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, maximum)), { default: () => 10 })

/** How many of the next times are wanted. */
export const NextRequest = Schema.Struct({ count: queryNumber(maxPreview) })

/** Asks for the next times of what is not a schedule yet. */
export const PreviewRequest = Schema.Struct({
  cron_expression: Schema.optional(expression.annotations({ examples: ["0 9 * * MON-FRI"] })),
  interval_seconds: Schema.optional(Schema.NumberFromString.pipe(Schema.between(0.1, maxIntervalSeconds))),
  once_at: Schema.optional(time),
  timezone: Schema.optionalWith(timezone, { default: () => "UTC" }),
  started_at: Schema.optional(time),
  ended_at: Schema.optional(time),
  ...NextRequest.fields
})

/** The next times, and the clock changes between now and the last of them. */
export const NextFires = Schema.Struct({
  timezone: Schema.String,
  /** Oldest first; fewer than asked for when it ends before. `local` is the wall clock of the zone, with its offset. */
  next: Schema.Array(Schema.Struct({ at: Timestamp, local: Schema.String })),
  /** The changes of the zone's clock in between; `text` says what it does to the schedule. At most 20. */
  clock_changes: Schema.Array(Schema.Struct({ at: Timestamp, text: Schema.String }))
}).annotations({ identifier: "NextFires" })
export type NextFires = typeof NextFires.Type

/** The session of a stateful schedule. */
export const statefulSession = (id: ScheduleId): SessionId => SessionId.make(`${id}_stateful`)
