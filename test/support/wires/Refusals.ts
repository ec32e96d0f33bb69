/** Error answers: which status, type, code and sentence a provider has for each refusal. */
import { json, type Plain, type Refusal } from "./Wire.ts"

/** `[status, type, code, sentence]`; a provider that has no types or codes leaves them out of its shape. */
export type Told = readonly [status: number, type: string, code: string | null, sentence: string]

export type Refusals = Readonly<Record<Refusal, Told>>

/** https://platform.openai.com/docs/guides/error-codes */
export const openAi: Refusals = {
  authentication: [401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."],
  permission: [403, "invalid_request_error", "unsupported_country_region_territory", "Country not supported."],
  no_model: [404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access."],
  too_long: [
    400,
    "invalid_request_error",
    "context_length_exceeded",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
  ],
  bad_request: [400, "invalid_request_error", "unsupported_value", "Unsupported value: 'temperature'."],
  rate_limit: [429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."],
  quota: [429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."],
  failed: [500, "server_error", null, "The server had an error while processing your request."],
  overloaded: [503, "server_error", null, "That model is currently overloaded with other requests."]
}

/** `{"error": {"message", "type", "param", "code"}}` */
export const openAiShape = (told: Told, words: string): object => ({
  error: { message: `${told[3]} ${words}`, type: told[1], param: null, code: told[2] }
})

export const refuse = (
  refusals: Refusals,
  shape: (told: Told, words: string) => object,
  headers: (told: Told) => Plain["headers"] = () => ({})
) =>
(why: Refusal, words: string): Plain => {
  const told = refusals[why]
  return json(shape(told, words), told[0], headers(told))
}
