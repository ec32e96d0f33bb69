/** Failures as LangGraph's clients read them: `{detail}`, and beside it what programs want. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Respond } from "../../middleware/Problems.ts"

export const respond: Respond = (problem, request_id, headers) =>
  HttpServerResponse.unsafeJson(
    { detail: detailOf(problem), code: problem.code, errors: problem.errors, request_id },
    {
      status: problem.status,
      headers: {
        ...headers,
        ...(problem.retry_after !== undefined && { "retry-after": String(problem.retry_after) }),
        ...(problem.status === 401 && { "www-authenticate": "Bearer" })
      }
    }
  )

const text = { type: "string" }

export const errors = {
  statusOf: (status: number): number => status,
  schema: {
    type: "object",
    required: ["detail", "code"],
    properties: {
      detail: text,
      code: text,
      request_id: text,
      errors: { type: "array", items: { type: "object", properties: { path: text, message: text } } }
    }
  }
}
