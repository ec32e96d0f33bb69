/** The dialects of Chat Completions, each from its provider's own documentation. */
import * as OpenAiChat from "./OpenAiChat.ts"
import type { Told } from "./Refusals.ts"
import type { Spent } from "./Say.ts"
import { type Json, json, sse } from "./Wire.ts"

const reasoning_content = (delta: string) => ({ content: null, reasoning_content: delta })

/**
 * Which messages must have thoughts: https://api-docs.deepseek.com/guides/thinking_mode,
 * https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
 */
const wantsThoughts = ({ model, thinking, tools }: Json): "all" | "calls" | "none" => {
  const name = String(model).toLowerCase()
  if (name.includes("kimi-k3")) return "all"
  if (thinking?.type === "disabled") return "none"
  if (/kimi-k2(-thinking|\.[5-9])/.test(name)) return "calls"
  return /deepseek.*(v4|flash|pro|reasoner)/.test(name) && tools !== undefined ? "all" : "none"
}

/** https://platform.openai.com/docs/api-reference/chat: it keeps its thoughts to itself. */
export const openai = OpenAiChat.wire({ embeddings: OpenAiChat.embeddings })

/** A server of nobody's in particular, such as vLLM: https://docs.vllm.ai/en/latest/features/reasoning_outputs/ */
export const compatible = OpenAiChat.wire({
  rules: { fields: ["reasoning_content", "reasoning"], thoughts: wantsThoughts },
  thinking: (delta) => ({ reasoning_content: delta }),
  embeddings: OpenAiChat.embeddings
})

/** https://learn.microsoft.com/azure/ai-services/openai/reference: the prompt's filter speaks before the model. */
export const azure = OpenAiChat.wire({
  preamble: [
    sse({
      id: "",
      object: "",
      created: 0,
      model: "",
      choices: [],
      prompt_filter_results: [{
        prompt_index: 0,
        content_filter_results: { hate: { filtered: false, severity: "safe" } }
      }]
    })
  ],
  refusals: {
    authentication: [401, "", "401", "Access denied due to invalid subscription key or wrong API endpoint."],
    no_model: [404, "", "DeploymentNotFound", "The API deployment for this resource does not exist."],
    rate_limit: [429, "", "429", "Requests have exceeded call rate limit of your current OpenAI S0 pricing tier."]
  },
  embeddings: OpenAiChat.embeddings
})

