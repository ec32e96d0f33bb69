/** What hooks are told of a server's beginning and of its end, and in which order. */
import { assert, describe, it } from "@effect/vitest"
import * as Host from "../../src/embed/Host.ts"
import { patience } from "../support/Patience.ts"

describe("A hook at a server's ends", () => {
  it("refuses the start with its own sentence, and is not told of an end then", async () => {
    const told: Array<string> = []
    const starting = Host.make({ storage: "memory", log_level: "none" }, {
      hooks: [{
        name: "gate",
        "server.start": () => ({ refuse: "Not on Sundays." }),
        "server.stop": () => void told.push("stop")
      }]
    })
    const message = await starting.then(() => "started", (error: Error) => error.message)
    assert.strictEqual(message, "Not on Sundays.")
    assert.deepStrictEqual(told, [])
  }, patience(30_000))

  it("is told of the end when the runs that were going on have come to theirs", async () => {
    const told: Array<string> = []
    const host = await Host.make({ storage: "memory", drain_seconds: 20 }, {
      hooks: [{
        name: "clerk",
        "run.after": ({ finished_reason }) => void told.push(String(finished_reason)),
        "server.stop": () => void told.push("stop")
      }]
    })
    const client = host.as("hugo")
    const { credential_id } = await client.credentials.create({ type: "demo_credential" })
    const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
    const { agent_id } = await client.agents.create({ name: "Friday", chat_model_config })
    await client.send({ agent_id, input: "sleep 1500\nsay done" })
    await host.close()
    assert.deepStrictEqual(told, ["completed", "stop"])
  }, patience(60_000))
})
