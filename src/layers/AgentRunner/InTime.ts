/** The time that a run may work: the server's bound, and a shorter one where its sender has said one. */
import { Duration, Effect } from "effect"
import type * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { timedOut } from "./Endings.ts"

/** The time of a recovered or answered run counts from here. A bound of 0 seconds is none. */
export const inTime = <E>(
  running: Effect.Effect<Reply.Outcome, E>,
  { timeout_ms }: Pick<Run, "timeout_ms">,
  run_seconds: number
): Effect.Effect<Reply.Outcome, E> => {
  const seconds = Math.min(run_seconds === 0 ? Infinity : run_seconds, (timeout_ms ?? Infinity) / 1000)
  return seconds === Infinity ? running : Effect.timeoutTo(running, {
    duration: Duration.seconds(seconds),
    onSuccess: (outcome) => outcome,
    onTimeout: () => timedOut(seconds)
  })
}
