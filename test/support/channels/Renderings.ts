/**
 * How each channel writes a run, and how what it writes is read again. A channel that
 * is added has one entry here: its encoder, made anew for each rendering, and a reader of its frames.
 */
import { ProviderFailed } from "../../../src/domain/Errors.ts"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import * as Reply from "../../../src/domain/Reply.ts"
import { endsStream } from "../../../src/domain/RunOf.ts"
import { Updates } from "../../../src/http/channels/a2a/Encode.ts"
import { taskOf } from "../../../src/http/channels/a2a/Render.ts"
import { Objects } from "../../../src/http/channels/agentapp/Objects.ts"
import { Stream } from "../../../src/http/channels/agui/Encode.ts"
import type { Encoder, Policy } from "../../../src/http/channels/Channel.ts"
import { Turn } from "../../../src/http/channels/gateway/Encode.ts"
import { noUsage } from "../../../src/http/channels/gateway/Usage.ts"
import { Frames } from "../../../src/http/channels/langgraph/output/Encode.ts"
import { Mode } from "../../../src/http/channels/langgraph/request/Requests.ts"
import { Progress } from "../../../src/http/channels/mcp/Progress.ts"
import { formOf, questionOf } from "../../../src/http/channels/mcp/Questions.ts"
import { failedResult, resultOf } from "../../../src/http/channels/mcp/Results.ts"
import { Run } from "../../../src/http/channels/openagent/Encode.ts"
import { Completion, whole } from "../../../src/http/channels/openai/output/Completion.ts"
import { ofRun } from "../../../src/http/channels/openai/output/Encode.ts"
import { Rendering as ResponseRendering } from "../../../src/http/channels/responses/output/Encode.ts"
import { Chunks } from "../../../src/http/channels/uimessages/Chunks.ts"
import { runOf } from "../fixtures.ts"
import { problemsOf } from "../responses.ts"
import { run_id, type Said, session } from "./Logs.ts"

/** Members that the channel does not show are left out. */
export type Read = Partial<Said> & Pick<Said, "text" | "status" | "usage">

export interface Rendering {
  readonly name: string
  readonly policy: Policy
  /** `answer`: the whole of it for who does not stream, when the last event has been read. */
  readonly make: () => { readonly encoder: Encoder; readonly answer: () => unknown }
  readonly readStream: (text: string) => Read
  /** What it says of a run that has not failed. */
  readonly readAnswer: (answer: unknown) => Read
}

/** The JSON of each frame; anything else in them fails. */
const dataOf = (text: string, end: string): ReadonlyArray<ReturnType<typeof JSON.parse>> => {
  if (!text.endsWith(end)) throw new Error(`No ${JSON.stringify(end)} at the end of ${JSON.stringify(text.slice(-80))}`)
  return text.slice(0, text.length - end.length).split("\n\n").filter((frame) => frame !== "").map((frame) =>
    JSON.parse(frame.replace(/^data: /, ""))
  )
}

const finishes: Readonly<Record<string, Said["status"]>> = {
  stop: "completed",
  length: "truncated",
  content_filter: "filtered",
  tool_calls: "calls"
}

const statusOf = (finish: string): Said["status"] => {
  const status = finishes[finish]
  if (status === undefined) throw new Error(`What does ${finish} mean?`)
  return status
}

const usageOf = (usage: { prompt_tokens: number; completion_tokens: number } | null | undefined): Said["usage"] =>
  usage == null ? undefined : { input: usage.prompt_tokens, output: usage.completion_tokens }

const end = "data: [DONE]\n\n"

