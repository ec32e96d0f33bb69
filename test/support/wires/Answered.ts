/** Subjects whose answers end in every way that a wire knows, and frames that only one wire has. */
import * as Anthropic from "./Anthropic.ts"
import { frame } from "./AwsEventStream.ts"
import * as Bedrock from "./Bedrock.ts"
import * as flavours from "./flavours.ts"
import * as Gemini from "./Gemini.ts"
import * as OpenAiResponses from "./OpenAiResponses.ts"
import { bearer, inHeader, type Subject } from "./Subject.ts"
import { eventStream, sse, type Streamed } from "./Wire.ts"

const at = (path: string): Subject["credential"] => (origin, secret) => ({
  base_url: `${origin}${path}`,
  api_key: secret
})

const chat = { authenticated: bearer, structured: "natively", lacks: {} } as const

const subject = (
  name: string,
  type: string,
  wire: Subject["wire"],
  path: string,
  model: string,
  more: Partial<Subject> = {}
): Subject => ({ ...chat, name, type, wire, credential: at(path), model, ...more })

export const subjects = {
  openai: subject("OpenAI, Chat Completions", "openai_credential", flavours.openai, "/v1", "gpt-4.1", {
    credential: (origin, secret) => ({ ...at("/v1")(origin, secret), api: "chat" })
  }),
  responses: subject("OpenAI, Responses", "openai_credential", OpenAiResponses.wire, "/v1", "gpt-5"),
  azure: subject("Azure, Chat Completions", "azure_openai_credential", flavours.azure, "/openai", "gpt-4.1", {
    authenticated: inHeader("api-key"),
    credential: (origin, secret) => ({ ...at("/openai")(origin, secret), api_version: "2024-10-21" })
  }),
  azureResponses: subject("Azure, Responses", "azure_openai_credential", OpenAiResponses.wire, "/openai/v1", "gpt-5", {
    authenticated: inHeader("api-key")
  }),
  anthropic: subject("Anthropic", "anthropic_credential", Anthropic.wire, "/v1", "claude-sonnet-4-5", {
    authenticated: inHeader("x-api-key")
  }),
  gemini: subject("Gemini", "gemini_credential", Gemini.wire, "/v1beta", "gemini-2.5-flash", {
    authenticated: inHeader("x-goog-api-key")
  }),
  bedrock: subject(
    "Bedrock",
    "bedrock_credential",
    Bedrock.wire,
    "",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    { credential: (origin, secret) => ({ ...at("")(origin, secret), region: "us-east-1" }) }
  ),
  deepseek: subject("DeepSeek", "deepseek_credential", flavours.deepseek, "", "deepseek-flash"),
  dashscope: subject("DashScope", "dashscope_credential", flavours.dashscope, "/compatible-mode/v1", "qwen3.7-plus"),
  moonshot: subject("Moonshot", "moonshot_credential", flavours.moonshot, "/v1", "kimi-k2-thinking"),
  xai: subject("xAI", "xai_credential", flavours.xai, "/v1", "grok-4"),
  ollama: subject("Ollama", "ollama_credential", flavours.ollama, "", "qwen3", {
    credential: (origin, secret) => ({ host: origin, api_key: secret })
  }),
  mistral: subject("Mistral", "mistral_credential", flavours.mistral, "/v1", "magistral-medium-latest"),
  groq: subject("Groq", "groq_credential", flavours.groq, "/openai/v1", "openai/gpt-oss-120b"),
  groqCompound: subject("Groq, Compound", "groq_credential", flavours.groq, "/openai/v1", "groq/compound"),
  openrouter: subject(
    "OpenRouter",
    "openrouter_credential",
    flavours.openrouter,
    "/api/v1",
    "anthropic/claude-sonnet-4.5"
  ),
  compatible: subject("OpenAI-compatible", "openai_compatible_credential", flavours.compatible, "/v1", "fake")
} as const

/** Server-sent events of these, with the names that some wires want. */
export const events = (...all: ReadonlyArray<object | string>): Streamed => ({
  content_type: eventStream,
  chunks: all.map((one) => sse(one, typeof one === "object" && "type" in one ? String(one.type) : undefined)),
  whole: all.length
})

/** Chunks of Chat Completions with these choices. */
export const chunks = (...choices: ReadonlyArray<object>): Streamed =>
  events(
    ...choices.map((choice) => ({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "fake",
      choices: [{ index: 0, finish_reason: null, ...choice }]
    })),
    "[DONE]"
  )

/** Events of Responses between its beginning and its end. */
export const response = (...all: ReadonlyArray<object>): Streamed => {
  const head = { id: "resp_1", object: "response", created_at: 1_700_000_000, model: "fake", output: [] }
  return events(
    { type: "response.created", response: { ...head, status: "in_progress" } },
    ...all,
    {
      type: "response.completed",
      response: { ...head, status: "completed", usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } }
    }
  )
}

/** Content blocks of Anthropic, each with its deltas, and how the message ends. */
export const message = (
  blocks: ReadonlyArray<readonly [start: object, ...deltas: ReadonlyArray<object>]>,
  delta: object = { stop_reason: "end_turn", stop_sequence: null }
): Streamed =>
  events(
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        content: [],
        model: "fake",
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 1, output_tokens: 1 }
      }
    },
    ...blocks.flatMap(([content_block, ...deltas], index) => [
      { type: "content_block_start", index, content_block },
      ...deltas.map((one) => ({ type: "content_block_delta", index, delta: one })),
      { type: "content_block_stop", index }
    ]),
    { type: "message_delta", delta, usage: { output_tokens: 1 } },
    { type: "message_stop" }
  )

/** Frames of Gemini. */
export const candidates = (...all: ReadonlyArray<object>): Streamed =>
  events(...all.map((one) => ({ modelVersion: "fake", responseId: "1", ...one })))

/** Frames of Bedrock, by their types. */
export const converse = (...all: ReadonlyArray<readonly [type: string, payload: object]>): Streamed => ({
  content_type: "application/vnd.amazon.eventstream",
  chunks: all.map(([type, payload]) =>
    frame({ ":event-type": type, ":content-type": "application/json", ":message-type": "event" }, payload)
  ),
  whole: all.length
})
