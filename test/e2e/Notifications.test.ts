/** A message about a run goes out once, wherever between the run and its delivery the server is killed. */
import { assert, describe, it } from "@effect/vitest"
import { createServer } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

/** Runs of each round; the server is killed at another moment of each round. */
const runs = 12

/** Milliseconds between the last answer and the kill: before a message goes out, while some do, and after. */
const moments = [0, 30]

/** A receiver that takes its time, so that a kill meets messages on their way. */
const slowReceiver = () =>
  new Promise<{ readonly url: string; readonly got: Array<{ id: string; run: string }>; readonly close: () => void }>(
    (done) => {
      const got: Array<{ id: string; run: string }> = []
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (piece: string) => body += piece).on("end", () => {
          got.push({ id: String(request.headers["webhook-id"]), run: JSON.parse(body).data.run.id })
          setTimeout(() => response.writeHead(204).end(), 20)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        done({ url: `http://127.0.0.1:${port}`, got, close })
      })
    }
  )

describe("Notifications of a built server", () => {
  it("tell of each run once, over kill -9 between the run and its message", async () => {
    const folder = await temporaryFolder()
    const receiver = await slowReceiver()
    let server: Server | undefined
    try {
      const start = () => startServer(["--data-dir", folder.path])
      server = await start()
      let client = clientOf(server.url)
      const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
      const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      const { notification_id } = await client.must("POST", "/notification", {
        name: "Hook",
        kind: "webhook",
        url: receiver.url,
        events: ["run.completed"]
      })
      const told: Array<string> = []
      for (const moment of moments) {
        const answers = await Promise.all(Array.from({ length: runs }, async () => {
          const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config })
          return client.must("POST", "/chat/reply", { agent_id, session_id, input: { content: "say done" } })
        }))
        await sleep(moment)
        await server.kill("SIGKILL")
        assert.isTrue(
          answers.every(({ finished_reason }) => finished_reason === "completed"),
          JSON.stringify(answers[0])
        )
        server = await start()
        client = clientOf(server.url)
        const { runs: ended } = await client.must("GET", `/runs?limit=${runs}`)
        told.push(...ended.map(({ id }: { id: string }) => id))
      }
      const limit = performance.now() + patience(60_000)
      for (;;) {
        const { deliveries } = await client.must("GET", `/notification/${notification_id}/deliveries?limit=100`)
        if (
          deliveries.length === told.length &&
          deliveries.every(({ status }: { status: string }) => status === "delivered")
        ) break
        assert.isBelow(performance.now(), limit, JSON.stringify(deliveries[0]))
        await sleep(100)
      }
      // A message that was on its way may have come before, under the same id: that is how its receiver knows it again.
      const byRun = new Map<string, Set<string>>()
      for (const { id, run } of receiver.got) byRun.set(run, (byRun.get(run) ?? new Set()).add(id))
      assert.sameMembers([...byRun.keys()], told)
      assert.isTrue([...byRun.values()].every((ids) => ids.size === 1), "one message for each run")
    } finally {
      await server?.kill("SIGKILL")
      receiver.close()
      await folder.remove()
    }
  }, patience(180_000))
})
