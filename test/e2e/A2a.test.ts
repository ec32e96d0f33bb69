/** A task against the built server, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import { patience } from "../support/Patience.ts"
import { clientOf, startServer, temporaryFolder } from "../support/Server.ts"

type Frame = ReturnType<typeof JSON.parse>

const framesOf = (text: string): ReadonlyArray<Frame> =>
  text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice("data: ".length)))

const textOf = (frames: ReadonlyArray<Frame>): string =>
  frames.flatMap(({ artifactUpdate }) => artifactUpdate?.artifact.parts ?? []).map(({ text }: Frame) => text).join("")

describe("A task over kill -9", () => {
  it("is there afterwards, and who follows it again sees its end", { timeout: patience(120_000) }, async () => {
    const folder = await temporaryFolder()
    try {
      const args = ["--data-dir", folder.path]
      let server = await startServer(args)
      const { must } = clientOf(server.url)
      const { credential_id } = await must("POST", "/credential", { data: { type: "demo_credential" } })
      const chat_model_config = {
        type: "demo_credential",
        credential_id,
        model: "demo-script",
        parameters: { delay_ms: 20 }
      }
      await must("POST", "/agent", { name: "Ada", chat_model_config })
      const headers = { "x-user-id": "ada", "a2a-version": "1.0", "content-type": "application/json" }
      const ask = (path: string, init: RequestInit = {}) => fetch(`${server.url}/a2a${path}`, { ...init, headers })
      const message = { messageId: "m1", role: "ROLE_USER", contextId: "here", parts: [{ text: "repeat 60 word " }] }
      const stream = await ask("/message:stream", { method: "POST", body: JSON.stringify({ message }) })

      let seen = ""
      const decoder = new TextDecoder()
      try {
        for await (const bytes of stream.body!) {
          seen += decoder.decode(bytes as Uint8Array, { stream: true })
          if (seen.split("artifactUpdate").length > 6) await server.kill("SIGKILL")
        }
      } catch {
        // The connection broke, as it should.
      }
      const before = framesOf(seen.slice(0, seen.lastIndexOf("\n\n") + 2))
      const { id } = before[0].task
      assert.isAtLeast(textOf(before).length, 10)

      server = await startServer(args)
      const after = framesOf(await (await ask(`/tasks/${id}:subscribe`, { method: "POST" })).text())
      assert.strictEqual(after[0].task.id, id)
      assert.strictEqual(after[0].task.contextId, "here")
      assert.isTrue(textOf(after).startsWith(textOf(before)))
      const { status } = after.at(-1).statusUpdate
      assert.strictEqual(status.state, "TASK_STATE_COMPLETED")
      const read = await (await ask(`/tasks/${id}`)).json() as Frame
      assert.deepStrictEqual(read.status.state, status.state)
      assert.strictEqual(read.artifacts[0].parts[0].text, textOf(after))
      await server.kill("SIGTERM")
    } finally {
      await folder.remove()
    }
  })
})
