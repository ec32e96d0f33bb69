/** OpenAI's own client against the built server, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import OpenAI, { APIConnectionError, APIError } from "openai"
import { patience } from "../support/Patience.ts"
import { clientOf, startServer, temporaryFolder } from "../support/Server.ts"

const connect = (url: string) =>
  new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: "none",
    maxRetries: 0,
    defaultHeaders: { authorization: null, "x-user-id": "ada" }
  })

describe("A chat completion over kill -9", () => {
  it(
    "goes on: the same key gets the same chunks, those seen before first, and the conversation is still there",
    { timeout: patience(120_000) },
    async () => {
      const folder = await temporaryFolder()
      try {
        const args = ["--data-dir", folder.path]
        let server = await startServer(args)
        const { must } = clientOf(server.url)
        const { credential_id } = await must("POST", "/credential", { data: { type: "demo_credential" } })
        const parameters = { delay_ms: 20 }
        const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters }
        await must("POST", "/agent", { name: "Ada", chat_model_config })

        /** The chunks of the one answer; at the `kill`th the server is killed. */
        const ask = async (kill?: number) => {
          const chunks: Array<string> = []
          try {
            const stream = await connect(server.url).chat.completions.create(
              {
                model: "agent/Ada",
                stream: true,
                messages: [{ role: "user", content: "repeat 30 word " }],
                metadata: { session_id: "mine" }
              },
              { headers: { "idempotency-key": "k" } }
            )
            for await (const chunk of stream) {
              chunks.push(JSON.stringify(chunk))
              if (chunks.length === kill) await server.kill("SIGKILL")
            }
          } catch (error) {
            if (kill === undefined) throw error
            assert.isTrue(error instanceof APIConnectionError || !(error instanceof APIError))
          }
          return chunks
        }

        const seen = await ask(5)
        assert.isAtLeast(seen.length, 5)
        server = await startServer(args)
        const whole = await ask()
        assert.deepStrictEqual(whole.slice(0, seen.length), seen)
        assert.include(whole.at(-1), "\"finish_reason\":\"stop\"")
        assert.deepStrictEqual(await ask(), whole)

        const next = await connect(server.url).chat.completions.create({
          model: "agent/Ada",
          messages: [{ role: "user", content: "context" }],
          metadata: { session_id: "mine" }
        })
        assert.strictEqual(JSON.parse(next.choices[0]!.message.content!).messages, 3)
        assert.strictEqual((await clientOf(server.url).must("GET", "/sessions")).total, 1)
        await server.kill("SIGTERM")
      } finally {
        await folder.remove()
      }
    }
  )
})
