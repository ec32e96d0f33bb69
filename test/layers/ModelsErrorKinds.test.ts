/** What providers' errors are, by their words, and addresses that people write. */
import { assert, describe, it } from "@effect/vitest"
import { failureOf } from "../../src/layers/Models/aisdk/Failure.ts"
import { provider } from "../../src/layers/Models/providers/OpenAiCompatible.ts"
import type { ModelErrorType } from "../../src/services/Models.ts"

const refusal = (statusCode: number, error: object) => ({
  name: "AI_APICallError",
  statusCode,
  responseBody: JSON.stringify({ error }),
  responseHeaders: { "content-type": "application/json" }
})

const told = (error: unknown) => {
  const { retryable, type } = failureOf(error, false, 0)
  return [type, retryable]
}

const written = (code: string) => ({
  message: "Failed to call a function. See 'failed_generation' for more details.",
  type: "invalid_request_error",
  code,
  failed_generation: "<function=look>{\"about\": \"context length, rate limit, content policy\"}"
})

describe("An error of a provider", () => {
  for (const code of ["tool_use_failed", "output_parse_failed", "json_validate_failed"]) {
    it(`${code} may be tried again, whatever the model wrote`, () => {
      assert.deepStrictEqual(told(refusal(400, written(code))), ["upstream", true])
      assert.deepStrictEqual(told({ error: written(code) }), ["upstream", true])
      assert.deepStrictEqual(
        told({ ...refusal(400, written(code)), responseHeaders: { "content-type": "text/event-stream" } }),
        ["upstream", true]
      )
    })
  }

  const within: ReadonlyArray<readonly [string, ModelErrorType]> = [
    ["Token limit reached", "upstream"],
    ["The output token limit was reached", "upstream"],
    ["Too many tokens, please wait before trying again.", "rate_limit"],
    ["Too many tokens per day, please wait before trying again.", "rate_limit"],
    ["Invalid request: Your request exceeded model token limit: 8192", "context_length"],
    ["The request exceeds the model's token limit", "context_length"],
    ["input token limit exceeded", "context_length"],
    ["too many tokens in the prompt", "context_length"]
  ]
  for (const [message, type] of within) {
    it(`that says "${message}" is ${type}`, () => {
      assert.strictEqual(told({ error: { message } })[0], type)
    })
  }
})

describe("An address", () => {
  const problems = (base_url: string) => provider.fieldProblems({ base_url }).map(({ path }) => path)

  it("with blanks in it is refused, because it would reach another", () => {
    for (
      const address of ["https://api.example.com /v1", "https://api.example.com/v 1", "https://api.example.com/\tv1"]
    ) {
      assert.deepStrictEqual(problems(address), ["base_url"], address)
    }
    assert.deepStrictEqual(problems("https://api.example.com//v1//chat/completions/"), [])
  })
})
