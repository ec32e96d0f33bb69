/** Failures as OpenAI's clients read them: `{error: {message, type, param, code}}`, with the status that decides the class of the error. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Problem, type Respond } from "../../middleware/Problems.ts"

/** What is wrong with a request is a 400 there, whether it is its form or its meaning. */
export const statusOf = (status: number): number => status === 422 ? 400 : status

const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  429: "rate_limit_error",
  500: "server_error",
  502: "server_error",
  503: "server_error"
}

/** Words of ours for which the protocol has its own. */
const codes: Readonly<Record<string, string>> = {
  unauthenticated: "invalid_api_key",
  rate_limit: "rate_limit_exceeded",
  limit_reached: "rate_limit_exceeded",
  context_length: "context_length_exceeded",
  content_policy: "content_filter"
}

/** Our own names for the places of a model and of its parameters are not the client's. */
const paramOf = ({ errors }: Problem): string | null => {
  const path = errors?.[0]?.path
  return path === undefined || path === ""
    ? null
    : path.replace(/^(?:.*\.)?parameters\./, "").replace(/^model\.model$/, "model")
}

export const errorOf = (problem: Problem) => ({
  message: detailOf(problem),
  type: types[problem.status] ?? "invalid_request_error",
  param: paramOf(problem),
  code: codes[problem.code] ?? problem.code
})

export const respond: Respond = (problem, _, headers) =>
  HttpServerResponse.unsafeJson({ error: errorOf(problem) }, {
    status: statusOf(problem.status),
    headers: {
      ...headers,
      ...(problem.retry_after !== undefined && { "retry-after": String(problem.retry_after) }),
      ...(problem.status === 401 && { "www-authenticate": "Bearer" })
    }
  })

/** The same in the middle of a stream. */
export const frameOf = (problem: Problem): string => `data: ${JSON.stringify({ error: errorOf(problem) })}\n\n`

const text = { type: "string" }
const textOrNull = { type: ["string", "null"] }

export const schema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: { message: text, type: text, param: textOrNull, code: textOrNull }
    }
  }
}
