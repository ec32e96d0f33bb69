/** Compares what the clients saw with what the server kept. */
import { isDeepStrictEqual } from "node:util"
import type { AgentEvent } from "../../src/domain/Event.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { complaintsAbout, complaintsAboutA } from "../support/agentservice/Conforms.ts"
import { kindOf } from "../support/events.ts"
import { checkInputs, checkStops, count, type Logged } from "./Asked.ts"
import type { Talk, Violation } from "./Talk.ts"
import type { Victim } from "./Victim.ts"
import { call, stream } from "./Wire.ts"

export interface Report {
  readonly kills: number
  /** Kills of a server that did not listen yet, and of one that had just begun to. */
  readonly starting: number
  readonly early: number
  readonly seconds: number
  readonly inputs: Readonly<Record<"accepted" | "refused" | "unknown" | "queued", number>>
  readonly refusals: Readonly<Record<string, number>>
  readonly frames: number
  readonly events: number
  readonly resumes: number
  readonly answers: number
  /** Inputs that were sent with a key, each time counted; runs that somebody asked to end, and those where that was answered. */
  readonly keyed: number
  readonly stops: number
  readonly stopped: number
  /** How runs ended. */
  readonly endings: Readonly<Record<string, number>>
  readonly resumed: number
  readonly parked: number
  /** Milliseconds from start to ready, and from ready to the first new event of a run that was picked up. */
  readonly starts: ReadonlyArray<number>
  readonly goingOn: ReadonlyArray<number>
  readonly errors: ReadonlyArray<string>
  readonly deaths: ReadonlyArray<string>
  readonly violations: ReadonlyArray<Violation>
}

export interface StoredPage {
  readonly session_id: string
  readonly first_seq: number
  readonly last_seq: number
  readonly frames: string
}

type Answer = ReturnType<typeof JSON.parse>

const get = async (url: string, path: string): Promise<Answer> => {
  const answer = await call(url, "GET", path)
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`)
  return JSON.parse(answer.text)
}

/** The whole log as a new subscriber gets it, up to `head`; a moment longer, to see that nothing follows. */
const logOf = async (url: string, session_id: string, head: number) => {
  const frames: Array<string> = []
  const leave = new AbortController()
  let timer = setTimeout(() => leave.abort(), 20_000)
  await stream(url, `/sessions/${session_id}/stream?after=0`, {
    leave: leave.signal,
    frame: (frame) => {
      frames.push(frame)
      if (frames.length >= head) {
        clearTimeout(timer)
        timer = setTimeout(() => leave.abort(), 50)
      }
    }
  })
  clearTimeout(timer)
  return frames
}

const all = async (url: string, path: string, field: string, query = ""): Promise<ReadonlyArray<Answer>> => {
  const items: Array<Answer> = []
  let cursor = ""
  for (;;) {
    const page = await get(url, `${path}?limit=200${query}${cursor}`)
    items.push(...page[field])
    if (page.next_cursor === null) return items
    cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`
  }
}

const transcript = async (url: string, session_id: string): Promise<ReadonlyArray<Answer>> => {
  const messages: Array<Answer> = []
  for (;;) {
    const page = await get(url, `/sessions/${session_id}/messages?limit=200&offset=${messages.length}`)
    messages.push(...page.messages)
    if (!page.has_more) return messages
  }
}

/** Every frame seen is in the log as it was, and the log has no gap. */
const checkFrames = (talk: Talk, frames: ReadonlyArray<string>): ReadonlyArray<Logged> => {
  const logged = frames.map((frame) => {
    const [id, data] = frame.split("\n")
    return { seq: Number(id!.slice(4)), event: JSON.parse(data!.slice(6)) as AgentEvent }
  })
  logged.forEach(({ seq }, i) => {
    if (seq !== i + 1) talk.wrong(seq <= i ? "repeated" : "gap", `The log's event ${i + 1} has seq ${seq}`)
  })
  for (const [seq, frame] of talk.seen) {
    const kept = frames[seq - 1]
    if (kept === undefined) {
      talk.wrong("lost", `seq ${seq} was seen and is not in the log of ${frames.length}: ${frame}`)
    } else if (kept !== frame) talk.wrong("changed", `seq ${seq} was seen as\n  ${frame}\nand is kept as\n  ${kept}`)
  }
  return logged
}

/** Strict clients of both versions of the Agent Service take every event and every message. */
const checkShapes = (talk: Talk, logged: ReadonlyArray<Logged>, messages: ReadonlyArray<unknown>) => {
  const complaints = new Set([
    ...logged.flatMap(({ event }) => complaintsAbout(event)),
    ...messages.flatMap((message) => complaintsAboutA("Msg", message))
  ])
  for (const complaint of complaints) talk.wrong("shape", complaint)
}

const checkPages = (talk: Talk, frames: ReadonlyArray<string>, pages: ReadonlyArray<StoredPage>) => {
  let last = 0
  for (const { first_seq, last_seq } of pages) {
    if (first_seq !== last + 1) talk.wrong("gap", `A page begins at ${first_seq} after one that ends at ${last}`)
    last = last_seq
  }
  if (pages.map(({ frames }) => frames).join("") !== frames.map((frame) => `${frame}\n\n`).join("")) {
    talk.wrong("changed", "What is streamed is not what is stored")
  }
}

