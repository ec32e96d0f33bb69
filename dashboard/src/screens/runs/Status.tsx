/** At what a run is, in a word. */
import type { Run } from "stoa/domain/Run.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { words } from "../../words/words.ts"

const tones: Readonly<Record<Run["status"], Tone>> = {
  queued: "plain",
  running: "accent",
  awaiting_permission: "warn",
  awaiting_external_result: "warn",
  ended: "plain"
}

const reasons: Readonly<Record<NonNullable<Run["finished_reason"]>, Tone>> = {
  completed: "ok",
  interrupted: "warn",
  exceed_max_iters: "warn",
  error: "bad"
}

export const Status = ({ run: { finished_reason: reason, status } }: {
  readonly run: Pick<Run, "finished_reason" | "status">
}) =>
  status === "ended" && reason !== null
    ? <Badge tone={reasons[reason]}>{words.runs.reasons[reason]}</Badge>
    : <Badge tone={tones[status]}>{words.runs.statuses[status]}</Badge>

export const isOpen = ({ status }: Pick<Run, "status">): boolean => status !== "ended"
