/** OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses-streaming */
import { embeddings, models } from "./OpenAiChat.ts"
import { choiceOf } from "./OpenAiChatAsked.ts"
import { openAi, openAiShape, refuse } from "./Refusals.ts"
import { numbered, type Say, type Saying, type Spent, type Stop } from "./Say.ts"
import { all, type Called, calls, objectSchemas, type Rule, wellFormed } from "./Strict.ts"
import {
  type Asked,
  type AskedMessage,
  type AskedPart,
  dataUrl,
  eventStream,
  type Json,
  listed,
  merged,
  type Received,
  sse,
  type Wire
} from "./Wire.ts"

type Event = { readonly type: string } & Readonly<Record<string, unknown>>

const pieces = (type: string, at: object, deltas: ReadonlyArray<string>): ReadonlyArray<Event> =>
  deltas.map((delta) => ({ type: `${type}.delta`, ...at, delta }))

/** An item of the output: added, filled, done. */
const item = (
  output_index: number,
  begun: object,
  filling: ReadonlyArray<Event>,
  done: object
): ReadonlyArray<Event> => [
  { type: "response.output_item.added", output_index, item: begun },
  ...filling,
  { type: "response.output_item.done", output_index, item: { ...begun, ...done } }
]

const text = (n: number, id: string, deltas: ReadonlyArray<string>) => {
  const at = { item_id: id, output_index: n, content_index: 0 }
  const whole = { type: "output_text", text: deltas.join(""), annotations: [] }
  return item(n, { id, type: "message", status: "in_progress", role: "assistant", content: [] }, [
    { type: "response.content_part.added", ...at, part: { ...whole, text: "" } },
    ...pieces("response.output_text", { ...at, logprobs: [] }, deltas),
    { type: "response.output_text.done", ...at, text: whole.text, logprobs: [] },
    { type: "response.content_part.done", ...at, part: whole }
  ], { status: "completed", content: [whole] })
}

const thought = (n: number, id: string, deltas: ReadonlyArray<string>, encrypted_content: string | undefined) => {
  const at = { item_id: id, output_index: n, summary_index: 0 }
  const whole = { type: "summary_text", text: deltas.join("") }
  return item(n, { id, type: "reasoning", summary: [], encrypted_content: null }, [
    { type: "response.reasoning_summary_part.added", ...at, part: { ...whole, text: "" } },
    ...pieces("response.reasoning_summary_text", at, deltas),
    { type: "response.reasoning_summary_text.done", ...at, text: whole.text },
    { type: "response.reasoning_summary_part.done", ...at, part: whole }
  ], { summary: [whole], ...(encrypted_content !== undefined && { encrypted_content }) })
}

const called = (n: number, id: string, part: Extract<Saying, { readonly type: "call" }>) => {
  const at = { item_id: id, output_index: n }
  const whole = part.pieces.join("")
  const begun = { id, type: "function_call", status: "in_progress", call_id: part.id, name: part.name, arguments: "" }
  return item(n, begun, [
    ...pieces("response.function_call_arguments", at, part.pieces),
    { type: "response.function_call_arguments.done", ...at, name: part.name, arguments: whole }
  ], { status: "completed", arguments: whole })
}

const itemOf = ([part, nth]: readonly [Saying, number], n: number): ReadonlyArray<Event> => {
  switch (part.type) {
    case "text":
      return text(n, `msg_${nth}`, part.deltas)
    case "thinking":
      return thought(n, `rs_${nth}`, part.deltas, part.signature)
    case "call":
      return called(n, `fc_${nth}`, part)
    case "file":
      return []
  }
}

const usage = ({ cached, input, output, reasoning }: Spent) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output
})

const incomplete: Partial<Record<Stop, string>> = { length: "max_output_tokens", content_filter: "content_filter" }

const numberedEvents = (events: ReadonlyArray<Event>) =>
  events.map((event, sequence_number) => sse({ ...event, sequence_number }, event.type))

const head = { id: "resp_1", object: "response", created_at: 1_700_000_000, model: "fake", output: [] }

