/** Failures as this protocol's clients read them: the body of an answer is shown to the user as it is, so it is a sentence. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { detailOf, type Respond } from "../../middleware/Problems.ts"

/** The code of the failure, for programs. */
const codeHeader = "stoa-error-code"

export const respond: Respond = (problem, _, headers) =>
  HttpServerResponse.text(detailOf(problem), {
    status: problem.status,
    contentType: "text/plain; charset=utf-8",
    headers: {
      ...headers,
      [codeHeader]: problem.code,
      ...(problem.retry_after !== undefined && { "retry-after": String(problem.retry_after) }),
      ...(problem.status === 401 && { "www-authenticate": "Bearer" })
    }
  })

export const errors = {
  statusOf: (status: number): number => status,
  mediaType: "text/plain",
  schema: { type: "string", description: "What went wrong, as a sentence for the user." }
}