/** Every run has ended, once; one at a time; and the transcript is the fold of its events. */
const checkRuns = (
  talk: Talk,
  logged: ReadonlyArray<Logged>,
  runs: ReadonlyArray<Answer>,
  messages: ReadonlyArray<Answer>
) => {
  const ends = count(logged.flatMap(({ event }) => event.type === "REPLY_END" ? [event.run_id as string] : []))
  for (const run of runs) {
    if (run.status !== "ended") talk.wrong("run", `Run ${run.id} is ${run.status}`)
    else if (ends.get(run.id) !== 1) talk.wrong("run", `Run ${run.id} has ${ends.get(run.id) ?? 0} terminal events`)
  }
  if (ends.size !== runs.length) talk.wrong("run", `${ends.size} runs have ended in the log, ${runs.length} are stored`)
  let open: string | undefined
  const started = new Set<string>()
  for (const { event, seq } of logged) {
    const reply = "reply_id" in event ? event.reply_id : undefined
    // What never began ends by one event, at any time.
    if (event.type === "REPLY_END" && !started.has(event.reply_id)) continue
    if (event.type === "REPLY_START") {
      started.add(event.reply_id)
      if (open !== undefined) talk.wrong("run", `Reply ${reply} starts at ${seq} while ${open} goes on`)
      open = reply
    } else if (reply !== undefined && reply !== open) {
      talk.wrong("run", `${event.type} of reply ${reply} at ${seq} while ${open} goes on`)
    }
    if (event.type === "REPLY_END") open = undefined
  }
  const byReply = new Map<string, Array<AgentEvent>>()
  for (const { event } of logged) {
    if ("reply_id" in event) byReply.set(event.reply_id, [...(byReply.get(event.reply_id) ?? []), event])
  }
  for (const message of messages.filter(({ role }) => role === "assistant")) {
    const folded = Reply.ofEvents(byReply.get(message.id) ?? [])?.message
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(folded ?? null)), message)) {
      talk.wrong(
        "run",
        `The transcript has\n  ${JSON.stringify(message)}\nand its events tell\n  ${JSON.stringify(folded)}`
      )
    }
  }
}

/** Every call has one result; one with an effect ran at most once; every accepted answer was heard once. */
const checkCalls = (talk: Talk, logged: ReadonlyArray<Logged>) => {
  const pauses = new Set<string>()
  const calls = new Set<string>()
  const starts: Array<string> = []
  const ends: Array<string> = []
  const heard: Array<string> = []
  for (const { event } of logged) {
    if (event.type === "TOOL_CALL_START") calls.add(event.tool_call_id)
    if (event.type === "TOOL_CALL_START" && event.tool_call_name === "Pause") pauses.add(event.tool_call_id)
    if (event.type === "TOOL_RESULT_START") starts.push(event.tool_call_id)
    if (event.type === "TOOL_RESULT_END") ends.push(event.tool_call_id)
    if (event.type === "USER_CONFIRM_RESULT") {
      heard.push(...event.confirm_results.map(({ tool_call }) => tool_call.id as string))
    }
  }
  const [started, ended, answered] = [count(starts), count(ends), count(heard)]
  for (const id of calls) if (ended.get(id) !== 1) talk.wrong("run", `Call ${id} has ${ended.get(id) ?? 0} results`)
  for (const id of pauses) {
    if ((started.get(id) ?? 0) > 1) talk.wrong("run", `Call ${id} has an effect and began ${started.get(id)} times`)
  }
  for (const [id, n] of answered) if (n > 1) talk.wrong("answer", `Call ${id} was answered ${n} times`)
  for (const id of talk.answered) {
    if (!answered.has(id)) talk.wrong("answer", `The answer to call ${id} was accepted and is not in the log`)
  }
}

