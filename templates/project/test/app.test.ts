/** `npm test`. The agent's model plays a script, so nothing here needs a key or a network. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { make } from "stoa/testing"
import { extensions } from "../extensions.ts"

test("an agent throws dice", async () => {
  const script = [{ call: "Dice", input: { count: 3 } }, "There they lie."]
  const { agent_id, asked, client, close } = await make({ script }, extensions)
  try {
    const { message, text } = await client.invoke({ agent_id, input: "Throw three dice" })
    assert.equal(text, "There they lie.")
    const result = message.content.find((block) => block.type === "tool_result")
    assert.equal(result?.state, "success")
    assert.match(JSON.stringify(result?.output), /[1-6], [1-6], [1-6]/)
    assert.ok(asked[0]?.tools.includes("Dice"))
  } finally {
    await close()
  }
})

test("the hook lets nobody throw a hundred", async () => {
  const script = [{ call: "Dice", input: { count: 100 } }, "I may not."]
  const { agent_id, client, close } = await make({ script }, extensions)
  try {
    const { message } = await client.invoke({ agent_id, input: "Throw a hundred dice" })
    const result = message.content.find((block) => block.type === "tool_result")
    assert.match(JSON.stringify(result?.output), /Nobody throws more than 10 dice here/)
  } finally {
    await close()
  }
})

test("the definitions are served", async () => {
  const { client, close } = await make({ script: [], definitions_dir: "." }, extensions)
  try {
    await client.credentials.create({ type: "demo_credential" })
    const { agents } = await client.agents.list()
    const rehearsal = agents.find(({ data }) => data.name === "rehearsal")
    const { text } = await client.invoke({
      agent_id: rehearsal!.id,
      input: "call add {\"a\": 2, \"b\": 40}\nthen\nresults"
    })
    assert.match(text, /2 \+ 40 = 42/)
  } finally {
    await close()
  }
})
