/** Failures as AgentApp's clients read them: `{error}` with a sentence, and beside it a code and the id of the request. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Problem, type Respond } from "../../middleware/Problems.ts"

export const respond: Respond = (problem, request_id, headers) =>
  HttpServerResponse.unsafeJson(
    { error: detailOf(problem), code: problem.code, errors: problem.errors, request_id },
    {
      status: problem.status,
      headers: {
        ...headers,
        ...(problem.retry_after !== undefined && { "retry-after": String(problem.retry_after) }),
        ...(problem.status === 401 && { "www-authenticate": "Bearer" })
      }
    }
  )

export const errors = {
  statusOf: (status: number): number => status,
  schema: {
    type: "object",
    required: ["error", "code"],
    properties: {
      error: { type: "string" },
      code: { type: "string" },
      request_id: { type: "string" },
      errors: {
        type: "array",
        items: { type: "object", properties: { path: { type: "string" }, message: { type: "string" } } }
      }
    }
  }
}

/** The protocol's own words for what a run ends with. */
const codes: Readonly<Record<string, string>> = {
  rate_limit: "RATE_LIMIT_EXCEEDED",
  limit_reached: "RATE_LIMIT_EXCEEDED",
  authentication: "MODEL_UNAUTHORIZED_ACCESS",
  permission: "MODEL_UNAUTHORIZED_ACCESS",
  context_length: "MODEL_CONTEXT_LENGTH_EXCEEDED",
  invalid_request: "INVALID_PARAMETER",
  not_found: "MODEL_NOT_FOUND",
  connection: "NETWORK_ERROR",
  run_timeout: "TIMEOUT",
  agent_failed: "AGENT_ERROR",
  agent_gone: "AGENT_ERROR",
  approval_required: "PERMISSION_DENIED",
  cancelled: "CANCELED"
}

const ofStatus: Readonly<Record<number, string>> = {
  422: "INVALID_PARAMETER",
  429: "RATE_LIMIT_EXCEEDED",
  502: "MODEL_EXECUTION_FAILED",
  503: "EXTERNAL_SERVICE_ERROR"
}

export const errorOf = (problem: Problem): { readonly code: string; readonly message: string } => ({
  code: codes[problem.code] ?? ofStatus[problem.status] ?? "AGENT_UNKNOWN_ERROR",
  message: detailOf(problem)
})