/** Every call that the log says has ended is in the ledger once, with what it took; and nothing else is. */
const checkLedger = (talk: Talk, logged: ReadonlyArray<Logged>, usage: ReadonlyArray<Answer>) => {
  const told = new Map<string, { calls: number; input: number; output: number }>()
  let run = ""
  for (const { event } of logged) {
    if (event.type === "REPLY_START") run = event.run_id
    if (event.type !== "MODEL_CALL_END") continue
    const before = told.get(run) ?? { calls: 0, input: 0, output: 0 }
    told.set(run, {
      calls: before.calls + 1,
      input: before.input + event.input_tokens,
      output: before.output + event.output_tokens
    })
  }
  for (const { calls, input_tokens: input, output_tokens: output, run_id } of usage) {
    const one = told.get(run_id)
    told.delete(run_id)
    if (!isDeepStrictEqual(one, { calls, input, output })) {
      talk.wrong(
        "ledger",
        `Run ${run_id} has ${JSON.stringify({ calls, input, output })} in the ledger and ${
          JSON.stringify(one)
        } in the log`
      )
    }
  }
  for (const [run_id, one] of told) talk.wrong("ledger", `Run ${run_id} has ${JSON.stringify(one)}, and no entry`)
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((a, b) => a + b, 0)

const tally = (maps: ReadonlyArray<Map<string, number>>) =>
  Object.fromEntries(
    count(maps.flatMap((map) => [...map].flatMap(([name, n]) => Array.from({ length: n }, () => name))))
  )

export const check = async (
  url: string,
  talks: ReadonlyArray<Talk>,
  victim: Victim,
  pages: ReadonlyArray<StoredPage> | undefined
): Promise<Omit<Report, "kills" | "starting" | "early" | "seconds">> => {
  const usage = await all(url, "/usage", "usage", "&group_by=session,run")
  const logs = await Promise.all(talks.map(async (talk) => {
    const frames = await logOf(url, talk.session_id, Math.max(...talk.seen.keys()))
    const logged = checkFrames(talk, frames)
    if (pages !== undefined) checkPages(talk, frames, pages.filter(({ session_id }) => session_id === talk.session_id))
    const messages = await transcript(url, talk.session_id)
    const runs = await all(url, `/sessions/${talk.session_id}/runs`, "runs")
    checkShapes(talk, logged, messages)
    checkInputs(talk, logged, runs, messages)
    checkRuns(talk, logged, runs, messages)
    checkStops(talk, logged)
    checkCalls(talk, logged)
    checkLedger(talk, logged, usage.filter(({ session_id }) => session_id === talk.session_id))
    return logged
  }))
  const events = logs.flatMap((logged) => logged.map(({ event }) => event))
  const inputs = talks.flatMap(({ inputs }) => inputs)
  const of = (name: string) => events.filter((event) => kindOf(event) === name).length
  const having = (outcome: string) => inputs.filter((input) => input.outcome === outcome).length
  return {
    inputs: {
      accepted: having("accepted"),
      refused: having("refused"),
      unknown: having("unknown"),
      queued: of("run_queued")
    },
    refusals: tally(talks.map(({ counts }) => counts.refusals)),
    frames: sum(talks.map(({ counts }) => counts.frames)),
    events: events.length,
    resumes: sum(talks.map(({ counts }) => counts.resumes)),
    answers: sum(talks.map(({ counts }) => counts.answers)),
    keyed: sum(talks.map(({ counts }) => counts.keyed)),
    stops: sum(talks.map(({ stops }) => stops.size)),
    stopped: sum(talks.map(({ stops }) => [...stops.values()].filter(({ at }) => at !== undefined).length)),
    endings: Object.fromEntries(
      count(
        events.flatMap((event) =>
          event.type === "REPLY_END" ? [event.error === null ? event.finished_reason : event.error.code] : []
        )
      )
    ),
    resumed: of("run_resumed"),
    parked: of("run_parked"),
    starts: victim.starts,
    goingOn: talks.flatMap(({ goingOn }) => goingOn),
    errors: victim.errors,
    deaths: victim.deaths,
    violations: talks.flatMap(({ violations }) => violations)
  }
}

const wrongs = [
  "lost",
  "repeated",
  "gap",
  "changed",
  "input",
  "run",
  "answer",
  "ledger",
  "stop",
  "shape",
  "unusable"
] as const

const quantile = (numbers: ReadonlyArray<number>, q: number) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted.length === 0 ? "-" : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!.toFixed(0)
}

const times = (numbers: ReadonlyArray<number>) =>
  `${quantile(numbers, 0.5)} ms p50, ${quantile(numbers, 0.99)} ms p99, ${
    quantile(numbers, 1)
  } ms at most (${numbers.length} measured)`

const list = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(", ") || "none"

export const failures = (report: Report): number => report.violations.length + report.deaths.length

export const table = (name: string, report: Report): string =>
  [
    ["storage", name],
    [
      "kills",
      `${report.kills} in ${
        report.seconds.toFixed(0)
      } s; ${report.starting} before it listened, ${report.early} within 80 ms after`
    ],
    [
      "inputs",
      `${report.inputs.accepted} accepted, ${report.inputs.unknown} cut before an answer, ${report.inputs.refused} refused; ${report.inputs.queued} waited their turn`
    ],
    ["refusals", list(report.refusals)],
    ["runs ended", list(report.endings)],
    ["runs", `${report.resumed} times picked up, ${report.parked} times parked, ${report.answers} answers sent`],
    [
      "asked",
      `${report.stops} runs to end, ${report.stopped} of them answered; ${report.keyed} inputs sent with a key`
    ],
    ["log", `${report.events} events; ${report.frames} frames seen by clients, ${report.resumes} times resumed`],
    ["start to ready", times(report.starts)],
    ["ready to going on", times(report.goingOn)],
    ["errors logged", String(report.errors.length)],
    ["ended by itself", String(report.deaths.length)],
    ...wrongs.map((wrong) => [wrong, String(report.violations.filter((one) => one.wrong === wrong).length)])
  ].map(([what, how]) => `  ${what!.padEnd(18)} ${how}`).join("\n")
