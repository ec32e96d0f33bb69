/** Anthropic's Messages API, whose events have names: https://docs.anthropic.com/en/docs/build-with-claude/streaming */
import { refuse } from "./Refusals.ts"
import type { Say, Saying, Stop } from "./Say.ts"
import { all, type Called, calls, conversation, notBlank, objectSchemas, type Rule, wellFormed } from "./Strict.ts"
import {
  type Asked,
  type AskedChoice,
  type AskedMessage,
  type AskedPart,
  eventStream,
  type Json,
  json,
  listed,
  merged,
  type Received,
  sse,
  type Wire
} from "./Wire.ts"

const event = (data: { readonly type: string } & Readonly<Record<string, unknown>>) => sse(data, data.type)

const block = (index: number, content_block: object, deltas: ReadonlyArray<object>): ReadonlyArray<Uint8Array> => [
  event({ type: "content_block_start", index, content_block }),
  ...deltas.map((delta) => event({ type: "content_block_delta", index, delta })),
  event({ type: "content_block_stop", index })
]

const blockOf = (part: Saying, index: number): ReadonlyArray<Uint8Array> => {
  switch (part.type) {
    case "text":
      return block(index, { type: "text", text: "" }, part.deltas.map((text) => ({ type: "text_delta", text })))
    case "thinking":
      return block(index, { type: "thinking", thinking: "", signature: "" }, [
        ...part.deltas.map((thinking) => ({ type: "thinking_delta", thinking })),
        ...(part.signature === undefined ? [] : [{ type: "signature_delta", signature: part.signature }])
      ])
    case "call":
      return block(index, { type: "tool_use", id: part.id, name: part.name, input: {} }, [
        { type: "input_json_delta", partial_json: "" },
        ...part.pieces.map((partial_json) => ({ type: "input_json_delta", partial_json }))
      ])
    case "file":
      return []
  }
}

const stops: Readonly<Record<Stop, string>> = {
  stop: "end_turn",
  tool_calls: "tool_use",
  length: "max_tokens",
  content_filter: "refusal"
}

/** `input_tokens` are without the cached ones. */
const say = ({ parts, spent, stop, word = stops[stop] }: Say) => {
  const begun = [
    event({
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        content: [],
        model: "fake",
        stop_reason: null,
        stop_sequence: null,
        usage: {
          input_tokens: spent.input - spent.cached,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: spent.cached,
          output_tokens: 1
        }
      }
    }),
    event({ type: "ping" }),
    ...parts.flatMap(blockOf)
  ]
  return {
    content_type: `${eventStream}; charset=utf-8`,
    chunks: [
      ...begun,
      event({
        type: "message_delta",
        delta: { stop_reason: word, stop_sequence: null },
        usage: { output_tokens: spent.output }
      }),
      event({ type: "message_stop" })
    ],
    whole: begun.length + 1
  }
}

const contents = (content: Json): ReadonlyArray<AskedPart> =>
  (typeof content === "string" ? [{ type: "text", text: content }] : listed(content)).flatMap(
    (part): ReadonlyArray<AskedPart> => {
      switch (part.type) {
        case "text":
          return [{ type: "text", text: part.text }]
        case "image":
        case "document":
          return [{ type: "file", media_type: part.source.media_type, data: part.source.data }]
        case "thinking":
          return [{ type: "thinking", text: part.thinking, signature: part.signature }]
        case "tool_use":
          return [{ type: "call", id: part.id, name: part.name, args: part.input }]
        case "tool_result":
          return [{
            type: "result",
            id: part.tool_use_id,
            text: contents(part.content).map((one) => "text" in one ? one.text : "").join("")
          }]
        default:
          return []
      }
    }
  )

/** Results are parts of a user's message. */
const messagesOf = ({ content, role }: Json): ReadonlyArray<AskedMessage> =>
  contents(content).map((part) => ({ role: part.type === "result" ? "tool" : role, parts: [part] }))

const choices: Readonly<Record<string, AskedChoice>> = { auto: "auto", any: "required", none: "none" }

const choiceOf = (choice: Json): AskedChoice | undefined =>
  choice === undefined ? undefined : choice.type === "tool" ? { name: choice.name } : choices[choice.type]

