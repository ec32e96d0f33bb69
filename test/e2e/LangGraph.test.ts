/** A run of LangGraph's SDK against the built server, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@langchain/langgraph-sdk"
import type { Told } from "../support/langgraph.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, startServer, temporaryFolder } from "../support/Server.ts"

const wordsIn = (events: ReadonlyArray<Told>): string =>
  events.flatMap(({ data, event }) =>
    event === "messages" && data[0].type === "AIMessageChunk" ? [data[0].content] : []
  )
    .join("")

describe("A run of LangGraph's SDK over kill -9", () => {
  it(
    "is joined behind the last frame that was seen, and nothing is missing or twice",
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
        const connected = () =>
          new Client({
            apiUrl: `${server.url}/langgraph`,
            defaultHeaders: { "x-user-id": "ada" },
            callerOptions: { maxRetries: 0 }
          })

        const client = connected()
        const { thread_id } = await client.threads.create({ threadId: "mine" })
        const leaving = new AbortController()
        const before: Array<Told> = []
        const input = { messages: [{ type: "human", content: "repeat 60 word " }] }
        try {
          const streamMode = ["values" as const, "messages-tuple" as const]
          for await (
            const told of client.runs.stream(thread_id, "Ada", { input, streamMode, signal: leaving.signal })
          ) {
            before.push(told)
            if (wordsIn(before).length > 20) {
              await server.kill("SIGKILL")
              // The SDK would come back to where no server is any more.
              leaving.abort()
            }
          }
        } catch {
          // The connection broke, as it should.
        }
        const { run_id } = before[0]!.data
        server = await startServer(args)
        const after: Array<Told> = []
        const options = { lastEventId: before.at(-1)!.id!, streamMode: ["values" as const, "messages-tuple" as const] }
        for await (const told of connected().runs.joinStream(thread_id, run_id, options)) after.push(told)
        const ids = [...before, ...after].map(({ id }) => Number(id))
        assert.deepStrictEqual(ids, [...new Set(ids)].toSorted((a, b) => a - b))
        assert.isAbove(after.length, 0)
        const values = after.findLast(({ event }) => event === "values")!.data
        assert.strictEqual((await connected().runs.get(thread_id, run_id)).status, "success")
        const state = await connected().threads.getState(thread_id)
        assert.deepStrictEqual(state.values, values)
        const all: Array<Told> = []
        for await (const told of connected().runs.joinStream(thread_id, run_id, { streamMode: options.streamMode })) {
          all.push(told)
        }
        assert.deepStrictEqual(all, [...before, ...after])
        await server.kill("SIGTERM")
      } finally {
        await folder.remove()
      }
    }
  )
})
