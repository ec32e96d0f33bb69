/** A run's timeline as a table. */
import type { Timeline } from "../domain/TimelineRecord.ts"
import type { Column } from "./Table.ts"

export type Step = Timeline["steps"][number]

/** What the step was about. */
const aboutOf = (step: Step): string => {
  switch (step.type) {
    case "attempt":
      return step.attempt === 1 ? "the run began" : `attempt ${step.attempt}, after the server had ended`
    case "model_call":
      return [step.model_name, step.outcome === "completed" ? step.stop_reason : step.outcome ?? "goes on"]
        .filter((word) => word !== null).join(", ")
    case "tool":
      return `${step.tool_call_name}, ${step.state}`
    case "wait":
      return step.waiting_for === "user_confirmation" ? "for a person's permission" : "for a client's tool"
    case "model_switch":
      return `${step.from.model} failed (${step.code}), then ${step.to.model}`
    case "end":
      return [step.finished_reason, step.error?.message].filter((word) => word !== undefined).join(": ")
    case "other":
      return step.name
    default:
      return ""
  }
}

const seconds = (millis: number | null) =>
  millis === null ? null : `${(millis / 1000).toFixed(millis < 10_000 ? 2 : 1)} s`

const tokensOf = (step: Step) => step.type === "model_call" ? `${step.input_tokens} in, ${step.output_tokens} out` : ""

const dollars = (cost: number | null) => cost === null ? "" : `$${cost}`

export const columns: ReadonlyArray<Column<Step>> = [
  ["step", ({ type }) => type.replaceAll("_", " ")],
  ["began", ({ started_at }) => started_at, 2],
  ["took", ({ duration_ms }) => seconds(duration_ms)],
  ["tokens", tokensOf, 1],
  ["cost", (step) => step.type === "model_call" ? dollars(step.cost) : "", 3],
  ["about", aboutOf]
]

/** The sums in one line. */
export const summaryOf = ({ is_complete, steps_left_out, totals }: Timeline): string =>
  [
    `${totals.model_calls} model calls in ${seconds(totals.model_ms)}`,
    `${totals.tool_calls} tools in ${seconds(totals.tool_ms)}`,
    `${totals.waits} waits of ${seconds(totals.waited_ms)}`,
    `${totals.attempts} ${totals.attempts === 1 ? "attempt" : "attempts"}`,
    `${totals.input_tokens} tokens in, ${totals.output_tokens} out`,
    totals.cost === null ? "cost unknown" : `${dollars(totals.cost)}${totals.unpriced_calls === 0 ? "" : " and more"}`,
    ...(steps_left_out === 0 ? [] : [`${steps_left_out} more steps`]),
    ...(is_complete ? [] : ["some events are no longer kept"])
  ].join("; ")
