import { assert, describe, it } from "@effect/vitest"
import { kindOf } from "../support/events.ts"
import { patience } from "../support/Patience.ts"
import { adminKey, clientOf, startServer, stream, temporaryFolder } from "../support/Server.ts"

/** Milliseconds from the sending to the kill; the first byte comes somewhere in between. Undefined: right after it. */
const moments = [0, 3, 8, undefined]

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

describe("An Idempotency-Key over kill -9", () => {
  it(
    "gives one run and its whole stream, and one record, whenever the server dies",
    { timeout: patience(120_000) },
    async () => {
      const folder = await temporaryFolder()
      try {
        let server = await startServer(["--data-dir", folder.path])
        const admin = { authorization: `Bearer ${await adminKey(folder.path)}` }
        const outcomes: Array<"before" | "after"> = []
        for (const [i, moment] of moments.entries()) {
          const before = clientOf(server.url)
          const talk = await before.converse("demo-script", { delay_ms: 5 })
          const keyed = { "content-type": "application/json", "idempotency-key": `key ${i}` }
          const chat = {
            method: "POST",
            headers: { ...keyed, "x-user-id": "ada" },
            body: JSON.stringify({ ...talk, input: { content: "repeat 20 word " } })
          }
          const agent = {
            method: "POST",
            headers: { ...keyed, "x-user-id": "bob" },
            body: JSON.stringify({ name: `agent ${i}` })
          }
          const key = {
            method: "POST",
            headers: { ...keyed, ...admin },
            body: JSON.stringify({ user_id: "eve", name: `key ${i}` })
          }

          const first = Promise.allSettled([
            fetch(`${server.url}/chat`, chat),
            fetch(`${server.url}/agent`, agent).then((response) => response.text()),
            fetch(`${server.url}/keys`, key).then((response) => response.text())
          ])
          if (moment === undefined) await first
          else await pause(moment)
          await server.kill("SIGKILL")
          const [sent, made, issued] = await first
          server = await startServer(["--data-dir", folder.path])

          const after = clientOf(server.url)
          const { runs: kept } = await after.must("GET", `/sessions/${talk.session_id}/runs`)
          outcomes.push(kept.length === 0 ? "before" : "after")
          if (sent.status === "fulfilled") assert.strictEqual(kept.length, 1, "An answer without its effect")

          const again = await stream(`${server.url}/chat`, chat)
          assert.strictEqual(again.response.status, 200)
          await again.end()
          assert.isFalse(again.broken())
          assert.deepStrictEqual(again.frames.map(({ seq }) => seq), again.frames.map((_, at) => 1 + at))
          assert.strictEqual(kindOf(again.frames[0]!.event), "user_message")
          assert.deepInclude(again.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
          const { runs } = await after.must("GET", `/sessions/${talk.session_id}/runs`)
          assert.strictEqual(runs.length, 1)
          if (kept.length > 0) assert.strictEqual(runs[0].id, kept[0].id)
          const { messages } = await after.must("GET", `/sessions/${talk.session_id}/messages`)
          assert.deepStrictEqual(messages.map((message: { role: string }) => message.role), ["user", "assistant"])

          const answer = await (await fetch(`${server.url}/agent`, agent)).text()
          if (made.status === "fulfilled") assert.strictEqual(answer, made.value)
          const { agents } = await clientOf(server.url, "bob").must("GET", "/agent")
          assert.strictEqual(agents.length, i + 1)
          const secret = await (await fetch(`${server.url}/keys`, key)).text()
          if (issued.status === "fulfilled") assert.strictEqual(secret, issued.value)
          const listed = await (await fetch(`${server.url}/keys?user_id=eve`, { headers: admin })).json()
          assert.nestedPropertyVal(listed, "total", i + 1)
          const headers = { authorization: `Bearer ${JSON.parse(secret).key}` }
          assert.strictEqual((await fetch(`${server.url}/agent`, { headers })).status, 200)
        }
        assert.include(outcomes, "before")
        assert.include(outcomes, "after")
        await server.kill("SIGTERM")
      } finally {
        await folder.remove()
      }
    }
  )
})
