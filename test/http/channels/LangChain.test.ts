/** LangChain's client of OpenAI talks to agents and models: a loop of its own tools, and a stream. */
import { assert, layer } from "@effect/vitest"
import { HumanMessage, type ToolMessage } from "@langchain/core/messages"
import { tool } from "@langchain/core/tools"
import { ChatOpenAI } from "@langchain/openai"
import { Effect } from "effect"
import { z } from "zod"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** What its types say of it is too much for those of a strict compiler. */
const tokensOf = (usage: object | undefined) => ({ total_tokens: 0, output_tokens: 0, ...usage })

const cities: Array<string> = []

const weather = tool(({ city }) => {
  cities.push(city)
  return "9 degrees"
}, { name: "weather", description: "The weather of a city", schema: z.object({ city: z.string() }) })

layer(TestHost.layer(), { excludeTestServices: true })("LangChain", (it) => {
  for (const model of ["agent/Ada", "Demo/demo-script"]) {
    it.effect(`runs its tools for ${model}, and streams`, () =>
      Effect.gen(function*() {
        const { url } = yield* Host
        const { key } = yield* tenant()
        const chat = new ChatOpenAI({ model, apiKey: key, maxRetries: 0, configuration: { baseURL: `${url}/v1` } })
        const question = new HumanMessage("call weather {\"city\":\"Kiel\"}\nthen\nresults")
        const withTools = chat.bindTools([weather])
        const first = yield* asked(() => withTools.invoke([question]))
        assert.deepInclude(first.tool_calls![0], { name: "weather", args: { city: "Kiel" } })
        const result: ToolMessage = yield* asked(() => weather.invoke(first.tool_calls![0]!))
        assert.strictEqual(cities.pop(), "Kiel")
        const second = yield* asked(() => withTools.invoke([question, first, result]))
        assert.include(second.text, "9 degrees")
        assert.isAbove(tokensOf(second.usage_metadata).total_tokens, 0)

        const chunks = yield* asked(async () => {
          const all: Array<string> = []
          let tokens = 0
          for await (const chunk of await chat.stream([new HumanMessage("say one two three")])) {
            all.push(chunk.text)
            tokens += tokensOf(chunk.usage_metadata).output_tokens
          }
          return { text: all.join(""), tokens }
        })
        assert.deepStrictEqual(chunks, { text: "one two three", tokens: 3 })

        const parsed = yield* asked(() =>
          chat.withStructuredOutput(z.object({ city: z.string() }), { method: "jsonSchema" })
            .invoke([new HumanMessage("json {\"city\":\"Kiel\"}")])
        )
        assert.deepStrictEqual(parsed, { city: "Kiel" })
      }))
  }
})