const chatCompletions: Rendering = {
  name: "chat_completions",
  policy: { leaving: "cancels", approval: "refused", end },
  make: () => {
    const head = {
      id: `chatcmpl-${run_id}`,
      model: "agent/Ada",
      kind: "chat",
      choices: 1,
      streams: true,
      tellsUsage: true
    } as const
    const completion = new Completion(head)
    return {
      encoder: ofRun(completion, { session_id: session.id, isStructured: false }),
      answer: () => whole(head, completion.answered())
    }
  },
  readStream: (text) => {
    const frames = dataOf(text, end)
    let status: Said["status"] | undefined
    let words = ""
    let thoughts = ""
    let usage: Said["usage"]
    const calls: Array<{ name: string; input: string }> = []
    for (const { choices, error, usage: told } of frames) {
      if (error !== undefined) {
        status = "failed"
        continue
      }
      usage ??= usageOf(told)
      for (const { delta, finish_reason } of choices) {
        words += delta.content ?? ""
        thoughts += delta.reasoning_content ?? ""
        for (const { function: called, index } of delta.tool_calls ?? []) {
          calls[index] ??= { name: called.name, input: "" }
          calls[index]!.input += called.arguments
        }
        if (finish_reason !== null) status = statusOf(finish_reason)
      }
    }
    if (status === undefined) throw new Error(`How did it end? ${text}`)
    return { text: words, thoughts, calls, usage, status }
  },
  readAnswer: (answer) => {
    const { choices: [{ finish_reason, message }], usage } = answer as ReturnType<typeof JSON.parse>
    return {
      text: message.content ?? "",
      thoughts: message.reasoning_content ?? "",
      calls: (message.tool_calls ?? []).map(({ function: called }: ReturnType<typeof JSON.parse>) => ({
        name: called.name,
        input: called.arguments
      })),
      usage: usageOf(usage),
      status: statusOf(finish_reason)
    }
  }
}

const responseStatuses: Readonly<Record<string, Said["status"]>> = {
  completed: "completed",
  failed: "failed",
  max_output_tokens: "truncated",
  content_filter: "filtered"
}

const readItems = (items: ReadonlyArray<ReturnType<typeof JSON.parse>>) => {
  const of = (type: string) => items.filter((item) => item.type === type)
  return {
    text: of("message").map(({ content }) => content[0].text).join("\n\n"),
    thoughts: of("reasoning").map(({ summary }) => summary[0].text).join("\n\n"),
    calls: of("function_call").map(({ arguments: input, name }) => ({ name, input })),
    results: of("mcp_call").map(({ output }) => output)
  }
}

const readResponse = ({ incomplete_details, output, status, usage }: ReturnType<typeof JSON.parse>): Read => {
  const said = responseStatuses[incomplete_details?.reason ?? status]
  if (said === undefined) throw new Error(`What does ${status} mean?`)
  const read = readItems(output)
  return {
    ...read,
    // What a run used that has failed is told here, and nowhere else.
    usage: said === "failed" ? undefined : { input: usage.input_tokens, output: usage.output_tokens },
    status: read.calls.length > 0 ? "calls" : said
  }
}

const responses: Rendering = {
  name: "responses",
  policy: { leaving: "cancels", approval: "shown", end },
  make: () => {
    const rendering = new ResponseRendering({
      id: `resp_${run_id}`,
      created_at: 1_769_851_800,
      model: "agent/Ada",
      echo: {},
      home: session.id,
      client_tools: [],
      is_structured: false,
      tells_encrypted: false
    })
    return {
      encoder: {
        step: (event) => rendering.step(event),
        failed: ({ code, detail }) => rendering.cut(new ProviderFailed({ code, detail }))
      },
      answer: () => rendering.response()
    }
  },
  readStream: (text) => {
    const frames = dataOf(text.replaceAll(/^event: .*\n/gm, ""), end)
    const problems = problemsOf(frames)
    if (problems.length > 0) throw new Error(problems.join("\n"))
    return readResponse(frames.at(-1).response)
  },
  readAnswer: readResponse
}

// What comes of JSON has no types.
type Json = ReturnType<typeof JSON.parse>

/** What the ledger says of each of the runs. */
const cost = { input_tokens: 30, output_tokens: 9, microdollars: 0, unpriced_calls: 2 }

