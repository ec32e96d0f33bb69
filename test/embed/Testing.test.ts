/** What tests of user programs stand on. */
import { assert, describe, it } from "@effect/vitest"
import * as Testing from "../../src/embed/Testing.ts"
import { patience } from "../support/Patience.ts"

describe("A host for tests", () => {
  it("plays its script to the agent, and tells what the model was asked", async () => {
    const { agent_id, asked, client, close } = await Testing.make({
      script: [{ call: "Calculate", input: { expression: "6 * 7" } }, "It is 42."]
    })
    try {
      const reply = await client.invoke({ agent_id, input: "What is six times seven?" })
      assert.strictEqual(reply.text, "It is 42.")
      assert.deepStrictEqual(
        reply.message.content.map(({ type }) => type).filter((type) => type !== "hint"),
        ["tool_call", "tool_result", "text"]
      )
      const result = reply.message.content.find((block) => block.type === "tool_result")
      assert.strictEqual(result?.state, "success")
      assert.strictEqual(asked.length, 2)
      assert.isNotEmpty(asked[0]!.tools)
      const { code } = await client.invoke({ agent_id, input: "And now?" }).catch((error) => error)
      assert.strictEqual(code, "unknown")
    } finally {
      await close()
    }
  }, patience(30_000))
})
