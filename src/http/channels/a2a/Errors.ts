/**
 * Failures in this protocol's words. Its own kinds have codes, which both transports write in their ways: JSON-RPC with
 * a number and the kind in `data`, REST as a status with the kind in `details`.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import { detailOf, type Problem, type Respond } from "../../middleware/Problems.ts"

export const mediaType = "application/a2a+json"

interface Kind {
  /** The number in JSON-RPC. */
  readonly rpc: number
  readonly http: number
  /** The word of REST's errors. */
  readonly status: string
  readonly reason: string
}

const kind = (rpc: number, http: number, status: string, reason: string): Kind => ({ rpc, http, status, reason })

/** The protocol's own, by our code. */
const own: Readonly<Record<string, Kind>> = {
  task_not_found: kind(-32001, 404, "NOT_FOUND", "TASK_NOT_FOUND"),
  task_not_cancelable: kind(-32002, 400, "FAILED_PRECONDITION", "TASK_NOT_CANCELABLE"),
  push_not_supported: kind(-32003, 400, "FAILED_PRECONDITION", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
  unsupported_operation: kind(-32004, 400, "FAILED_PRECONDITION", "UNSUPPORTED_OPERATION"),
  content_type_not_supported: kind(-32005, 400, "INVALID_ARGUMENT", "CONTENT_TYPE_NOT_SUPPORTED"),
  unsupported_content_type: kind(-32005, 400, "INVALID_ARGUMENT", "CONTENT_TYPE_NOT_SUPPORTED"),
  extension_support_required: kind(-32008, 400, "FAILED_PRECONDITION", "EXTENSION_SUPPORT_REQUIRED"),
  version_not_supported: kind(-32009, 400, "FAILED_PRECONDITION", "VERSION_NOT_SUPPORTED"),
  method_not_found: kind(-32601, 404, "NOT_FOUND", "METHOD_NOT_FOUND"),
  invalid_request: kind(-32600, 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
  malformed_json: kind(-32700, 400, "INVALID_ARGUMENT", "PARSE_ERROR")
}

const byStatus: Readonly<Record<number, Kind>> = {
  400: kind(-32602, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
  401: kind(-32000, 401, "UNAUTHENTICATED", "UNAUTHENTICATED"),
  403: kind(-32000, 403, "PERMISSION_DENIED", "PERMISSION_DENIED"),
  404: kind(-32602, 404, "NOT_FOUND", "NOT_FOUND"),
  405: kind(-32601, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
  409: kind(-32602, 409, "FAILED_PRECONDITION", "CONFLICT"),
  410: kind(-32602, 410, "NOT_FOUND", "GONE"),
  413: kind(-32600, 413, "INVALID_ARGUMENT", "TOO_LARGE"),
  422: kind(-32602, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
  429: kind(-32000, 429, "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
  502: kind(-32603, 502, "INTERNAL", "UPSTREAM_FAILED"),
  503: kind(-32603, 503, "UNAVAILABLE", "UNAVAILABLE")
}

const internal = kind(-32603, 500, "INTERNAL", "INTERNAL_ERROR")

const kindOf = ({ code, status }: Problem): Kind => own[code] ?? byStatus[status] ?? internal

const domain = "a2a-protocol.org"

const detailsOf = (problem: Problem, { reason }: Kind): ReadonlyArray<object> => {
  const violations = problem.errors ?? []
  return [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain, metadata: { code: problem.code } },
    ...(violations.length === 0 ? [] : [{
      "@type": "type.googleapis.com/google.rpc.BadRequest",
      fieldViolations: violations.map(({ message, path }) => ({ field: path, description: message }))
    }])
  ]
}

export type RpcId = string | number | null

/** The error of a JSON-RPC call, which is answered with the status 200. */
export const rpcError = (id: RpcId, problem: Problem) => {
  const kind = kindOf(problem)
  return {
    jsonrpc: "2.0" as const,
    id,
    error: { code: kind.rpc, message: detailOf(problem), data: detailsOf(problem, kind) }
  }
}

const headersOf = ({ retry_after, status }: Problem, headers: Readonly<Record<string, string>> | undefined) => ({
  ...headers,
  ...(retry_after !== undefined && { "retry-after": String(retry_after) }),
  ...(status === 401 && { "www-authenticate": "Bearer" })
})

export const respondRest: Respond = (problem, _, headers) => {
  const kind = kindOf(problem)
  const { http: code, status } = kind
  return HttpServerResponse.unsafeJson(
    { error: { code, status, message: detailOf(problem), details: detailsOf(problem, kind) } },
    { status: code, contentType: mediaType, headers: headersOf(problem, headers) }
  )
}

/** What keeps a JSON-RPC request from being one is told by the status too. */
export const respondRpc: Respond = (problem, _, headers) => {
  // A body that is no object is no request; what is wrong inside of one is told by its call.
  const told = problem instanceof Invalid && problem.code === "invalid"
    ? new Invalid({ code: "invalid_request", detail: "The body is not a JSON-RPC request: expected one object." })
    : problem
  return HttpServerResponse.unsafeJson(rpcError(null, told), {
    status: kindOf(told).http,
    headers: headersOf(problem, headers)
  })
}

export const statusOf = (status: number): number => byStatus[status]?.http ?? status

export const schema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message"],
      properties: {
        code: { type: "integer" },
        status: { type: "string" },
        message: { type: "string" },
        details: { type: "array", items: { type: "object" } }
      }
    }
  }
}

export const noTask = (id: string): NotFound =>
  new NotFound({ code: "task_not_found", detail: `Task '${id.slice(0, 256)}' not found.` })

export const unsupported = (detail: string): Invalid => new Invalid({ code: "unsupported_operation", detail })

export const noContent = (detail: string, path: string): Invalid =>
  new Invalid({
    code: "content_type_not_supported",
    detail,
    errors: [{ path, message: "Expected a media type that is served" }]
  })

export const wrong = (path: string, message: string): Invalid =>
  new Invalid({ detail: `${path}: ${message}.`, errors: [{ path, message }] })