const openAgentFinishes: Readonly<Record<string, Said["status"]>> = {
  stop: "completed",
  length: "truncated",
  content_filter: "filtered",
  tool_request: "calls"
}

const requestedIn = (message: Json | undefined): Said["calls"] =>
  (message?.tool_calls ?? []).map(({ function: fn }: Json) => ({ name: fn.name, input: fn.arguments }))

const openAgent: Rendering = {
  name: "open_agent",
  policy: { leaving: "cancels", approval: "refused", end: "" },
  make: () => {
    const head = { run_id, session_id: session.id, agent_id: session.agent_id, model: "Demo/demo-script" }
    const run = new Run({ ...head, asked: new Map(), clientTools: new Set(["time"]) })
    return {
      // Its last frames are asked for where the run's events alone do not say them.
      encoder: {
        step: (event) => run.step(event) + (endsStream(event) ? run.closing(cost, undefined) : ""),
        failed: (problem) => run.closing(cost, problem)
      },
      answer: () => run.answer(cost)
    }
  },
  readStream: (text) => {
    const frames = dataOf(text, "")
    const named = (name: string) => frames.filter(({ event, type }) => event === name && type === name)
    const [{ finish_reason, status } = { finish_reason: "tool_request", status: "halted" }] = named("RunCompleted")
    const [summary] = named("CostSummary")
    return {
      text: named("RunResponse").map(({ content }) => content).join(""),
      thoughts: named("RunResponse").map(({ reasoning_content = "" }) => reasoning_content).join(""),
      calls: named("ToolCallStarted").flatMap(({ messages = [] }) => requestedIn(messages[0])),
      results: named("ToolCallCompleted").flatMap(({ tools }) => tools.map(({ content }: Json) => content)),
      usage: status === "failed"
        ? undefined
        : { input: summary.cost.input_tokens, output: summary.cost.output_tokens },
      status: status === "failed" ? "failed" : openAgentFinishes[finish_reason]!
    }
  },
  readAnswer: (answer) => {
    const { finish_reason, message, usage } = answer as Json
    return {
      text: message.content,
      thoughts: message.reasoning_content ?? "",
      calls: requestedIn(message),
      usage: { input: usage.input_tokens, output: usage.output_tokens },
      status: openAgentFinishes[finish_reason]!
    }
  }
}

const incompletes: Readonly<Record<string, Said["status"]>> = {
  max_output_tokens: "truncated",
  content_filter: "filtered",
  external_execution: "calls"
}

/** What a response of AgentApp's says. Its clients see the calls of all tools, those without an output are the client's own. */
const readAgentApp = ({ incomplete_details, output, status, usage }: Json): Read => {
  const dataIn = (kind: string): ReadonlyArray<Json> =>
    output.filter(({ type }: Json) => type === kind).map(({ content: [part] }: Json) => part.data)
  const wordsIn = (kind: string): ReadonlyArray<string> =>
    output.filter(({ type }: Json) => type === kind).map(({ content: [part] }: Json) => part.text)
  const outputs = dataIn("plugin_call_output")
  const answered = new Set(outputs.map(({ call_id }) => call_id))
  const hasFailed = status === "failed"
  return {
    text: wordsIn("message").join("\n\n"),
    thoughts: wordsIn("reasoning").join(""),
    calls: dataIn("plugin_call").filter(({ call_id }) => !answered.has(call_id))
      .map(({ arguments: input, name }) => ({ name, input })),
    results: outputs.map(({ output }) => output),
    usage: hasFailed ? undefined : { input: usage.input_tokens, output: usage.output_tokens },
    status: status === "incomplete" ? incompletes[incomplete_details.reason]! : status
  }
}

