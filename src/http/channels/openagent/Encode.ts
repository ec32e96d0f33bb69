/**
 * The encoder: a run's events as those of this protocol. What it answers depends on the events that it was given alone,
 * and at the end on what the ledger says of the run, which does not change after that.
 */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { AgentId, RunId, SessionId } from "../../../domain/Ids.ts"
import type { ToolCallBlock } from "../../../domain/Message.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { Encoder } from "../Channel.ts"
import { finishOf } from "../openai/output/Encode.ts"
import { type Cost, metricsOf } from "./Cost.ts"
import { bodyOf } from "./Errors.ts"
import { type Call, messageOf, resultOf, secondsOf, toolOf } from "./Shapes.ts"

export interface Head {
  readonly run_id: RunId
  readonly session_id: SessionId
  readonly agent_id: AgentId
  readonly model: string
  /** What the client's tools were called with whose results came with the request, by the ids inside. */
  readonly asked: ReadonlyMap<string, string>
  /** Names of the client's tools. Their calls are told when the run waits for them: until then they may still be wrong. */
  readonly clientTools: ReadonlySet<string>
}

type Finish = "stop" | "length" | "content_filter" | "tool_request"

/** A call that the server runs. */
interface Own extends Call {
  input: string
  output: string
}

export class Run implements Encoder {
  readonly #head: Head
  /** What every frame begins with. */
  readonly #before: string
  #frames = ""
  #text = ""
  #reasoning = ""
  /** Calls that the server runs, until they have ended. */
  readonly #calls = new Map<string, Own>()
  #requested: ReadonlyArray<ToolCallBlock> = []
  #finish: Finish = "stop"
  #first = 0
  #last = 0
  #hasBegun = false
  #isApart = false

  constructor(head: Head) {
    this.#head = head
    const { agent_id, model, run_id, session_id } = head
    this.#before = `data: ${JSON.stringify({ run_id, session_id, agent_id, model }).slice(0, -1)}`
  }

  readonly step = (event: AgentEvent): string => {
    this.#last = Date.parse(event.created_at)
    if (!this.#hasBegun) {
      this.#hasBegun = true
      this.#first = this.#last
      this.#emit("RunStarted", event, { content: "Run started" })
    }
    this.#take(event)
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  readonly failed = (problem: Problem): string => {
    const body = bodyOf(problem)
    const status = problem.code === "cancelled" ? "canceled" : "failed"
    return this.#frame("RunCompleted", Math.floor(this.#last / 1000), {
      content: this.#text,
      runtime: this.#runtime(),
      status,
      error: body.error
    })
  }

  /** When the last of its events was made, in milliseconds. */
  until(): number {
    return this.#last
  }

  /** What comes last, when the ledger has been asked. A run that waits for a client's tools has not come to its end. */
  closing(cost: Cost, problem: Problem | undefined): string {
    const at = Math.floor(this.#last / 1000)
    const summary = this.#frame("CostSummary", at, { cost })
    if (problem !== undefined) return summary + this.failed(problem)
    if (this.#finish === "tool_request") return summary
    return summary + this.#frame("RunCompleted", at, {
      content: this.#text,
      runtime: this.#runtime(),
      metrics: metricsOf(cost),
      status: "succeeded",
      finish_reason: this.#finish,
      messages: [this.#message(cost)]
    })
  }

  /** The answer to who does not stream. */
  answer(cost: Cost) {
    const { agent_id, model, run_id, session_id } = this.#head
    const message = this.#message(cost)
    return {
      run_id,
      session_id,
      agent_id,
      model,
      created_at: Math.floor(this.#first / 1000),
      messages: [message],
      message,
      finish_reason: this.#finish,
      usage: metricsOf(cost),
      cost
    }
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case "TEXT_BLOCK_START":
        // What the agent says after it has used a tool is a paragraph of its own.
        if (this.#text !== "" && this.#isApart) this.#say("\n\n", event)
        this.#isApart = false
        return
      case "TEXT_BLOCK_DELTA":
        return this.#say(event.delta, event)
      case "THINKING_BLOCK_DELTA":
        if (event.delta === "") return
        this.#reasoning += event.delta
        return this.#emit("RunResponse", event, { content: "", reasoning_content: event.delta })
      case "HINT_BLOCK":
        this.#isApart = true
        return
      case "TOOL_CALL_START":
        this.#isApart = true
        if (this.#head.clientTools.has(event.tool_call_name)) return
        this.#calls.set(event.tool_call_id, { name: event.tool_call_name, input: "", output: "" })
        return
      case "TOOL_CALL_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined) call.input += event.delta
        return
      }
      case "TOOL_RESULT_START": {
        const call = this.#calls.get(event.tool_call_id)
        if (call === undefined) return
        return this.#emit("ToolCallStarted", event, { tools: [this.#tool(event.tool_call_id, call)] })
      }
      case "TOOL_RESULT_TEXT_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined) call.output += event.delta
        return
      }
      case "TOOL_RESULT_END": {
        const call = this.#calls.get(event.tool_call_id)
        if (call === undefined) return
        this.#calls.delete(event.tool_call_id)
        const tool = this.#tool(event.tool_call_id, call)
        return this.#emit("ToolCallCompleted", event, { tools: [resultOf(tool, event, event.state, call.output)] })
      }
      case "EXTERNAL_EXECUTION_RESULT":
        return this.#emit("ToolCallCompleted", event, {
          tools: event.execution_results.map(({ id, name, output, state }) => {
            const tool = this.#tool(id, { name, input: this.#head.asked.get(id) ?? "{}" })
            return resultOf(tool, event, state, output)
          })
        })
      case "REQUIRE_EXTERNAL_EXECUTION":
        return this.#request(event)
      case "REPLY_END":
        this.#finish = event.finished_reason === "exceed_max_iters" ? "length" : finishOf(event.stop_reason)
        return
      case "CUSTOM":
        if (event.name === "run_parked") this.#finish = "tool_request"
        // The model begins its answer anew, behind what it had said before the server went down.
        if (event.name === "run_resumed") this.#isApart = true
    }
  }

  #say(delta: string, event: AgentEvent): void {
    if (delta === "") return
    this.#text += delta
    this.#emit("RunResponse", event, { content: delta })
  }

  /** The run halts here, and waits for the results of all of these calls. */
  #request(event: Extract<AgentEvent, { readonly type: "REQUIRE_EXTERNAL_EXECUTION" }>): void {
    this.#requested = event.tool_calls
    const tools = event.tool_calls.map((call) => this.#tool(call.id, call))
    this.#emit("ToolCallStarted", event, { tools, messages: [this.#message()] })
    for (const { tool_args: input, tool_call_id, tool_name: tool } of tools) {
      this.#emit("ToolRequest", event, { tool, input, tool_call_id })
    }
  }

  #tool = (id: string, call: Call) => toolOf(this.#head.session_id, id, call)

  /** All that the agent has said to the client since it was asked. */
  #message = (cost?: Cost) =>
    messageOf({
      session: this.#head.session_id,
      text: this.#text,
      reasoning: this.#reasoning,
      requested: this.#requested,
      cost,
      at: this.#first
    })

  #runtime = () => (this.#last - this.#first) / 1000

  #emit(name: string, event: AgentEvent, members: object): void {
    this.#frames += this.#frame(name, secondsOf(event), members)
  }

  #frame(name: string, created_at: number, members: object): string {
    const more = JSON.stringify({ content: "", content_type: "str", ...members }).slice(1)
    return `${this.#before},"event":"${name}","type":"${name}","created_at":${created_at},${more}\n\n`
  }
}
