/** A Chat Completions server whose answers are told event by event; `wires` has the servers that are told what to say. */
import { Effect } from "effect"
import * as FakeProvider from "./wires/FakeProvider.ts"
import { eventStream, type Plain, type Received, sse } from "./wires/Wire.ts"

/** How a stream ends: properly, with a broken connection, never, or without saying why it ended. */
export type Ending = "done" | "cut" | "hang" | "unfinished"

export type Answer =
  /** Objects are sent as events, strings and bytes as they are. */
  | { readonly events: ReadonlyArray<object | string | Uint8Array>; readonly ending?: Ending }
  | Plain
  | "hang"

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "fake",
  choices: [{ index: 0, delta, finish_reason }]
})

export const text = (content: string) => chunk({ content })

export const reasoning = (reasoning_content: string) => chunk({ reasoning_content })

export const callStart = (index: number, id: string, name: string) =>
  chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] })

export const callArguments = (index: number, fragment: string) =>
  chunk({ tool_calls: [{ index, function: { arguments: fragment } }] })

export const finish = (reason: "stop" | "tool_calls" | "length" | "content_filter") => chunk({}, reason)

export const usage = (
  prompt_tokens: number,
  completion_tokens: number,
  details: { readonly cached?: number; readonly reasoning?: number } = {}
) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "fake",
  choices: [],
  usage: {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: details.cached ?? 0 },
    completion_tokens_details: { reasoning_tokens: details.reasoning ?? 0 }
  }
})

const endings = { done: "end", unfinished: "end", cut: "cut", hang: "hang" } as const

const answerOf = (answer: Answer): FakeProvider.Answer => {
  if (answer === "hang" || "status" in answer) return answer
  const { ending = "done", events } = answer
  const chunks = events.map((event) =>
    event instanceof Uint8Array ? event : typeof event === "string" ? Buffer.from(event) : sse(event)
  )
  return {
    content_type: eventStream,
    chunks: [Buffer.concat(ending === "done" ? [...chunks, sse("[DONE]")] : chunks)],
    ending: endings[ending]
  }
}

export interface FakeOpenAi {
  readonly baseUrl: string
  /** Since the answers were told, oldest first. */
  readonly asked: ReadonlyArray<Received>
  readonly left: FakeProvider.FakeProvider["left"]
  /** Answers to come, in order; the last one stays. */
  readonly answer: (...answers: ReadonlyArray<Answer>) => void
}

/** Closed with the scope. */
export const make = Effect.map(FakeProvider.make, ({ answer, left, origin, received }): FakeOpenAi => ({
  baseUrl: `${origin}/v1`,
  asked: received,
  left,
  answer: (...answers) => answer(...answers.map(answerOf))
}))