const agentApp: Rendering = {
  name: "agentapp",
  policy: { leaving: "cancels", approval: "refused", end: "" },
  make: () => {
    const encoder = new Objects({ id: `response_${run_id}`, session_id: "a-conversation", run_id })
    return { encoder, answer: () => encoder.response }
  },
  readStream: (text) => {
    const frames = dataOf(text, "")
    const whole = frames.at(-1)
    /** What came piece by piece, by its message. */
    const pieces = new Map<string, string>()
    for (const [i, { delta, msg_id, sequence_number, text }] of frames.entries()) {
      if (sequence_number !== i) throw new Error(`Frame ${i} has the number ${sequence_number}`)
      if (delta === true) pieces.set(msg_id, `${pieces.get(msg_id) ?? ""}${text}`)
    }
    const output = whole.output.map((message: Json) =>
      pieces.has(message.id) ? { ...message, content: [{ type: "text", text: pieces.get(message.id) }] } : message
    )
    return readAgentApp({ ...whole, output })
  },
  readAnswer: readAgentApp
}

const taskStates: Readonly<Record<string, Said["status"]>> = {
  max_tokens: "truncated",
  content_filter: "filtered",
  TASK_STATE_COMPLETED: "completed",
  TASK_STATE_FAILED: "failed",
  TASK_STATE_INPUT_REQUIRED: "calls"
}

/** What A2A says of a task: its words, how it ended or what it waits for, and in its metadata what was used. */
const readTask = ({ metadata, status }: Json, parts: ReadonlyArray<Json>): Read => ({
  text: parts.map(({ text }) => text).join(""),
  calls: (status.message?.parts[1]?.data.calls ?? []).map(({ arguments: input, name }: Json) => ({
    name,
    input: JSON.stringify(input)
  })),
  usage: metadata?.usage && { input: metadata.usage.input_tokens, output: metadata.usage.output_tokens },
  status: taskStates[metadata?.stop_reason] ?? taskStates[status.state]!
})

const a2a: Rendering = {
  name: "a2a",
  policy: { leaving: "goes on", approval: "shown", end: "" },
  make: () => {
    const head = { run_id, contextId: "a-context", base: "http://localhost" }
    const updates = new Updates({ head }, (update) => `data: ${JSON.stringify(update)}\n\n`)
    const events: Array<AgentEvent> = []
    return {
      encoder: {
        step: (event) => {
          events.push(event)
          return updates.step(event)
        },
        failed: updates.failed
      },
      answer: () => {
        const reply = Reply.ofEvents(events)?.message
        const waits = reply?.finished_at === null
        const run = runOf(session, {
          id: run_id,
          input: [],
          status: waits ? "awaiting_external_result" : "ended",
          finished_reason: reply?.finished_reason ?? null,
          usage: reply?.usage ?? null,
          ...reply?.stop_reason !== undefined && { stop_reason: reply.stop_reason }
        })
        return taskOf(head, run, reply)
      }
    }
  },
  readStream: (text) => {
    const frames = dataOf(text, "")
    const parts = frames.flatMap(({ artifactUpdate }, i): ReadonlyArray<Json> => {
      if (artifactUpdate === undefined) return []
      const isFirst = frames.findIndex((frame) => "artifactUpdate" in frame) === i
      if (artifactUpdate.append === isFirst) throw new Error(`Frame ${i} does not go on where the one before ended`)
      return artifactUpdate.artifact.parts
    })
    return readTask(frames.at(-1).statusUpdate, parts)
  },
  readAnswer: (task) => readTask(task, (task as Json).artifacts.flatMap(({ parts }: Json) => parts))
}

const agUiLacks: Readonly<Record<string, Said["status"]>> = { max_tokens: "truncated", content_filter: "filtered" }

