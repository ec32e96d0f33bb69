/** What a run did, one row a step, each with a bar that says when and for how long. */
import type { Answer } from "../../api/Lists.ts"
import { dollars, millis, short } from "../../ui/Numbers.ts"
import { plain } from "../../ui/Plain.ts"
import { wholeTime } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.runs

type Timeline = Answer<"runs", "timeline">
type TimelineStep = Timeline["steps"][number]

const colours: Readonly<Record<TimelineStep["type"], string>> = {
  input: "bg-muted",
  attempt: "bg-warn",
  model_call: "bg-accent",
  tool: "bg-ok",
  wait: "bg-warn",
  model_switch: "bg-warn",
  end: "bg-muted",
  other: "bg-muted"
}

const nameOf = (step: TimelineStep): string => {
  switch (step.type) {
    case "model_call":
      return step.model_name
    case "tool":
      return step.tool_call_name
    case "wait":
      return text.waits[step.waiting_for]
    case "model_switch":
      return `${step.from.model} → ${step.to.model}`
    case "attempt":
      return String(step.attempt)
    case "end":
      return step.error === null ? text.reasons[step.finished_reason] : step.error.message
    case "other":
      return step.name
    case "input":
      return ""
  }
}

const moreOf = (step: TimelineStep): string =>
  step.type !== "model_call" ? "" : [
    ...(step.first_token_ms === null ? [] : [text.firstToken(millis(step.first_token_ms))]),
    ...(step.attempts !== null && step.attempts > 1 ? [text.attempts(step.attempts)] : []),
    ...(step.stop_reason === null ? [] : [step.stop_reason])
  ].join(", ")

const isBad = (step: TimelineStep): boolean =>
  (step.type === "end" && step.error !== null) || (step.type === "tool" && ["denied", "error"].includes(step.state))

/** Narrowest bar, in percent, so that the quickest step can be seen. */
const least = 0.6

const Bar = ({ from, step, whole }: { readonly step: TimelineStep; readonly from: number; readonly whole: number }) => {
  const start = Date.parse(step.started_at)
  const took = step.duration_ms ?? Math.max(0, Date.now() - start)
  const left = Math.min(100 - least, Math.max(0, (start - from) / whole * 100))
  const width = Math.max(least, Math.min(100 - left, took / whole * 100))
  return (
    <div className="relative h-4 w-full" title={`${wholeTime(step.started_at)} · ${millis(took)}`}>
      <span
        className={`absolute top-1 h-2 rounded-full ${isBad(step) ? "bg-bad" : colours[step.type]} ${
          step.ended_at === null ? "waits" : ""
        }`}
        style={{ left: `${left}%`, width: `${width}%` }}
      />
    </div>
  )
}

export const Waterfall = ({ timeline: { steps, totals } }: { readonly timeline: Timeline }) => {
  const starts = steps.map(({ started_at }) => Date.parse(started_at))
  const ends = steps.map(({ ended_at }, place) =>
    ended_at === null ? Date.now() : Date.parse(ended_at) || starts[place]!
  )
  const from = starts.reduce((least, start) => Math.min(least, start), starts[0] ?? 0)
  const to = ends.reduce((most, end) => Math.max(most, end), from)
  const whole = Math.max(1, to - from, totals.duration_ms ?? 0)
  return (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={text.timeline}>
      <table className="w-full min-w-160 border-collapse text-sm">
        <thead>
          <tr className="border-b border-line text-left text-xs text-muted">
            <th scope="col" className="w-56 px-3 py-2 font-medium">{text.step}</th>
            <th scope="col" className="px-3 py-2 font-medium">{text.timeline}</th>
            <th scope="col" className="w-20 px-3 py-2 text-right font-medium">{text.took}</th>
            <th scope="col" className="w-28 px-3 py-2 text-right font-medium">{text.tokens}</th>
            <th scope="col" className="w-20 px-3 py-2 text-right font-medium">{text.cost}</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => (
            <tr key={step.seq} className="border-b border-line last:border-0 hover:bg-sunken">
              <th scope="row" className="max-w-56 px-3 py-1.5 text-left font-normal">
                <span className="flex items-baseline gap-1.5">
                  <span className="shrink-0 text-xs text-muted">{text.steps[step.type]}</span>
                  <span className={`truncate ${isBad(step) ? "text-bad" : ""}`} title={plain(nameOf(step))}>
                    {plain(nameOf(step))}
                  </span>
                </span>
                {moreOf(step) !== "" && <span className="block truncate text-xs text-muted">{moreOf(step)}</span>}
              </th>
              <td className="px-3 py-1.5">
                <Bar step={step} from={from} whole={whole} />
              </td>
              <td className="px-3 py-1.5 text-right whitespace-nowrap tabular-nums">
                {step.duration_ms === null ? "–" : millis(step.duration_ms)}
              </td>
              <td className="px-3 py-1.5 text-right whitespace-nowrap tabular-nums">
                {step.type === "model_call" ? `${short(step.input_tokens)} / ${short(step.output_tokens)}` : ""}
              </td>
              <td className="px-3 py-1.5 text-right whitespace-nowrap tabular-nums">
                {step.type === "model_call" ? dollars(step.cost) : ""}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
