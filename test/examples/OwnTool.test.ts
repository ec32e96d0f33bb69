import { assert, describe, it } from "@effect/vitest"
import { longest, startExample } from "../support/Example.ts"
import { clientOf, temporaryFolder } from "../support/Server.ts"

describe("A program with a tool of its own", () => {
  it("has it called by models, checks what they write, and keeps what its calls share", async () => {
    const folder = await temporaryFolder()
    const program = await startExample("own-tool", "serve", "--port", "0", "--data-dir", folder.path)
    try {
      const client = clientOf(program.url)
      const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
      const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
      const config = { type: "demo_credential", credential_id, model: "demo-script" }
      const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config: config })
      const content = [
        "call Dice {\"count\":3}",
        "then",
        "call Dice {\"count\":2,\"sides\":2}",
        "then",
        "call Dice {\"count\":101}",
        "then",
        "call Dice {\"count\":0}",
        "then",
        "say done"
      ].join("\n")
      const body = JSON.stringify({ agent_id, session_id, input: { content } })
      const chat = await client.stream("/chat", { method: "POST", body })
      await chat.end()
      assert.deepInclude(chat.frames.at(-1)?.event, { type: "REPLY_END", finished_reason: "completed" })
      const { messages } = await client.must("GET", `/sessions/${session_id}/messages`)
      const results: ReadonlyArray<
        { readonly state: string; readonly output: ReadonlyArray<{ readonly text: string }> }
      > = messages[1].content.filter(({ type }: { readonly type: string }) => type === "tool_result")
      assert.deepStrictEqual(results.map(({ state }) => state), ["success", "success", "error", "error"])
      const said = results.map(({ output }) => output.map(({ text }) => text).join(""))
      assert.match(said[0]!, /^[1-6], [1-6], [1-6] \(3 thrown so far\)$/)
      assert.match(said[1]!, /^[12], [12] \(5 thrown so far\)$/)
      assert.strictEqual(said[2], "There are only 100 dice.")
      assert.match(said[3]!, /^Input validation failed for tool 'Dice': expected .+ at `count`$/)
    } finally {
      await program.stop()
      await folder.remove()
    }
  }, 2 * longest)
})