const say = ({ parts, spent, stop, word }: Say) => {
  const reason = word ?? incomplete[stop]
  const chunks = numberedEvents([
    { type: "response.created", response: { ...head, status: "in_progress" } },
    { type: "response.in_progress", response: { ...head, status: "in_progress" } },
    ...numbered(parts).flatMap(itemOf),
    {
      type: reason === undefined ? "response.completed" : "response.incomplete",
      response: {
        ...head,
        status: reason === undefined ? "completed" : "incomplete",
        incomplete_details: reason === undefined ? null : { reason },
        usage: usage(spent)
      }
    }
  ])
  return { content_type: eventStream, chunks, whole: chunks.length }
}

const partOf = (part: Json): ReadonlyArray<AskedPart> => {
  switch (part.type) {
    case "input_text":
    case "output_text":
      return [{ type: "text", text: part.text }]
    case "input_image":
      return [{ type: "file", ...dataUrl(part.image_url) }]
    case "input_file":
      return [{ type: "file", ...dataUrl(part.file_data) }]
    default:
      return []
  }
}

const messageOf = (item: Json): AskedMessage => {
  switch (item.type) {
    case "function_call":
      return {
        role: "assistant",
        parts: [{ type: "call", id: item.call_id, name: item.name, args: JSON.parse(item.arguments) }]
      }
    case "function_call_output":
      return { role: "tool", parts: [{ type: "result", id: item.call_id, text: item.output }] }
    case "reasoning":
      return {
        role: "assistant",
        parts: [{
          type: "thinking",
          text: item.summary.map(({ text }: Json) => text).join(""),
          ...(item.encrypted_content && { signature: item.encrypted_content })
        }]
      }
    default:
      return {
        role: item.role,
        parts: typeof item.content === "string"
          ? [{ type: "text", text: item.content }]
          : listed(item.content).flatMap(partOf)
      }
  }
}

const isSystem = ({ role }: Json) => role === "system" || role === "developer"

const read = ({ body }: Received): Asked => ({
  model: body.model,
  system: [body.instructions, ...body.input.filter(isSystem).map(({ content }: Json) => content)]
    .filter((one) => one !== undefined).join("\n"),
  messages: merged(body.input.filter((item: Json) => !isSystem(item)).map(messageOf)),
  tools: listed(body.tools).map(({ description, name, parameters }) => ({ name, description, parameters })),
  tool_choice: choiceOf(body.tool_choice),
  output: body.text?.format?.schema,
  temperature: body.temperature,
  top_p: body.top_p,
  max_tokens: body.max_output_tokens,
  stop: undefined,
  seed: undefined
})

const inRequest: Called = {
  calls: ({ input }) =>
    input.flatMap(({ call_id: id, name, type }: Json) => type === "function_call" ? [{ id, name }] : []),
  results: ({ input }) => input.flatMap(({ call_id, type }: Json) => type === "function_call_output" ? [call_id] : []),
  tools: ({ tools }) =>
    listed(tools).map(({ description, name, parameters }) => ({ name, description, schema: parameters }))
}

/** Thoughts come back sealed, and with what they led to. */
const thoughts: Rule = ({ input }) =>
  input.flatMap((item: Json, n: number) =>
    item.type !== "reasoning"
      ? []
      : [
        ...(item.encrypted_content ? [] : ["a reasoning item without its encrypted content"]),
        ...(["reasoning", "function_call"].includes(input[n + 1]?.type) || input[n + 1]?.role === "assistant"
          ? []
          : ["a reasoning item without the item that follows it"])
      ]
  )

export const wire: Wire = {
  say,
  read,
  faults: all(wellFormed, calls(inRequest, /^.{1,64}$/s), objectSchemas(inRequest), thoughts),
  refuse: refuse({
    ...openAi,
    too_long: [
      400,
      "invalid_request_error",
      "context_length_exceeded",
      "Your input exceeds the context window of this model. Please adjust your input and try again."
    ]
  }, openAiShape),
  breakOff: (message, why) => {
    const code = why === "failed" ? "server_error" : "rate_limit_exceeded"
    return sse({ type: "error", code, message, param: null, sequence_number: 9 }, "error")
  },
  models,
  embeddings
}
