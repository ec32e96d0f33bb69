/** Writes the end of a run, or its parking: its last events, its message and its row. */
import type { Timestamp } from "../../domain/Ids.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { noUsage } from "../../domain/UsageSum.ts"
import type { Room } from "../../services/Rooms.ts"
import type { ActiveRun } from "./ActiveRun.ts"
import { maxAttempts } from "./Endings.ts"

export const isParked = ({ status }: Run): boolean =>
  status === "awaiting_permission" || status === "awaiting_external_result"

/** Ends a run that never began: its input is in no transcript, or in another reply. */
export const endUnbegun = (room: Room, run: Run, { error, finished_reason }: Reply.Ending, at: Timestamp) => {
  const { id: run_id, reply_id, session_id } = run
  const { seq } = room.emit(run_id, {
    type: "REPLY_END",
    session_id,
    run_id,
    reply_id,
    finished_reason,
    error,
    usage: noUsage
  })
  room.record({
    ...run,
    status: "ended",
    finished_reason,
    error,
    first_seq: run.first_seq ?? seq,
    last_seq: seq,
    updated_at: at,
    ended_at: at
  })
}

/**
 * Whether the reply's content may be what storage cannot hold: this process saw that the end was refused with it, or
 * the end was cut off so often that it may be what kills the process. A kill or two may come by chance.
 */
const isTooMuch = ({ attempt }: Run, isRefused: boolean) => attempt > (isRefused ? 1 : 2) * maxAttempts + 1

/** Ends a run. Its content is left out where it may be what storage cannot hold; `isRefused`: storage refused it before. */
export const end = (
  { lastSeq, out, replySeq, room, run }: ActiveRun,
  how: Reply.Ending,
  at: Timestamp,
  isRefused: boolean
) => {
  for (const draft of Reply.ending(out.reply(), { session_id: run.session_id, run_id: run.id }, how)) out.emit(draft)
  const { message } = out.reply()
  room.place(replySeq, isTooMuch(run, isRefused) ? { ...message, content: [] } : message)
  room.record({
    ...run,
    status: "ended",
    last_seq: lastSeq(),
    finished_reason: how.finished_reason,
    ...(how.stop_reason !== undefined && { stop_reason: how.stop_reason }),
    ...(how.stop_details !== undefined && { stop_details: how.stop_details }),
    error: how.error,
    usage: message.usage,
    updated_at: at,
    ended_at: at
  })
}

export const park = ({ out, replySeq, room, run }: ActiveRun, waiting_for: Reply.WaitingFor, at: Timestamp) => {
  const { message } = out.reply()
  const value = { session_id: run.session_id, run_id: run.id, reply_id: message.id, waiting_for }
  out.emit({ type: "CUSTOM", name: "run_parked", value })
  room.place(replySeq, message)
  room.record({
    ...run,
    status: waiting_for === "user_confirmation" ? "awaiting_permission" : "awaiting_external_result",
    driver: null,
    updated_at: at
  })
}
