/**
 * Shows a run on a terminal: the reply's text on standard output, and
 * aside, dimmed, what it thinks and which tools it calls.
 */
import type { Custom } from "../domain/CustomEvents.ts"
import type { AgentEvent } from "../domain/Event.ts"
import type { Annotation } from "../domain/Message.ts"
import { harmless } from "./Screen.ts"

export interface Piece {
  readonly to: "out" | "aside"
  readonly text: string
}

interface Call {
  readonly name: string
  readonly input: string
}

export interface Telling {
  /** What the line under the cursor belongs to. */
  readonly line: "none" | "out" | "aside"
  /** The arguments and results so far, by the id of their call. */
  readonly calls: Readonly<Record<string, Call>>
  readonly results: Readonly<Record<string, string>>
}

export const silent: Telling = { line: "none", calls: {}, results: {} }

/** Most characters of arguments or of a result that are shown. */
const maxShown = 200

const oneLine = (text: string) => {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > maxShown ? `${line.slice(0, maxShown)}…` : line
}

const append = (text: string, delta: string) => text.length > maxShown ? text : text + delta

type Step = readonly [telling: Telling, pieces: ReadonlyArray<Piece>]

/** Ends the line that is open on the other side, or on both. */
const breakLine = (telling: Telling, but?: Piece["to"]): ReadonlyArray<Piece> =>
  telling.line === "none" || telling.line === but ? [] : [{ to: telling.line, text: "\n" }]

const say = (telling: Telling, to: Piece["to"], delta: string): Step => {
  const text = harmless(delta)
  if (text === "") return [telling, []]
  return [{ ...telling, line: text.endsWith("\n") ? "none" : to }, [...breakLine(telling, to), { to, text }]]
}

const note = (telling: Telling, text: string): Step => [
  { ...telling, line: "none" },
  [...breakLine(telling), { to: "aside", text: `${harmless(oneLine(text))}\n` }]
]

/** Most sources of one text that are shown. */
const maxSources = 20

/** Says where the text comes from, each place once. */
const sources = (telling: Telling, annotations: ReadonlyArray<Annotation>): Step => {
  const names = [
    ...new Set(annotations.map(({ file_id, title, url }) => [title, url ?? file_id].filter(Boolean).join(" ")))
  ]
  const lines = names.slice(0, maxSources).map((name) => `${harmless(oneLine(`source: ${name}`))}\n`)
  return [{ ...telling, line: "none" }, [...breakLine(telling), { to: "aside", text: lines.join("") }]]
}

const without = <A>(record: Readonly<Record<string, A>>, id: string) =>
  Object.fromEntries(Object.entries(record).filter(([key]) => key !== id))

/** What is said of an event of our own; undefined when nothing is. */
const noteOn = (event: Custom): string | undefined => {
  switch (event.name) {
    case "run_queued":
      return "(waits for the run before it)"
    case "run_resumed":
      return "(goes on after a restart of the server)"
    case "model_switched": {
      const { error, from, to } = event.value
      return `(${from.model} failed, ${to.model} answers: ${error.message})`
    }
    case "task_started":
      return `(${event.value.tool_name} goes on in the background as task ${event.value.task_id})`
    case "task_ended":
      return `(task ${event.value.task_id} of ${event.value.tool_name} ${
        event.value.status === "lost" ? "is lost" : `has ended: ${event.value.status}`
      })`
    case "elicitation_requested":
      return `(${event.value.tool_name} asks: ${event.value.message})`
    case "elicitation_ended":
      return event.value.outcome === "timeout" ? "(nobody has answered)" : undefined
    default:
      return undefined
  }
}

/** The output that an event adds. */
export const tell = (telling: Telling, event: AgentEvent): Step => {
  const isNested = event.agent_path !== undefined && event.agent_path.length > 0
  switch (event.type) {
    case "TEXT_BLOCK_DELTA":
      return say(telling, isNested ? "aside" : "out", event.delta)
    case "THINKING_BLOCK_DELTA":
      return say(telling, "aside", event.delta)
    case "TEXT_BLOCK_END":
      return event.annotations === undefined || event.annotations.length === 0
        ? [{ ...telling, line: "none" }, breakLine(telling)]
        : sources(telling, event.annotations)
    case "THINKING_BLOCK_END":
      return [{ ...telling, line: "none" }, breakLine(telling)]
    case "DATA_BLOCK_START":
      return note(telling, `[${event.media_type}]`)
    case "TOOL_CALL_START":
      return [{
        ...telling,
        calls: {
          ...telling.calls,
          [event.tool_call_id]: {
            name: event.provider_executed === true ? `${event.tool_call_name} (by the provider)` : event.tool_call_name,
            input: ""
          }
        }
      }, []]
    case "TOOL_CALL_DELTA": {
      const call = telling.calls[event.tool_call_id]
      return call === undefined ? [telling, []] : [
        {
          ...telling,
          calls: { ...telling.calls, [event.tool_call_id]: { ...call, input: append(call.input, event.delta) } }
        },
        []
      ]
    }
    case "TOOL_CALL_END": {
      const call = telling.calls[event.tool_call_id]
      return call === undefined ? [telling, []] : note(telling, `→ ${call.name} ${call.input}`)
    }
    case "TOOL_RESULT_TEXT_DELTA": {
      const before = telling.results[event.tool_call_id] ?? ""
      return [{ ...telling, results: { ...telling.results, [event.tool_call_id]: append(before, event.delta) } }, []]
    }
    case "TOOL_RESULT_END": {
      const { [event.tool_call_id]: call } = telling.calls
      const { [event.tool_call_id]: result = "" } = telling.results
      const rest = {
        ...telling,
        calls: without(telling.calls, event.tool_call_id),
        results: without(telling.results, event.tool_call_id)
      }
      const outcome = event.state === "success" ? "" : ` ${event.state}`
      return note(rest, `← ${call?.name ?? event.tool_call_id}${outcome}: ${result}`)
    }
    case "REQUIRE_USER_CONFIRM":
      return note(telling, `? waits for a person to allow ${event.tool_calls.map(({ name }) => name).join(", ")}`)
    case "REQUIRE_EXTERNAL_EXECUTION":
      return note(telling, `? waits for the result of ${event.tool_calls.map(({ name }) => name).join(", ")}`)
    case "CUSTOM": {
      const text = noteOn(event)
      return text === undefined ? [telling, []] : note(telling, text)
    }
    default:
      return [telling, []]
  }
}

/** Ends the open line, so that nothing follows on it. */
export const close = (telling: Telling): ReadonlyArray<Piece> => breakLine(telling)
