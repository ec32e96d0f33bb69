/** Writes a line into the server's log for each run that has ended. */
import { Effect } from "effect"
import type * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { endingOf } from "../../domain/Stop.ts"

/** A failed run is logged as a warning, one that a person, a limit or a filter has ended as info, and the others at debug level. */
export const logEnd = (run: Run, { error, finished_reason, stop_reason }: Reply.Ending): Effect.Effect<void> => {
  const log = error !== null
    ? Effect.logWarning
    : endingOf({ finished_reason, stop_reason }) === "completed"
    ? Effect.logDebug
    : Effect.logInfo
  return log(error === null ? "A run ended" : "A run failed").pipe(
    Effect.annotateLogs({
      tenant: run.user_id,
      session_id: run.session_id,
      run_id: run.id,
      finished_reason,
      ...(stop_reason !== undefined && { stop_reason }),
      ...(error !== null && { code: error.code, error: error.message })
    })
  )
}
