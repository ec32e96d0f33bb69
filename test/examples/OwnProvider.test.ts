import { assert, describe, it } from "@effect/vitest"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { longest, startExample } from "../support/Example.ts"
import { clientOf, temporaryFolder } from "../support/Server.ts"

const key = "oracle-key-4711"

const bodyOf = async (request: IncomingMessage) => {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  return text
}

const oracle = () => {
  const asked: Array<unknown> = []
  const server = createServer((request, response) =>
    void bodyOf(request).then((body) => {
      if (request.headers.authorization !== `Bearer ${key}`) return response.writeHead(401).end(`No such key: ${key}`)
      if (request.url === "/models") return response.end(JSON.stringify({ models: ["pythia", "sibyl"] }))
      asked.push(JSON.parse(body))
      response.write("Know ")
      setTimeout(() => response.end("thyself."), 20)
    })
  )
  return new Promise<{ readonly url: string; readonly asked: ReadonlyArray<unknown>; readonly close: () => void }>(
    (done) =>
      server.listen(0, "127.0.0.1", () =>
        done({
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          asked,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        }))
  )
}

describe("A program with a provider of its own", () => {
  it("shows its form, tests its credential, talks through it, and keeps its key to itself", async () => {
    const folder = await temporaryFolder()
    const far = await oracle()
    const program = await startExample("own-provider", "serve", "--port", "0", "--data-dir", folder.path)
    try {
      const client = clientOf(program.url)
      const { schemas } = await client.must("GET", "/credential/schemas")
      const types = schemas.map((schema: { properties: { type: { const: string } } }) => schema.properties.type.const)
      assert.includeMembers(types, ["demo_credential", "openai_credential", "oracle_credential"])

      const data = { type: "oracle_credential", base_url: far.url, api_key: key }
      const wrong = await client.call("POST", "/credential", { data: { ...data, base_url: "nowhere" } })
      assert.deepStrictEqual([wrong.status, wrong.json.errors[0].path], [422, "data.base_url"])
      const { credential_id } = await client.must("POST", "/credential", { data })
      const check = await client.must("POST", `/credential/${credential_id}/test`)
      assert.deepInclude(check, { ok: true, models: ["pythia", "sibyl"] })

      const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
      const config = { type: "oracle_credential", credential_id, model: "pythia" }
      const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config: config })
      const body = JSON.stringify({ agent_id, session_id, input: { content: "What should I know?" } })
      const chat = await client.stream("/chat", { method: "POST", body })
      await chat.end()
      assert.deepInclude(chat.frames.at(-1)?.event, { type: "REPLY_END", finished_reason: "completed" })
      const { messages } = await client.must("GET", `/sessions/${session_id}/messages`)
      assert.strictEqual(messages[1].content[0].text, "Know thyself.")
      assert.deepInclude(far.asked[0], { model: "pythia", question: "user: What should I know?", style: "brief" })

      const bad = await client.must("POST", "/credential", { data: { ...data, api_key: "other-key-4712" } })
      const refused = await client.call("POST", `/credential/${bad.credential_id}/test`)
      assert.strictEqual(refused.json.error.type, "authentication")
      assert.notInclude(refused.text, key)
      assert.strictEqual(await program.stop(), 0)
      assert.notInclude(program.output(), key)
    } finally {
      await program.stop()
      far.close()
      await folder.remove()
    }
  }, 2 * longest)
})
