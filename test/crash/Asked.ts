/** What clients asked for, compared with what became of it: inputs run once, and what was stopped stays stopped. */
import { isDeepStrictEqual } from "node:util"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { runOf } from "../../src/domain/RunOf.ts"
import { isNamed, kindOf } from "../support/events.ts"
import type { Talk } from "./Talk.ts"

type Answer = ReturnType<typeof JSON.parse>

export interface Logged {
  readonly seq: number
  readonly event: AgentEvent
}

export const count = <A>(items: Iterable<A>): Map<A, number> => {
  const counts = new Map<A, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

const tokenIn = (text: string) => /t\w{6}x\d+x/.exec(text)?.[0]

/**
 * Accepted: once, in order; unknown: at most once; refused: not at all. One
 * that somebody asked to end before it began is nowhere but in its run.
 */
export const checkInputs = (
  talk: Talk,
  logged: ReadonlyArray<Logged>,
  runs: ReadonlyArray<Answer>,
  messages: ReadonlyArray<Answer>
) => {
  const began = new Set(
    logged.flatMap(({ event }) => isNamed(event, "user_message") ? [event.value.run_id as string] : [])
  )
  const runsOf = new Map<string, Array<string>>()
  const interrupted = new Set<string>()
  for (const { finished_reason, id, input } of runs) {
    if (finished_reason === "interrupted") interrupted.add(id)
    const token = tokenIn(JSON.stringify(input))
    if (token !== undefined) runsOf.set(token, [...(runsOf.get(token) ?? []), id])
  }
  const wasStopped = (token: string) =>
    (runsOf.get(token) ?? []).some((id) =>
      !began.has(id) && (talk.stops.has(id) || (talk.hasDropped && interrupted.has(id)))
    )
  const inLog = logged.flatMap(({ event }) =>
    isNamed(event, "user_message") ? [tokenIn(JSON.stringify(event.value.message)) ?? "ok"] : []
  )
  const kept = messages.filter(({ role }) => role === "user").map((message) =>
    tokenIn(JSON.stringify(message.content)) ?? "ok"
  )
  if (!isDeepStrictEqual(inLog, kept)) talk.wrong("input", `The transcript has the inputs ${kept}, the log ${inLog}`)
  const times = count(kept)
  for (const { outcome, token } of talk.inputs) {
    const n = times.get(token) ?? 0
    const most = wasStopped(token) ? 0 : 1
    const fine = outcome === "accepted" ? n === most : outcome === "refused" ? n === 0 : n <= most
    const ids = runsOf.get(token) ?? []
    if (ids.length > 1) talk.wrong("input", `${token} is ${ids.length} runs: ${ids.join(", ")}`)
    if (!fine) talk.wrong("input", `${token} was ${outcome} and is ${n} times in the transcript`)
  }
  const place = new Map(kept.map((token, i) => [token, i]))
  const queued = talk.inputs.filter(({ on_busy, token }) => on_busy === "enqueue" && place.has(token))
  for (const before of queued) {
    for (const { sent, token } of queued) {
      if (before.accepted !== undefined && before.accepted < sent && place.get(before.token)! > place.get(token)!) {
        talk.wrong("input", `${before.token} was accepted before ${token} was sent, and ran after it`)
      }
    }
  }
}

/** How much later than the answer to its stop a run may end in another way, in milliseconds: it was ending just then. */
const endingThen = 250

/** A stop that was answered with 202 has ended the run: it did not begin or go on afterwards, whatever was killed. */
export const checkStops = (talk: Talk, logged: ReadonlyArray<Logged>) => {
  const of = new Map<string, Array<AgentEvent>>()
  for (const { event } of logged) {
    const run = runOf(event)
    if (run !== undefined) of.set(run, [...(of.get(run) ?? []), event])
  }
  for (const [id, { at, how }] of talk.stops) {
    if (at === undefined) continue
    const events = of.get(id) ?? []
    const timeOf = ({ created_at }: AgentEvent) => Date.parse(created_at)
    const began = events.some((event) => event.type === "REPLY_START" && timeOf(event) <= at)
    const what = `A ${how} of run ${id}, which ${began ? "went on" : "waited"}, was answered at ${at}`
    for (const event of events) {
      const isGoingOn = ["user_message", "REPLY_START", "run_resumed"].includes(kindOf(event))
      if (isGoingOn && timeOf(event) > at) talk.wrong("stop", `${what}; ${kindOf(event)} came at ${timeOf(event)}`)
      if (event.type !== "REPLY_END" || event.finished_reason === "interrupted") continue
      if (timeOf(event) > at + endingThen) {
        const end = event.error?.code ?? event.finished_reason
        talk.wrong("stop", `${what}; it ended as ${end} at ${timeOf(event)}`)
      }
    }
  }
}
