/** Failures as the Agent Gateway's clients read them: one envelope on every status, whatever has failed. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Problem, type Respond } from "../../middleware/Problems.ts"

/** The protocol's own words for what has a word of ours. */
const codes: Readonly<Record<string, string>> = {
  unauthenticated: "auth_required",
  scope_missing: "forbidden",
  invalid: "validation_failed",
  internal: "execution_error"
}

/** Credentials that came and are not valid are told apart from none at all. */
const codeOf = ({ code, detail }: Problem): string =>
  code === "unauthenticated" && detail.startsWith("The API key") ? "invalid_credentials" : codes[code] ?? code

const nothingThere = "There is nothing at this path. GET /docs/gateway.json lists what is."

export const respond: Respond = (problem, request_id, headers) =>
  HttpServerResponse.unsafeJson(
    {
      error: {
        code: codeOf(problem),
        message: problem.code === "no_such_path" ? nothingThere : detailOf(problem),
        execution_id: null,
        ...(problem.errors !== undefined && { details: problem.errors }),
        request_id
      }
    },
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
    required: ["error"],
    properties: {
      error: {
        type: "object",
        required: ["code", "message", "execution_id"],
        properties: {
          code: text,
          message: text,
          execution_id: { type: ["string", "null"] },
          details: { type: "array", items: { type: "object", properties: { path: text, message: text } } },
          request_id: text
        }
      }
    }
  }
}
