/** Failures in the middle of a stream, nested and flat, and as the response tells of them. */
import type { Problem } from "../../middleware/Problems.ts"

export { errorOf } from "../openai/Errors.ts"

const codes: Readonly<Record<number, string>> = { 422: "invalid_prompt", 429: "rate_limit_exceeded" }

/** The words for failed responses are few; the sentence tells more. */
export const failureOf = (problem: Problem) => ({
  code: codes[problem.status] ?? "server_error",
  message: problem.detail
})
