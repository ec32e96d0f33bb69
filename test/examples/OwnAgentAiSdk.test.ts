/** A program with an agent of another framework, as its users start it. */
import { assert, describe, it } from "@effect/vitest"
import { longest, startExample } from "../support/Example.ts"
import { clientOf, safeJson, temporaryFolder } from "../support/Server.ts"

describe("A program with an agent of the AI SDK", () => {
  it("has its loop, its tools and their failures in the log, and knows what was said before", async () => {
    const folder = await temporaryFolder()
    const program = await startExample("own-agent-ai-sdk", "serve", "--port", "0", "--data-dir", folder.path)
    try {
      const { must } = clientOf(program.url)
      const { agents } = await must("GET", "/agent")
      const { session_id } = await must("POST", "/sessions", { agent_id: agents[0].id })
      const ask = async (content: string) => {
        const headers = { accept: "application/json" }
        const body = { agent_id: agents[0].id, session_id, input: { content } }
        const response = await fetch(`${program.url}/chat`, {
          method: "POST",
          headers: { ...headers, "x-user-id": "ada", "content-type": "application/json" },
          body: JSON.stringify(body)
        })
        return safeJson(await response.text())
      }
      const first = await ask("How is the weather in Athens")
      const [call, result, text] = first.content
      assert.deepInclude(call, { type: "tool_call", name: "weather", input: "{\"city\":\"Athens\"}" })
      assert.deepInclude(result, { type: "tool_result", state: "success" })
      assert.strictEqual(text.text, "Question 1: it says {\"city\":\"Athens\",\"degrees\":20}")
      const second = await ask("And in Nowhere")
      assert.deepInclude(second, { finished_reason: "completed" })
      assert.deepInclude(second.content[1], { state: "error" })
      assert.match(second.content[2].text, /^Question 2: .*no such city/)
    } finally {
      await program.stop()
      await folder.remove()
    }
  }, 2 * longest)
})
