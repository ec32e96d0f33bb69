/** Failures as errors of JSON-RPC. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Problem, type Respond } from "../../middleware/Problems.ts"

/** Numbers of the protocol, by the status that the failure has inside; what is not named here is a failure of the server. */
const codes: Readonly<Record<number, number>> = {
  400: -32_600,
  401: -32_000,
  403: -32_000,
  404: -32_602,
  405: -32_000,
  409: -32_602,
  410: -32_602,
  413: -32_600,
  415: -32_600,
  422: -32_602,
  429: -32_000,
  503: -32_000
}

const internal = -32_603

/** Codes of ours that have a number of their own. */
const own: Readonly<Record<string, number>> = {
  malformed_json: -32_700,
  mcp_session_not_found: -32_001
}

type RpcId = string | number | null

export const numberOf = ({ code, status }: Pick<Problem, "code" | "status">): number =>
  own[code] ?? codes[status] ?? internal

/** What programs find in an error beside its number and its sentence. */
export const dataOf = ({ code, errors, retry_after }: Problem) => ({
  code,
  ...(errors !== undefined && { errors }),
  ...(retry_after !== undefined && { retry_after })
})

const rpcError = (id: RpcId, problem: Problem) => ({
  jsonrpc: "2.0" as const,
  id,
  error: { code: numberOf(problem), message: detailOf(problem), data: dataOf(problem) }
})

export const respond: Respond = (problem, _, headers) => {
  const { retry_after, status } = problem
  return HttpServerResponse.unsafeJson(rpcError(null, problem), {
    status: status === 422 ? 400 : status,
    headers: {
      ...headers,
      ...(retry_after !== undefined && { "retry-after": String(retry_after) }),
      ...(status === 401 && { "www-authenticate": "Bearer" })
    }
  })
}

export const errors = {
  statusOf: (status: number): number => status === 422 ? 400 : status,
  schema: {
    type: "object",
    required: ["jsonrpc", "error"],
    properties: {
      jsonrpc: { const: "2.0" },
      id: { type: ["string", "number", "null"] },
      error: {
        type: "object",
        required: ["code", "message"],
        properties: { code: { type: "integer" }, message: { type: "string" }, data: { type: "object" } }
      }
    }
  }
}
