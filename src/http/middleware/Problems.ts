/** Every failure as an RFC 9457 problem document: what went wrong in a sentence, a code, and never a value that somebody sent. */
import type * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { CredentialInUse } from "../../domain/Credential.ts"
import {
  Conflict,
  type FieldProblem,
  Forbidden,
  Gone,
  Internal,
  Invalid,
  LimitReached,
  Malformed,
  MethodNotAllowed,
  NotFound,
  ProviderFailed,
  TooLarge,
  Unauthenticated,
  Unavailable,
  UnsupportedContent
} from "../../domain/Errors.ts"
import { HubFailed } from "../../domain/Hub.ts"
import { McpServerFailed } from "../../domain/McpServer.ts"
import { NoProcesses, PathRefused, WorkspaceFull } from "../../domain/Workspace.ts"

const kinds = [
  Conflict,
  CredentialInUse,
  Forbidden,
  Gone,
  HubFailed,
  Internal,
  Invalid,
  LimitReached,
  Malformed,
  McpServerFailed,
  MethodNotAllowed,
  NotFound,
  ProviderFailed,
  TooLarge,
  Unauthenticated,
  NoProcesses,
  PathRefused,
  Unavailable,
  UnsupportedContent,
  WorkspaceFull
]

export type Problem = InstanceType<(typeof kinds)[number]>

export const isProblem = (u: unknown): u is Problem => kinds.some((kind) => u instanceof kind)

export const internal = new Internal({
  detail: "Something broke on our side. The request id finds it in the server's log."
})

/** Most field problems that an answer lists, and characters of a path. */
const maxErrors = 20
const maxPath = 200

/** Fields that `detail` tells of. */
const maxReasons = 3

/** What decoders write in types of the language, and the word for it that JSON has. */
const words: ReadonlyArray<readonly [type: RegExp, word: string]> = [
  [/^Expected (?:Struct\b|\{ )/, "Expected an object"],
  [/^Expected (?:(?:NonEmpty)?(?:Readonly)?Array\b|readonly )/, "Expected an array"]
]

const inWords = (expected: string): string =>
  words.find(([type]) => type.test(expected))?.[1] ?? expected.replace(/ \((?:Encoded|Type) side\)$/, "")

/** The reason in a decoder's message, without the rejected value that it ends with. */
const reasonOf = (message: string): string => {
  if (message === "is missing") return "is missing"
  const expected = /^Expected [\s\S]*?(?=, actual |$)/.exec(message)?.[0]
  if (expected !== undefined) return inWords(expected)
  const decoded = /^Unable to decode [\s\S]* into (an? [\w ]+)$/.exec(message)?.[1]
  return decoded === undefined ? "is not valid" : `Expected ${decoded}`
}

/** The other half of an optional field: it could have been left out. */
const leftOut = /^Expected (undefined|null)$/

const tell = ({ message, path }: typeof FieldProblem.Type) => path === "" ? message : `${path}: ${message}`

/** The sentence, which names the fields that are wrong: many clients show nothing else. */
export const detailOf = (problem: Problem): string => {
  const { detail } = problem
  const told = (problem instanceof Invalid ? problem.errors ?? [] : []).filter(({ path }) => path !== "")
  // Refusals of decoding name their fields already, and others may do so in words of their own.
  if (told.length === 0 || told.some(({ path }) => detail.includes(path.slice(path.lastIndexOf(".") + 1)))) {
    return detail
  }
  const lines = told.slice(0, maxReasons).map(tell)
  return `${detail} ${lines.join("; ")}${told.length > maxReasons ? " …" : ""}`
}

export const fromDecodeError = ({ issues }: HttpApiError.HttpApiDecodeError): Invalid => {
  const reasons = new Map<string, typeof FieldProblem.Type>()
  for (const { message, path } of issues) {
    const problem = { path: path.join(".").slice(0, maxPath), message: reasonOf(message) }
    if (!leftOut.test(problem.message) && reasons.size < maxErrors) reasons.set(tell(problem), problem)
  }
  const lines = [...reasons.keys()]
  return new Invalid({
    detail: `The request is not valid. ${lines.slice(0, maxReasons).join("; ")}${
      lines.length > maxReasons ? " …" : ""
    }`,
    errors: [...reasons.values()]
  })
}

/** The error of a response that did not fit its own schema looks like a bad request; it is a defect of ours. */
export const isOurs = ({ message }: HttpApiError.HttpApiDecodeError): boolean =>
  message.startsWith("(<declaration schema>")

/** How a failure is written: each channel has a form of its own. */
export type Respond = (
  problem: Problem,
  request_id: string,
  headers?: Readonly<Record<string, string>>
) => HttpServerResponse.HttpServerResponse

export const respond: Respond = (problem, request_id, headers) => {
  const { code, errors, retry_after, status, title, type } = problem
  return HttpServerResponse.unsafeJson(
    {
      type,
      title,
      status,
      detail: detailOf(problem),
      code,
      errors,
      ..."used_by" in problem && { used_by: problem.used_by },
      retry_after,
      request_id
    },
    {
      status,
      contentType: "application/problem+json",
      headers: {
        ...headers,
        ...(retry_after !== undefined && { "retry-after": String(retry_after) }),
        ...(status === 401 && { "www-authenticate": "Bearer" })
      }
    }
  )
}
