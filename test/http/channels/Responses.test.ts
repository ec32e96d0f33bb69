/** OpenAI's own client asks for responses, comes back for them, and goes on from them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { asked, refused, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

layer(TestHost.layer(), { excludeTestServices: true })("The Responses API", (it) => {
  for (const model of ["agent/Ada", "Demo/demo-script"]) {
    it.effect(`gives an answer of ${model}, whole and as a stream`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const whole = yield* asked(() => client.responses.create({ model, input: "say Good morning" }))
        assert.strictEqual(whole.output_text, "Good morning")
        assert.strictEqual(whole.status, "completed")
        const stream = yield* asked(() =>
          client.responses.stream({ model, input: "think Hm, well\nsay one two three" }).finalResponse()
        )
        assert.strictEqual(stream.output_text, "one two three")
      }))
  }
})
void refused