/** A client puts together what comes in pieces, each under the id of its beginning. */
const readAgUi = (text: string): Read => {
  const frames = dataOf(text, "")
  const piecesOf = (begins: string, piece: string, id: string) =>
    frames.filter(({ type }) => type === begins).map((begun) =>
      frames.filter((frame) => frame.type === piece && frame[id] === begun[id]).map(({ delta }) => delta).join("")
    )
  const last = frames.at(-1)
  const pending = new Set<string>(last.outcome?.pendingToolCallIds)
  const inputs = piecesOf("TOOL_CALL_START", "TOOL_CALL_ARGS", "toolCallId")
  const calls = frames.filter(({ type }) => type === "TOOL_CALL_START").flatMap(({ toolCallId, toolCallName }, i) =>
    pending.has(toolCallId) ? [{ name: toolCallName, input: inputs[i]! }] : []
  )
  const lack = frames.find(({ name, type }) => type === "CUSTOM" && name === "stoa.incomplete")?.value.reason
  const [usage] = last.usage ?? []
  const failed = last.type === "RUN_ERROR"
  return {
    text: piecesOf("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "messageId").join("\n\n"),
    thoughts: piecesOf("REASONING_START", "REASONING_MESSAGE_CONTENT", "messageId").join(""),
    calls,
    results: frames.filter(({ type }) => type === "TOOL_CALL_RESULT").map(({ content }) => content),
    // What a run used that has failed is told here too.
    usage: failed ? undefined : { input: usage.inputTokens, output: usage.outputTokens },
    status: failed ? "failed" : calls.length > 0 ? "calls" : agUiLacks[lack] ?? "completed"
  }
}

const agUi: Rendering = {
  name: "ag_ui",
  policy: { leaving: "goes on", approval: "shown", end: "" },
  make: () => {
    const head = { threadId: "a-thread", runId: "a-run", isOld: false, answered: new Set<string>(), state: undefined }
    const stream = new Stream(head)
    let told = ""
    // There is nothing but the stream.
    const keep = (frames: string) => {
      told += frames
      return frames
    }
    return {
      encoder: { step: (event) => keep(stream.step(event)), failed: (problem) => keep(stream.failed(problem)) },
      answer: () => told
    }
  },
  readStream: readAgUi,
  readAnswer: (answer) => readAgUi(answer as string)
}

const uiFinishes: Readonly<Record<string, Said["status"]>> = {
  stop: "completed",
  length: "truncated",
  "content-filter": "filtered",
  "tool-calls": "calls"
}

/** What a stream of chunks says. */
const readChunks = (chunks: ReadonlyArray<Json>): Read => {
  const of = (...types: ReadonlyArray<string>) => chunks.filter(({ type }) => types.includes(type))
  const answered = of("tool-output-available")
  const isAnswered = (id: string) => answered.some(({ toolCallId }) => toolCallId === id)
  const [finish] = of("finish")
  const used = finish?.messageMetadata?.usage
  const isParked = finish?.finishReason === "tool-calls"
  return {
    text: of("text-start").map(({ id }) =>
      of("text-delta").filter((delta) => delta.id === id).map(({ delta }) => delta).join("")
    )
      .join("\n\n"),
    thoughts: of("reasoning-delta").map(({ delta }) => delta).join(""),
    calls: of("tool-input-available").filter(({ toolCallId }) => !isAnswered(toolCallId))
      .map(({ input, toolName: name }) => ({ name, input: JSON.stringify(input) })),
    results: answered.map(({ output }) => output),
    // A run that waits has not told yet what it has used.
    usage: isParked ? { input: 30, output: 9 } : used && { input: used.inputTokens, output: used.outputTokens },
    status: finish === undefined ? "failed" : uiFinishes[finish.finishReason]!
  }
}

const uiMessages: Rendering = {
  name: "ui_messages",
  policy: { leaving: "goes on", approval: "shown", end },
  make: () => {
    const ids = { session_id: session.id, run_id }
    const chunks = new Chunks({ ...ids, clientTools: new Set(["time"]) })
    let told = ""
    return {
      encoder: {
        step: (event) => {
          const frames = chunks.step(event)
          told += frames
          return frames
        },
        failed: (problem) => chunks.failed(problem)
      },
      // There is no other answer than the stream.
      answer: () => told
    }
  },
  readStream: (text) => readChunks(dataOf(text, end)),
  readAnswer: (told) => readChunks(dataOf(told as string, ""))
}

const mcpLacks: Readonly<Record<string, Said["status"]>> = { max_tokens: "truncated", content_filter: "filtered" }

/** Lines that say what a run does, beside those that are its words. */
const isAbout = (line: string): boolean => /^(?:Ada begins|Uses .*|Waits for .*)\.$/.test(line)

/** What a client of MCP is answered: a result, or a form for a person. */
const readMcp = ({ form, result }: Json, text: string): Read => {
  const { _meta: meta, isError } = result
  const calls = Object.values(form?.requestedSchema.properties ?? {}).map(({ description: input, title }: Json) => ({
    name: title.replace("Result of ", ""),
    input
  }))
  const used = meta["stoa/usage"]
  const status = calls.length > 0 ? "calls" : mcpLacks[meta["stoa/stop_reason"]] ?? "completed"
  return {
    text,
    calls,
    usage: isError ? undefined : { input: used.input_tokens, output: used.output_tokens },
    status: isError ? "failed" : status
  }
}

const mcp: Rendering = {
  name: "mcp",
  policy: { leaving: "goes on", approval: "shown", end: "" },
  make: () => {
    const head = { run_id, session_id: session.id, base: "http://localhost" }
    const events: Array<AgentEvent> = []
    let lines = ""
    const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`
    const progress = new Progress((line) => {
      lines += frame(line)
    })
    const answer = () => {
      const reply = Reply.ofEvents(events)!.message
      const form = reply.finished_at === null ? formOf(questionOf("awaiting_external_result", reply)) : undefined
      return { form, result: resultOf(head, reply) }
    }
    return {
      encoder: {
        step: (event) => {
          lines = ""
          events.push(event)
          progress.step(event)
          return endsStream(event) ? lines + frame(answer()) : lines
        },
        failed: ({ detail }) => frame({ result: failedResult(head, detail) })
      },
      answer
    }
  },
  readStream: (text) => {
    const frames = dataOf(text, "")
    const words = frames.slice(0, -1).map(({ message }) => message).filter((line) => !isAbout(line))
    return readMcp(frames.at(-1), words.join("\n\n"))
  },
  readAnswer: (answer) => {
    const { content } = (answer as Json).result
    return readMcp(answer, content.map(({ text }: Json) => text).join("\n\n"))
  }
}

/** Why an agent stopped, as the Agent Gateway's clients read it. */
const gatewayStops: Readonly<Record<string, Said["status"]>> = {
  completed: "completed",
  max_tokens: "truncated",
  content_filter: "filtered",
  awaiting_external_result: "calls",
  error: "failed",
  cancelled: "failed"
}

const gateway: Rendering = {
  name: "gateway",
  policy: { leaving: "goes on", approval: "refused", end: "" },
  make: () => {
    const turn = new Turn(run_id, session.id)
    const usage = { ...noUsage, input_tokens: cost.input_tokens, output_tokens: cost.output_tokens }
    const closing = { status: "completed", usage, turn_count: 1 } as const
    return {
      // Its last frames are asked for where the run's events alone do not say them.
      encoder: {
        step: (event) => turn.step(event) + (endsStream(event) ? turn.closing(closing) : ""),
        failed: (problem) => turn.closing(closing, problem)
      },
      answer: () => ({ ...turn.result(), usage, calls: turn.called })
    }
  },
  readStream: (text) => {
    const frames = text.split("\n\n").filter((frame) => frame !== "").map((frame): { event: string; data: Json } => {
      const [, event, data] = /^event: (\w+)\ndata: ([^\n]*)$/.exec(frame)!
      return { event: event!, data: JSON.parse(data!) }
    })
    const named = (name: string): ReadonlyArray<Json> =>
      frames.filter(({ event }) => event === name).map(({ data }) => data)
    const [done] = named("done")
    const results = named("tool_result")
    const answered = new Set(results.map(({ call_id }) => call_id))
    const status = gatewayStops[done.stop_reason]!
    return {
      text: named("token").map(({ content }) => content).join(""),
      calls: named("tool_call").filter(({ call_id }) => !answered.has(call_id))
        .map(({ arguments: input, name }) => ({ name, input: JSON.stringify(input) })),
      results: results.map(({ output }) => output),
      usage: status === "failed"
        ? undefined
        : { input: done.usage.input_tokens, output: done.usage.output_tokens },
      status
    }
  },
  readAnswer: (answer) => {
    const { raw_text, stop_reason, usage } = answer as Json
    return {
      text: raw_text,
      usage: { input: usage.input_tokens, output: usage.output_tokens },
      status: gatewayStops[stop_reason]!
    }
  }
}

const langGraphStops: Readonly<Record<string, Said["status"]>> = { max_tokens: "truncated", content_filter: "filtered" }

/** What a thread holds after the run. */
const readValues = ({ __interrupt__, messages }: Json): Read => {
  const answers: ReadonlyArray<Json> = messages.filter(({ type }: Json) => type === "ai")
  const last = answers.at(-1)
  const used = last.usage_metadata
  return {
    text: answers.map(({ content }) => content).join("\n\n"),
    thoughts: answers.map(({ additional_kwargs }) => additional_kwargs.reasoning_content ?? "").join(""),
    calls: (__interrupt__?.[0].value.tool_calls ?? []).map(({ args, name }: Json) => ({
      name,
      input: JSON.stringify(args)
    })),
    results: messages.filter(({ type }: Json) => type === "tool").map(({ content }: Json) => content),
    // A run that waits has not told yet what it has used.
    usage: used === undefined ? { input: 30, output: 9 } : { input: used.input_tokens, output: used.output_tokens },
    status: __interrupt__ === undefined
      ? langGraphStops[last.response_metadata.stop_reason] ?? "completed"
      : "calls"
  }
}

const langGraph: Rendering = {
  name: "langgraph",
  policy: { leaving: "goes on", approval: "shown", end: "" },
  make: () => {
    const modes = new Set(Mode.literals)
    const frames = new Frames({ run_id, thread_id: "a-thread", assistant_id: session.agent_id, modes, after: 0 })
    return { encoder: frames, answer: () => frames.values() }
  },
  readStream: (text) => {
    const frames = text.split("\n\n").filter((frame) => frame !== "").map((frame, i): { event: string; data: Json } => {
      const [, id, event, data] = /^id: (\d+)\nevent: ([\w/-]+)\ndata: ([^\n]*)$/.exec(frame)!
      if (Number(id) !== i + 1) throw new Error(`Frame ${i} has the number ${id}`)
      return { event: event!, data: JSON.parse(data!) }
    })
    const dataOf = (name: string): ReadonlyArray<Json> =>
      frames.filter(({ event }) => event === name).map(({ data }) => data)
    const tuples = dataOf("messages").map(([message]) => message)
    const chunks = tuples.filter(({ type }) => type === "AIMessageChunk")
    const of = (id: string) => chunks.filter((chunk) => chunk.id === id)
    const hasFailed = frames.at(-1)!.event === "error"
    const values = readValues(dataOf("values").at(-1))
    const used = chunks.flatMap(({ usage_metadata }) => usage_metadata ?? [])
    const sumOf = (name: string) => used.reduce((sum, usage) => sum + usage[name], 0)
    return {
      ...values,
      text: [...new Set(chunks.map(({ id }) => id))].map((id) => of(id).map(({ content }) => content).join(""))
        .join("\n\n"),
      thoughts: chunks.map(({ additional_kwargs }) => additional_kwargs.reasoning_content ?? "").join(""),
      results: tuples.filter(({ type }) => type === "tool").map(({ content }) => content),
      usage: hasFailed ? undefined : { input: sumOf("input_tokens"), output: sumOf("output_tokens") },
      status: hasFailed ? "failed" : values.status
    }
  },
  readAnswer: readValues
}

export const renderings: ReadonlyArray<Rendering> = [
  a2a,
  agentApp,
  agUi,
  chatCompletions,
  gateway,
  mcp,
  langGraph,
  openAgent,
  responses,
  uiMessages
]
