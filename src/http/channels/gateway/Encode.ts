/**
 * The encoder: a run's events as those of this protocol, and what they come to as a result. What it answers depends on
 * the events that it was given alone; what the ledger and the log say of the whole is given to it at the end.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { RunId, SessionId } from "../../../domain/Ids.ts"
import type { ToolOutput } from "../../../domain/Message.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import type { ExecutionStatus, Result, Usage } from "./Shapes.ts"

interface Call {
  readonly name: string
  input: string
  output: string
}

/** What is said at the end of a stream. */
export interface Closing {
  readonly status: ExecutionStatus
  readonly usage: Usage
  readonly turn_count: number
}

const frame = (event: string, data: object): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** Arguments as JSON; what a model wrote and nobody can read as such stays a text. */
const argumentsOf = (input: string): unknown => {
  try {
    return JSON.parse(input === "" ? "{}" : input)
  } catch {
    return input
  }
}

const outputOf = (output: ToolOutput): string =>
  typeof output === "string" ? output : output.map((block) => block.type === "text" ? block.text : "").join("")

/** The protocol's words for why an agent stopped, by ours. */
const stopReasons: Readonly<Record<string, string>> = {
  end_turn: "completed",
  pause_turn: "completed",
  tool_calls: "completed",
  unknown: "completed"
}

export class Turn implements Encoder {
  readonly #head: { readonly execution_id: RunId; readonly session_id: SessionId }
  readonly #calls = new Map<string, Call>()
  #text = ""
  #structured: unknown
  #stop = "completed"
  #error: string | undefined
  #invalid: ReadonlyArray<string> = []
  #called = 0
  #hasBegun = false
  #isApart = false

  constructor(execution_id: RunId, session_id: SessionId) {
    this.#head = { execution_id, session_id }
  }

  readonly step = (event: AgentEvent): string => {
    const opening = this.#hasBegun ? "" : frame("session", this.#head)
    this.#hasBegun = true
    return opening + this.#take(event)
  }

  /** The stream ends before its run: of that nothing else is known. */
  readonly failed = (problem: Problem): string => {
    this.fail(problem)
    return this.#told()
  }

  /** The run came to no answer. */
  fail(problem: Problem): void {
    this.#error = detailOf(problem)
    if (problem.code === "cancelled") this.#stop = "cancelled"
    else if (problem.code === "run_timeout") this.#stop = "timeout"
    else this.#stop = "error"
    if (problem.code === "invalid_output") this.#invalid = [detailOf(problem)]
  }

  /** What comes last. */
  closing({ status, turn_count, usage }: Closing, problem?: Problem): string {
    if (problem !== undefined) this.fail(problem)
    const told = this.#told()
    return told + frame("done", {
      status,
      stop_reason: this.#stop,
      usage: { ...usage, tool_calls: this.#called },
      turn_count
    })
  }

  get error(): string | undefined {
    return this.#error
  }

  /** Tools that were called. */
  get called(): number {
    return this.#called
  }

  result(): Result {
    const raw_text = this.#text
    const output = this.#structured !== undefined ? this.#structured : this.#error === undefined ? raw_text : null
    return { output, raw_text, stop_reason: this.#stop, validation_errors: this.#invalid }
  }

  #told = () => this.#error === undefined ? "" : frame("error", { message: this.#error })

  #take(event: AgentEvent): string {
    switch (event.type) {
      case "TEXT_BLOCK_START": {
        // What the agent says after it has used a tool is a paragraph of its own.
        const between = this.#text !== "" && this.#isApart ? this.#say("\n\n") : ""
        this.#isApart = false
        return between
      }
      case "TEXT_BLOCK_DELTA":
        return this.#say(event.delta)
      case "HINT_BLOCK":
        this.#isApart = true
        return ""
      case "TOOL_CALL_START":
        this.#isApart = true
        this.#calls.set(event.tool_call_id, { name: event.tool_call_name, input: "", output: "" })
        return ""
      case "TOOL_CALL_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined) call.input += event.delta
        return ""
      }
      case "TOOL_RESULT_START": {
        const call = this.#calls.get(event.tool_call_id)
        return call === undefined ? "" : this.#call(event.tool_call_id, call)
      }
      case "TOOL_RESULT_TEXT_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined) call.output += event.delta
        return ""
      }
      case "TOOL_RESULT_END": {
        const call = this.#calls.get(event.tool_call_id)
        if (call === undefined) return ""
        this.#calls.delete(event.tool_call_id)
        return frame("tool_result", { call_id: event.tool_call_id, name: call.name, output: call.output })
      }
      case "REQUIRE_EXTERNAL_EXECUTION":
        this.#stop = "awaiting_external_result"
        return event.tool_calls.map(({ id, ...call }) => this.#call(id, call)).join("")
      case "EXTERNAL_EXECUTION_RESULT":
        return event.execution_results.map(({ id, name, output }) =>
          frame("tool_result", { call_id: id, name, output: outputOf(output) })
        ).join("")
      case "REPLY_END":
        this.#structured = event.structured_output
        this.#stop = event.finished_reason === "exceed_max_iters"
          ? "max_iterations"
          : stopReasons[event.stop_reason ?? "end_turn"] ?? event.stop_reason!
        if (this.#stop === "max_iterations") this.#error = "The agent has come to no end within its rounds."
        return ""
      case "CUSTOM":
        // The model begins its answer anew, behind what it had said before the server went down.
        if (event.name === "run_resumed") this.#isApart = true
        return ""
      default:
        return ""
    }
  }

  #say(delta: string): string {
    if (delta === "") return ""
    this.#text += delta
    return frame("token", { content: delta })
  }

  #call(call_id: string, { input, name }: Pick<Call, "input" | "name">): string {
    this.#called++
    return frame("tool_call", { name, arguments: argumentsOf(input), call_id })
  }
}
