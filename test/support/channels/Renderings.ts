/**
 * How each channel writes a run, and how what it writes is read again. A channel that
 * is added has one entry here: its encoder, made anew for each rendering, and a reader of its frames.
 */
import { ProviderFailed } from "../../../src/domain/Errors.ts"
import type { Encoder, Policy } from "../../../src/http/channels/Channel.ts"
import { Completion, whole } from "../../../src/http/channels/openai/Completion.ts"
import { ofRun } from "../../../src/http/channels/openai/Encode.ts"
import { Rendering as ResponseRendering } from "../../../src/http/channels/responses/Encode.ts"
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

export const renderings: ReadonlyArray<Rendering> = [chatCompletions, responses]
