import { assert, describe, it } from "@effect/vitest"
import { longest, startExample } from "../support/Example.ts"
import { clientOf, temporaryFolder } from "../support/Server.ts"

describe("A program with workspaces of its own", () => {
  it("has its agents work in them", async () => {
    const folder = await temporaryFolder()
    const program = await startExample("own-workspace", "serve", "--port", "0", "--data-dir", folder.path)
    try {
      const client = clientOf(program.url)
      const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
      const { agent_id } = await client.must("POST", "/agent", { name: "Friday", tools: ["Bash", "Write"] })
      const config = { type: "demo_credential", credential_id, model: "demo-script" }
      const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config: config })
      await client.must("PATCH", `/sessions/${session_id}`, { permission_mode: "bypass" })
      const content = "call Write {\"file_path\": \"a.txt\", \"content\": \"from a file\"}\nthen\n"
        + "call Bash {\"command\": \"nice; cat a.txt\"}\nthen\nsay done"
      const body = JSON.stringify({ agent_id, session_id, input: { content } })
      const chat = await client.stream("/chat", { method: "POST", body })
      await chat.end()
      const { messages } = await client.must("GET", `/sessions/${session_id}/messages`)
      const results: ReadonlyArray<{ readonly output: ReadonlyArray<{ readonly text: string }> }> = messages[1].content
        .filter(({ type }: { readonly type: string }) => type === "tool_result")
      const said = results.map(({ output }) => output.map(({ text }) => text).join(""))
      assert.include(said[1], "7\nfrom a file")
    } finally {
      await program.stop()
      await folder.remove()
    }
  }, 2 * longest)
})