/** https://www.alibabacloud.com/help/en/model-studio/error-code */
export const dashscope = OpenAiChat.wire({
  rules: { fields: ["reasoning_content"], thoughts: wantsThoughts },
  thinking: reasoning_content,
  refusals: {
    permission: [403, "access_denied", "access_denied", "Access denied."],
    too_long: [
      400,
      "invalid_request_error",
      "invalid_parameter_error",
      "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"
    ],
    rate_limit: [429, "limit_requests", "limit_requests", "You exceeded your current request limit."],
    quota: [429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."]
  },
  embeddings: OpenAiChat.embeddings
})

/** A server that has its thoughts in another field, and knows no other: https://docs.vllm.ai/en/latest/features/reasoning_outputs/ */
export const vllm = OpenAiChat.wire({
  rules: { fields: ["reasoning"] },
  thinking: (reasoning) => ({ reasoning })
})

/** https://api-docs.deepseek.com/quick_start/error_codes */
export const deepseek = OpenAiChat.wire({
  rules: { fields: ["reasoning_content"], thoughts: wantsThoughts },
  thinking: reasoning_content,
  usageIn: OpenAiChat.withFinish,
  usage: (spent: Spent) => {
    const { prompt_tokens_details, ...rest } = OpenAiChat.usage(spent)
    return {
      ...rest,
      prompt_tokens_details,
      prompt_cache_hit_tokens: spent.cached,
      prompt_cache_miss_tokens: spent.input - spent.cached
    }
  },
  refusals: {
    authentication: [401, "authentication_error", "invalid_request_error", "Authentication Fails (no such user)."],
    no_model: [400, "invalid_request_error", "invalid_request_error", "Model Not Exist"],
    too_long: [
      400,
      "invalid_request_error",
      "invalid_request_error",
      "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens."
    ],
    bad_request: [422, "invalid_request_error", "invalid_request_error", "Failed to deserialize the JSON body."],
    quota: [402, "unknown_error", "invalid_request_error", "Insufficient Balance"]
  }
})

/** https://platform.moonshot.ai/docs/api/chat: the last choice has the usage, and the cached tokens stand beside the others. */
export const moonshot = OpenAiChat.wire({
  rules: { fields: ["reasoning_content"], thoughts: wantsThoughts },
  thinking: reasoning_content,
  usageIn: OpenAiChat.inChoice,
  usage: ({ cached, input, output, reasoning }) => ({
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    cached_tokens: cached,
    completion_tokens_details: { reasoning_tokens: reasoning }
  }),
  shape: ([, type, , sentence]: Told, words) => ({ error: { type, message: `${sentence} ${words}` } }),
  refusals: {
    authentication: [401, "invalid_authentication_error", null, "Invalid Authentication"],
    permission: [403, "permission_denied_error", null, "The API you are accessing is not open"],
    no_model: [404, "resource_not_found_error", null, "Not found the model or Permission denied"],
    too_long: [400, "invalid_request_error", null, "Invalid request: Your request exceeded model token limit: 8192"],
    rate_limit: [429, "rate_limit_reached_error", null, "Your account reached max request."],
    quota: [
      429,
      "exceeded_current_quota_error",
      null,
      "Your account is suspended, please check your plan and billing."
    ],
    overloaded: [429, "engine_overloaded_error", null, "The engine is currently overloaded, please try again later."]
  }
})

/** https://docs.x.ai/docs/guides/function-calling: a call comes whole, thoughts are counted beside the
 * answer, and a wrong key is a wrong argument. */
export const xai = OpenAiChat.wire({
  thinking: (delta) => ({ reasoning_content: delta }),
  usage: ({ output, reasoning, ...spent }) => OpenAiChat.usage({ ...spent, output: output - reasoning, reasoning }),
  pieces: false,
  indexed: true,
  shape: ([, type, , sentence]: Told, words) => ({ code: type, error: `${sentence} ${words}` }),
  refusals: {
    authentication: [400, "Client specified an invalid argument", null, "Incorrect API key provided: xa***ey."],
    permission: [403, "The caller does not have permission to execute the specified operation", null, "No."],
    no_model: [
      404,
      "Some requested entity was not found",
      null,
      "The model does not exist or your team has no access."
    ],
    too_long: [
      400,
      "Client specified an invalid argument",
      null,
      "This model's maximum prompt length is 131072 but the request contains 140000 tokens."
    ],
    bad_request: [400, "Client specified an invalid argument", null, "Argument not supported on this model: stop."],
    rate_limit: [429, "Some resource has been exhausted", null, "Too many requests for team."],
    quota: [
      403,
      "The caller does not have permission to execute the specified operation",
      null,
      "Your team has either used all available credits or reached its monthly spending limit."
    ]
  }
})

/** https://github.com/ollama/ollama/blob/main/docs/openai.md */
export const ollama = OpenAiChat.wire({
  rules: { fields: ["reasoning"] },
  thinking: (delta) => ({ content: "", reasoning: delta }),
  pieces: false,
  shape: ([, type, , sentence]: Told, words) => ({
    error: { message: `${sentence} ${words}`, type, param: null, code: null }
  }),
  refusals: {
    authentication: [401, "api_error", null, "unauthorized"],
    permission: [403, "api_error", null, "this model requires a subscription"],
    no_model: [404, "api_error", null, "model \"fake\" not found, try pulling it first"],
    too_long: [400, "invalid_request_error", null, "the input length exceeds the context length"],
    rate_limit: [429, "api_error", null, "too many concurrent requests"],
    overloaded: [503, "api_error", null, "server busy, please try again. maximum pending requests exceeded"]
  },
  models: (names) => json({ models: names.map((name) => ({ name, model: name, size: 1, digest: "0", details: {} })) }),
  embeddings: OpenAiChat.embeddings
})

/** https://docs.mistral.ai/api: calls come whole, thoughts are parts of the content, and errors lie flat. */
export const mistral = OpenAiChat.wire({
  rules: { callId: /^[A-Za-z0-9]{9}$/, userAfterTool: false },
  thinking: (delta) => ({ content: [{ type: "thinking", thinking: [{ type: "text", text: delta }] }] }),
  pieces: false,
  usageIn: OpenAiChat.withFinish,
  shape: ([status, type, code, sentence]: Told, words) =>
    status === 401
      ? { message: "Unauthorized", request_id: "1" }
      : { object: "error", message: `${sentence} ${words}`, type, param: null, code },
  refusals: {
    permission: [403, "forbidden", "1700", "Your plan does not include this model."],
    no_model: [400, "invalid_model", "1500", "Invalid model: fake"],
    too_long: [
      400,
      "invalid_request_prompt",
      "3051",
      "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"
    ],
    rate_limit: [429, "rate_limited", "1300", "Rate limit exceeded"],
    quota: [402, "payment_required", "1701", "Payment required"],
    failed: [500, "internal_server_error", "1000", "Service unavailable."],
    overloaded: [503, "service_unavailable", "3505", "Service tier capacity exceeded for this model."]
  },
  embeddings: OpenAiChat.embeddings
})

/** https://console.groq.com/docs/errors */
export const groq = OpenAiChat.wire({
  rules: { fields: ["reasoning"] },
  thinking: (delta) => ({ reasoning: delta }),
  usageIn: (last, usage) => [{ ...last, x_groq: { id: "req_1", usage } }],
  refusals: {
    permission: [
      403,
      "permissions_error",
      "model_permission_blocked_org",
      "The model is blocked for this organization."
    ],
    too_long: [400, "invalid_request_error", "context_length_exceeded", "Please reduce the length of the messages."],
    rate_limit: [429, "tokens", "rate_limit_exceeded", "Rate limit reached for model `fake`."],
    quota: [400, "invalid_request_error", "blocked_api_access", "API access is blocked: spend limit reached."]
  },
  breakOff: (message, why) =>
    sse({
      error: why === "failed"
        ? { message, type: "internal_server_error", code: "over_capacity", status_code: 498 }
        : { message: `Rate limit reached. ${message}`, type: "tokens", code: "rate_limit_exceeded", status_code: 429 }
    }, "error")
})

/** https://openrouter.ai/docs/api/reference/streaming, …/errors */
export const openrouter = OpenAiChat.wire({
  rules: { fields: ["reasoning", "reasoning_details"] },
  preamble: [Buffer.from(": OPENROUTER PROCESSING\n\n")],
  thinking: (delta) => ({
    content: "",
    reasoning: delta,
    reasoning_details: [{ type: "reasoning.text", text: delta, format: "anthropic-claude-v1", index: 0 }]
  }),
  signature: (signature) => ({
    content: "",
    reasoning_details: [{ type: "reasoning.text", signature, format: "anthropic-claude-v1", index: 0 }]
  }),
  image: (media_type, data) => ({
    content: "",
    images: [{ type: "image_url", image_url: { url: `data:${media_type};base64,${data}` }, index: 0 }]
  }),
  shape: ([status, , , sentence]: Told, words) => ({ error: { code: status, message: `${sentence} ${words}` } }),
  refusals: {
    authentication: [401, "", null, "No auth credentials found"],
    permission: [403, "", null, "Your chosen model requires moderation and your input was flagged"],
    no_model: [404, "", null, "No endpoints found for fake."],
    too_long: [
      400,
      "",
      null,
      "This endpoint's maximum context length is 128000 tokens. However, you requested 140000."
    ],
    quota: [402, "", null, "Insufficient credits. Add more and retry the request."],
    overloaded: [503, "", null, "There is no available model provider that meets your routing requirements"]
  },
  breakOff: (message, why) =>
    sse({
      id: "gen-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "fake",
      provider: "fake",
      error: { code: why === "failed" ? "server_error" : 429, message },
      choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }]
    }),
  models: (names) => json({ data: names.map((id) => ({ id, name: id, context_length: 128_000 })) }),
  embeddings: OpenAiChat.embeddings
})
