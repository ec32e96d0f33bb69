/** A response in the background against the built server, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import { patience } from "../support/Patience.ts"
import { clientOf, startServer, temporaryFolder } from "../support/Server.ts"

const frames = (text: string) =>
  text.split("\n").filter((line) => !line.startsWith(":")).join("\n").split("\n\n").slice(0, -1)

describe("A response in the background over kill -9", () => {
  it(
    "goes on, and each place in its stream gives the rest, byte for byte",
    { timeout: patience(120_000) },
    async () => {
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
        const { id } = await must("POST", "/v1/responses", {
          model: "agent/Ada",
          input: "think Hm\nrepeat 40 word ",
          background: true
        })
        const headers = { "x-user-id": "ada" }
        const follow = (after?: number) =>
          fetch(
            `${server.url}/v1/responses/${id}?stream=true${after === undefined ? "" : `&starting_after=${after}`}`,
            { headers }
          )

        /** What was seen before the server was killed. */
        const before = async () => {
          let text = ""
          const decoder = new TextDecoder()
          try {
            for await (const bytes of (await follow()).body!) {
              text += decoder.decode(bytes as Uint8Array, { stream: true })
              if (text.split("output_text.delta").length > 6) await server.kill("SIGKILL")
            }
          } catch {
            // The connection broke, as it should.
          }
          return frames(`${text}\n\n`.slice(0, text.lastIndexOf("\n\n") + 2))
        }

        const seen = await before()
        assert.isAtLeast(seen.length, 5)
        server = await startServer(args)
        const whole = frames(await (await follow()).text())
        assert.deepStrictEqual(whole.slice(0, seen.length), seen)
        assert.strictEqual(whole.at(-1), "data: [DONE]")
        assert.include(whole.at(-2), "event: response.completed")
        for (const place of [0, seen.length - 1, seen.length, whole.length - 3, whole.length - 2]) {
          assert.deepStrictEqual(frames(await (await follow(place)).text()), whole.slice(place + 1))
        }
        const after = clientOf(server.url)
        const answer = await after.must("GET", `/v1/responses/${id}`)
        assert.strictEqual(answer.status, "completed")
        const next = await after.must("POST", "/v1/responses", {
          model: "agent/Ada",
          previous_response_id: id,
          input: "context"
        })
        assert.strictEqual(JSON.parse(next.output[0].content[0].text).messages, 3)
        await server.kill("SIGTERM")
      } finally {
        await folder.remove()
      }
    }
  )
})
