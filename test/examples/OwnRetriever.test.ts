import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { shop } from "../../examples/own-retriever/Shelf.ts"
import { RunId, SessionId, UserId } from "../../src/domain/Ids.ts"
import { longest, startExample } from "../support/Example.ts"
import { clientOf, temporaryFolder } from "../support/Server.ts"

const query = {
  owner: UserId.make("ada"),
  agent: "clerk",
  session_id: SessionId.make("s".repeat(32)),
  run_id: RunId.make("r".repeat(32))
}

describe("A program with a retriever of its own", () => {
  it("finds what the input has words of", () => {
    const find = (text: string) => shop.retrieve({ ...query, text }, new AbortController().signal)
    assert.deepStrictEqual(find("When are you open?"), ["The shop is open from 9 to 17, and closed on Mondays."])
    assert.deepStrictEqual(find("Hello"), [])
    assert.isFalse(Effect.isEffect(find("")))
  })

  it("tells it to agents whose definitions name it", async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder.path, "agents/clerk"), { recursive: true })
    await writeFile(
      join(folder.path, "agents/clerk/AGENT.md"),
      "---\nmodel: demo/demo-script\nretrievers: [shop]\n---\nYou are a clerk."
    )
    const words = ["serve", "--port", "0", "--data-dir", join(folder.path, "data"), "--definitions-dir", folder.path]
    const program = await startExample("own-retriever", ...words)
    try {
      const client = clientOf(program.url)
      await client.must("POST", "/credential", { data: { type: "demo_credential" } })
      const ask = async (content: string): Promise<number> => {
        const messages = [{ role: "user", content }]
        const { usage } = await client.must("POST", "/v1/chat/completions", { model: "agent/clerk", messages })
        return usage.prompt_tokens
      }
      const without = await ask("say hello again")
      assert.isAbove(await ask("say open again"), without + 10)
    } finally {
      await program.stop()
      await folder.remove()
    }
  }, 2 * longest)
})
