/**
 * Failures as this protocol's clients read them: the one error that its schema has, `{loc, msg, type}`, and beside it
 * the one of OpenAI's, because a part of its paths are those.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Problem, Respond } from "../../middleware/Problems.ts"
import { errorOf, statusOf } from "../openai/Errors.ts"

const locOf = ({ errors }: Problem): ReadonlyArray<string | number> => {
  const path = errors?.[0]?.path
  return path === undefined
    ? []
    : [
      "body",
      ...path.split(".").filter((part) => part !== "").map((part) => /^\d{1,9}$/.test(part) ? Number(part) : part)
    ]
}

export const bodyOf = (problem: Problem) => {
  const error = errorOf(problem)
  return { loc: locOf(problem), msg: error.message, type: error.type, code: error.code, error }
}

const nothingThere =
  "There is nothing at this path; teams, knowledge and accounts are not served. GET /docs/open_agent lists what is."

export const respond: Respond = (problem, _, headers) => {
  const { code, retry_after, status } = problem
  const body = bodyOf(problem)
  const told = code === "no_such_path"
    ? { ...body, msg: nothingThere, error: { ...body.error, message: nothingThere } }
    : body
  return HttpServerResponse.unsafeJson(told, {
    status: statusOf(status),
    headers: {
      ...headers,
      ...(retry_after !== undefined && { "retry-after": String(retry_after) }),
      ...(status === 401 && { "www-authenticate": "Bearer" })
    }
  })
}

const text = { type: "string" }
const textOrNull = { type: ["string", "null"] }

export const schema = {
  type: "object",
  required: ["loc", "msg", "type", "code", "error"],
  properties: {
    loc: { type: "array", items: { type: ["string", "integer"] } },
    msg: text,
    type: text,
    code: textOrNull,
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: { message: text, type: text, param: textOrNull, code: textOrNull }
    }
  }
}
