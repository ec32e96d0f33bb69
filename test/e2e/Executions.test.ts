/** Executions of the Agent Gateway over `kill -9` of the processes that do them. `EXECUTION_KILLS` makes it longer. */
import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { clientOf, safeJson, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const kills = Number(process.env["EXECUTION_KILLS"] ?? 3)
const executions = kills * 8

/** Milliseconds for which both servers work before one is killed, and from one execution to the next: several go on at any time. */
const between = 1_500
const pause = 400

/** The end is said once, by a model call that came to its end. */
const script = (i: number) => `repeat 100 word-${i} \nsay end-${i}.`

const count = (text: string, piece: string) => text.split(piece).length - 1

describe("Asynchronous executions over two servers on one PostgreSQL", () => {
  it("are each done exactly once, while one server after the other is killed", async () => {
    const folder = await temporaryFolder()
    const env = { STOA_DATABASE_URL: await freshDatabase(), STOA_VAULT_KEY: Buffer.alloc(32, 7).toString("base64") }
    const servers: Array<Server> = []
    const start = async () => {
      const server = await startServer(["--data-dir", folder.path], { env })
      servers.push(server)
      return server
    }
    let asked = 0
    /** Asks one server after the other until one answers: a client whose server was killed comes again with its key. */
    const ask = async (method: string, path: string, body?: unknown, key?: string) => {
      const limit = performance.now() + patience(60_000)
      for (;;) {
        const { url } = servers[asked++ % servers.length]!
        try {
          const response = await fetch(url + path, {
            method,
            headers: {
              "x-user-id": "ada",
              "content-type": "application/json",
              ...(key !== undefined && { "idempotency-key": key })
            },
            ...(body !== undefined && { body: JSON.stringify(body) })
          })
          const text = await response.text()
          if (response.ok) return safeJson(text)
          assert.isAtLeast(response.status, 409, text)
        } catch (error) {
          if (!(error instanceof TypeError)) throw error
        }
        assert.isBelow(performance.now(), limit, path)
        await sleep(100)
      }
    }
    try {
      const [a] = [await start(), await start()]
      const client = clientOf(a.url)
      const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
      const parameters = { delay_ms: 15 }
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters }
      const { agent_id } = await client.must("POST", "/agent", { name: "worker", chat_model_config })

      const invoking = Array.from({ length: executions }, async (_, i) => {
        await sleep(i * pause)
        const body = { message: script(i), options: { async: true } }
        return (await ask("POST", `/v1/agents/${agent_id}/invoke`, body, `execution-${i}`)).execution_id as string
      })
      for (let i = 0; i < kills; i++) {
        await sleep(between)
        await servers.shift()!.kill("SIGKILL")
        await start()
      }
      const ids = await Promise.all(invoking)
      assert.strictEqual(new Set(ids).size, executions)

      for (const [i, id] of ids.entries()) {
        const limit = performance.now() + patience(60_000)
        let execution = await ask("GET", `/v1/executions/${id}`)
        while (["queued", "running"].includes(execution.status)) {
          assert.isBelow(performance.now(), limit, JSON.stringify(execution))
          await sleep(100)
          execution = await ask("GET", `/v1/executions/${id}`)
        }
        assert.deepInclude(execution, { status: "completed", error: null, message: script(i) })
        assert.strictEqual(count(execution.result.raw_text, `end-${i}.`), 1, execution.result.raw_text)
        const { messages } = await ask("GET", `/sessions/${execution.session_id}/messages`)
        assert.strictEqual(messages.length, 2)
      }
      const { runs } = await ask("GET", "/runs?limit=1000")
      assert.sameMembers(runs.map((run: { readonly id: string }) => run.id), ids)
      const attempts = runs.map((run: { readonly attempt: number }) => run.attempt)
      assert.isAbove(Math.max(...attempts), 1, "no execution was cut off by a kill")
    } finally {
      await Promise.all(servers.map((server) => server.kill("SIGKILL")))
      await folder.remove()
    }
  }, patience(180_000))
})