const read = ({ body }: Received): Asked => ({
  model: body.model,
  system: contents(body.system).map((part) => "text" in part ? part.text : "").join("\n"),
  messages: merged(body.messages.flatMap(messagesOf)),
  tools: listed(body.tools).map(({ description, input_schema, name }) => ({
    name,
    description,
    parameters: input_schema
  })),
  tool_choice: choiceOf(body.tool_choice),
  output: (body.output_config?.format ?? body.output_format)?.schema,
  temperature: body.temperature,
  top_p: body.top_p,
  max_tokens: body.max_tokens,
  stop: body.stop_sequences,
  seed: undefined
})

const blocks = (content: Json): ReadonlyArray<Json> =>
  typeof content === "string" ? [{ type: "text", text: content }] : listed(content)

const called: Called = {
  calls: ({ messages }) =>
    messages.flatMap(({ content }: Json) => blocks(content).filter(({ type }) => type === "tool_use")),
  results: ({ messages }) =>
    messages.flatMap(({ content }: Json) =>
      blocks(content).flatMap(({ tool_use_id, type }) => type === "tool_result" ? [tool_use_id] : [])
    ),
  tools: ({ tools }) =>
    listed(tools).map(({ description, input_schema, name }) => ({ name, description, schema: input_schema }))
}

/** https://docs.anthropic.com/en/api/messages: results follow their calls at once, before anything else is said. */
const results: Rule = ({ messages }) =>
  messages.flatMap(({ content }: Json, n: number) => {
    const ids = blocks(content).flatMap(({ id, type }) => type === "tool_use" ? [id] : [])
    const next = new Set(
      blocks(messages[n + 1]?.content).slice(0, ids.length).map(({ tool_use_id }) => tool_use_id)
    )
    return ids.every((id) => next.has(id))
      ? []
      : ["tool_use ids were found without tool_result blocks immediately after"]
  })

const marks: Rule = (body) =>
  JSON.stringify(body).split("\"cache_control\"").length - 1 > 4 ? ["a maximum of 4 blocks with cache_control"] : []

/** Names of arguments, at any depth. */
const argumentNames: Rule = (body) =>
  called.tools(body).flatMap(({ schema }) =>
    Object.keys(schema?.properties ?? {}).filter((name) => !/^[a-zA-Z0-9_.-]{1,64}$/.test(name)).map((name) =>
      `input_schema.properties: the key '${name}' should match pattern '^[a-zA-Z0-9_.-]{1,64}$'`
    )
  )

export const wire: Wire = {
  say,
  read,
  faults: all(
    wellFormed,
    calls(called, /^[A-Za-z0-9_-]+$/),
    objectSchemas(called),
    results,
    marks,
    argumentNames,
    notBlank(({ system }) => system === undefined ? [] : blocks(system).map(({ text }) => text), "system"),
    conversation(
      ({ messages }) => messages.filter(({ role }: Json) => role !== "system"),
      ({ content }) =>
        blocks(content).flatMap(({ content: inner, text, type }) =>
          type === "text"
            ? [text]
            : type === "tool_result" && inner !== undefined
            ? blocks(inner).flatMap((one) => one.type === "text" ? [one.text] : [])
            : []
        )
    )
  ),
  /** https://docs.anthropic.com/en/api/errors */
  refuse: refuse({
    authentication: [401, "authentication_error", null, "invalid x-api-key"],
    permission: [403, "permission_error", null, "Your API key does not have permission to use the model."],
    no_model: [404, "not_found_error", null, "model: fake"],
    too_long: [400, "invalid_request_error", null, "prompt is too long: 213462 tokens > 200000 maximum"],
    bad_request: [400, "invalid_request_error", null, "max_tokens: 0 is not allowed"],
    rate_limit: [429, "rate_limit_error", null, "This request would exceed your organization's rate limit."],
    quota: [400, "invalid_request_error", null, "Your credit balance is too low to access the Anthropic API."],
    failed: [500, "api_error", null, "Internal server error"],
    overloaded: [529, "overloaded_error", null, "Overloaded"]
  }, ([, type, , sentence], words) => ({
    type: "error",
    error: { type, message: `${sentence} ${words}` },
    request_id: "req_1"
  })),
  breakOff: (message, why) =>
    event({ type: "error", error: { type: why === "failed" ? "overloaded_error" : "rate_limit_error", message } }),
  /** https://docs.anthropic.com/en/api/models-list */
  models: (names) =>
    json({
      data: names.map((id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" })),
      first_id: names[0],
      last_id: names.at(-1),
      has_more: false
    })
}
