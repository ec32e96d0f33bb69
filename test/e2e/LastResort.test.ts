import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { clientOf, startProgram, startServer, temporaryFolder } from "../support/Server.ts"

/** Milliseconds in which a process ends that has nothing to drain. */
const promised = 10_000

const timed = async (work: () => Promise<number | null>) => {
  const since = performance.now()
  const code = await work()
  return { code, took: performance.now() - since }
}

describe("A process that is asked to stop", () => {
  it("ends although something holds it, and says what", async () => {
    const program = await startProgram("test/support/Hanging.ts", "finalizer")
    const { code, took } = await timed(() => program.kill("SIGTERM"))
    assert.strictEqual(code, 1)
    assert.isBelow(took, patience(promised))
    assert.match(program.output(), /while waiting for nothing. Still open: .*\d Timeout/)
  }, patience(120_000))

  for (const how of ["call", "spin"]) {
    const what = how === "call" ? "a model call that ignores its interruption" : "a loop that never ends"
    it(`ends in spite of ${what}`, async () => {
      const folder = await temporaryFolder()
      const words = ["serve", "--port", "0", "--data-dir", folder.path, "--drain-seconds", "0"]
      const program = await startProgram("test/support/Hanging.ts", how, ...words)
      try {
        const client = clientOf(program.url)
        const data = { type: "hanging_credential", api_key: "k" }
        const { credential_id } = await client.must("POST", "/credential", { data })
        const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
        const { session_id } = await client.must("POST", "/sessions", {
          agent_id,
          chat_model_config: { type: data.type, credential_id, model: "any" }
        })
        const body = JSON.stringify({ agent_id, session_id, input: { content: "hi" } })
        const chat = await client.stream("/chat", { method: "POST", body })
        await chat.until((frame) => frame?.event.type === "MODEL_CALL_START")
        const { took } = await timed(() => program.kill("SIGTERM"))
        assert.isBelow(took, patience(promised))
        await chat.end()
      } finally {
        await program.kill("SIGKILL")
        await folder.remove()
      }
    }, patience(120_000))
  }

  it(
    "drains although npm passes on the signal that the terminal sent already, and ends at once when asked again later",
    async () => {
      const folder = await temporaryFolder()
      const server = await startServer(["--data-dir", folder.path, "--drain-seconds", "600"])
      try {
        const client = clientOf(server.url)
        const talk = await client.converse("demo-script", { delay_ms: 20 })
        const body = JSON.stringify({ ...talk, input: { content: "repeat 100000 word " } })
        const chat = await client.stream("/chat", { method: "POST", body })
        await chat.until((frame) => frame?.event.type === "TEXT_BLOCK_DELTA")
        void server.kill("SIGINT")
        void server.kill("SIGINT")
        await sleep(2_500)
        const before = chat.frames.length
        await chat.until(() => chat.frames.length > before)
        assert.isAbove(chat.frames.length, before, "it does not drain")
        const { took } = await timed(() => server.kill("SIGINT"))
        assert.isBelow(took, patience(5_000))
        await chat.end()
      } finally {
        await server.kill("SIGKILL")
        await folder.remove()
      }
    },
    patience(120_000)
  )
})
