/** Which runs a list holds, and in which of them a text stands. */
import { DateTime, Either, Schema } from "effect"
import { Invalid } from "./Errors.ts"
import { isSaidIn, Sought, type Text } from "./Find.ts"
import { AgentId, ScheduleId, SessionId, Timestamp } from "./Ids.ts"
import { PageRequest } from "./Page.ts"
import { type Run, RunSource, RunStatus } from "./Run.ts"
import { Moment } from "./UsageReport.ts"

/** What the runs of one session can be narrowed by as well. */
export const SessionRunsRequest = Schema.Struct({ ...PageRequest.fields, status: Schema.optional(RunStatus) })

export const RunsRequest = Schema.Struct({
  ...SessionRunsRequest.fields,
  agent_id: Schema.optional(AgentId),
  session_id: Schema.optional(SessionId),
  /** The runs of its fires that are kept. */
  schedule_id: Schema.optional(ScheduleId),
  source: Schema.optional(RunSource),
  source_id: Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128))),
  /** Accepted from this time on, and before this one. */
  from: Schema.optional(Moment),
  to: Schema.optional(Moment),
  /** A text in what was sent. */
  q: Schema.optional(Sought)
})
export type RunsRequest = typeof RunsRequest.Type

const timestampOf = (moment: string): Timestamp =>
  Timestamp.make(DateTime.formatIso(DateTime.unsafeMake(Date.parse(moment))))

/** The range of times that a request names. */
export const rangeOf = (
  { from, to }: Pick<RunsRequest, "from" | "to">
): Either.Either<{ readonly from?: Timestamp; readonly to?: Timestamp }, Invalid> =>
  from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)
    ? Either.left(
      new Invalid({
        detail: "from: Expected a time before `to`.",
        errors: [{ path: "from", message: "Expected a time before `to`." }]
      })
    )
    : Either.right({
      ...(from !== undefined && { from: timestampOf(from) }),
      ...(to !== undefined && { to: timestampOf(to) })
    })

/** Whether a run was sent this text. */
export const wasSent = (text: Text, { input }: Run): boolean => input.some((message) => isSaidIn(text, message))
