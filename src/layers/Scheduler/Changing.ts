/** What a schedule is after a draft or a change, checked at the time at which it is made. */
import { Either } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { FieldProblem } from "../../domain/Errors.ts"
import type { ScheduleData, ScheduleDraft, SchedulePatch, Timing, TimingInput } from "../../domain/Schedule.ts"
import type { Author } from "../../services/Schedules.ts"
import * as Slots from "../Slots.ts"

export const invalid = ({ message, path }: typeof FieldProblem.Type): Invalid =>
  new Invalid({ detail: `${path}: ${message}`, errors: [{ path, message }] })

export const read = (input: TimingInput, now: number, minSeconds: number) =>
  Either.mapLeft(Slots.read(input, now, minSeconds), invalid)

/** The model of a new schedule: its own, or that of its agent. */
export const modelOf = ({ chat_model_config }: ScheduleDraft, { data, id }: Agent) => {
  const config = chat_model_config ?? data.chat_model_config
  return config === null && data.code === undefined
    ? Either.left(invalid({
      path: "chat_model_config",
      message:
        `is missing, and the agent '${data.name}' has none that could take its place: give one, or set that of the `
        + `agent by PATCH /agent/${id}`
    }))
    : Either.right(config)
}

export const dataOf = (
  draft: ScheduleDraft,
  chat_model_config: ScheduleData["chat_model_config"],
  timing: Timing,
  { source, source_session_id }: Author
): ScheduleData => ({
  name: draft.name,
  description: draft.description,
  enabled: draft.enabled,
  ...timing,
  jitter_seconds: draft.jitter_seconds,
  max_fires: draft.max_fires ?? null,
  overlap: draft.overlap,
  missed: draft.missed,
  missed_grace_seconds: draft.missed_grace_seconds,
  missed_limit: draft.missed_limit,
  expires_after_seconds: draft.expires_after_seconds ?? null,
  chat_model_config,
  stateful: draft.stateful,
  permission_mode: draft.permission_mode,
  instructions: draft.instructions,
  input: draft.input ?? null,
  output_schema: draft.output_schema ?? null,
  keep_sessions: draft.keep_sessions,
  source,
  source_session_id
})

const timingFields = [
  "cron_expression",
  "interval_seconds",
  "once_at",
  "timezone",
  "started_at",
  "ended_at"
] as const

const isGiven = (value: string | number | null | undefined) => value != null && value !== ""

/** The times that a change asks for; undefined when it says nothing of them. */
const timingIn = (data: ScheduleData, patch: SchedulePatch): TimingInput | undefined => {
  if (timingFields.every((field) => patch[field] === undefined)) return undefined
  const kinds = ["cron_expression", "interval_seconds", "once_at"] as const
  const kind = kinds.some((field) => isGiven(patch[field])) ? patch : data
  return {
    cron_expression: kind.cron_expression,
    interval_seconds: kind.interval_seconds,
    once_at: kind.once_at,
    timezone: patch.timezone ?? data.timezone,
    started_at: patch.started_at ?? data.started_at,
    ended_at: patch.ended_at === undefined ? data.ended_at : patch.ended_at
  }
}

/** The same times as before need no check: one that is over may still be renamed. */
const isSameTiming = (data: ScheduleData, input: TimingInput) =>
  timingFields.every((field) => (input[field] || null) === (data[field] || null))

export const patched = (
  data: ScheduleData,
  patch: SchedulePatch,
  now: number,
  minSeconds: number
): Either.Either<ScheduleData, Invalid> =>
  Either.gen(function*() {
    const input = timingIn(data, patch)
    const timing = input === undefined || isSameTiming(data, input)
      ? {}
      : (yield* read(input, now, minSeconds)).timing
    return {
      ...data,
      name: patch.name ?? data.name,
      description: patch.description ?? data.description,
      enabled: patch.enabled ?? data.enabled,
      ...timing,
      jitter_seconds: patch.jitter_seconds ?? data.jitter_seconds,
      max_fires: patch.max_fires === undefined ? data.max_fires : patch.max_fires,
      overlap: patch.overlap ?? data.overlap,
      missed: patch.missed ?? data.missed,
      missed_grace_seconds: patch.missed_grace_seconds ?? data.missed_grace_seconds,
      missed_limit: patch.missed_limit ?? data.missed_limit,
      expires_after_seconds: patch.expires_after_seconds === undefined
        ? data.expires_after_seconds
        : patch.expires_after_seconds,
      chat_model_config: patch.chat_model_config ?? data.chat_model_config,
      stateful: patch.stateful ?? data.stateful,
      permission_mode: patch.permission_mode ?? data.permission_mode,
      instructions: patch.instructions ?? data.instructions,
      input: patch.input === undefined ? data.input : patch.input,
      output_schema: patch.output_schema === undefined ? data.output_schema : patch.output_schema,
      keep_sessions: patch.keep_sessions ?? data.keep_sessions
    }
  })

/** Whether the next fire may be another one than before. */
export const movesIt = (before: ScheduleData, after: ScheduleData): boolean =>
  [...timingFields, "enabled", "jitter_seconds", "max_fires"].some((field) =>
    before[field as keyof ScheduleData] !== after[field as keyof ScheduleData]
  )
