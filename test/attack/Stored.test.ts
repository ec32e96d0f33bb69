/** What is written can be read again, and what was taken away is gone. */
import { assert, it } from "@effect/vitest"
import { readdir, rename } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { adminKey, startServer } from "../support/Server.ts"
import { head, open } from "./support/Sockets.ts"
import { idle, makeTarget, onEach, send } from "./support/Target.ts"

/** A Chat Completions server whose last word is a usage that nobody can have. */
const provider = async (usage: string) => {
  const server = createServer((request, response) => {
    request.resume()
    const chunk = (rest: string) =>
      `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m",${rest}}\n\n`
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(chunk("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]"))
    response.write(chunk("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"))
    response.end(`${chunk(`"choices":[],"usage":${usage}`)}data: [DONE]\n\n`)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

onEach("What a provider or a person wrote", (target) => {
  it.each([
    ["1e300", "{\"prompt_tokens\":1e300,\"completion_tokens\":1e300,\"total_tokens\":1e300}"],
    ["negative", "{\"prompt_tokens\":-5,\"completion_tokens\":-1,\"total_tokens\":-6}"],
    ["a fraction", "{\"prompt_tokens\":0.5,\"completion_tokens\":1.5,\"total_tokens\":2}"],
    ["beyond whole numbers", "{\"prompt_tokens\":9007199254740993,\"completion_tokens\":1,\"total_tokens\":1}"]
  ])("is read again by every list, after a usage that is %s", async (_, usage) => {
    const { base_url, close } = await provider(usage)
    try {
      const client = target().client(`user-${Math.random().toString(36).slice(2)}`)
      const { agent_id } = await client.must("POST", "/agent/", { name: "Friday" })
      const { credential_id } = await client.must("POST", "/credential/", {
        data: { type: "openai_compatible_credential", base_url }
      })
      const { session_id } = await client.must("POST", "/sessions/", {
        agent_id,
        chat_model_config: { type: "openai_compatible_credential", credential_id, model: "m", parameters: {} }
      })
      const sent = await send(client, { agent_id, session_id }, "hello")
      assert.strictEqual(sent.status, 202, sent.text)
      await sleep(500)
      await idle(client, session_id)
      for (const path of ["/runs", `/sessions/${session_id}/runs`, `/sessions/${session_id}/messages`, "/usage"]) {
        const { status, text } = await client.call("GET", path)
        assert.strictEqual(status, 200, `${path}: ${text}`)
      }
      const followed = await client.stream(`/sessions/${session_id}/stream?after=0`)
      const frames = await followed.until((frame) => frame?.event.type === "REPLY_END")
      followed.leave()
      assert.strictEqual(frames.at(-1)?.event.type, "REPLY_END")
      assert.strictEqual((await send(client, { agent_id, session_id }, "again")).status, 202)
    } finally {
      close()
    }
  })

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "is refused as invalid when it has the type %s",
    async (type) => {
      const client = target().client()
      const { agent_id, credential_id } = await client.converse()
      const created = await client.call("POST", "/credential/", { data: { type } })
      assert.strictEqual(created.status, 422, created.text)
      const session = await client.call("POST", "/sessions/", {
        agent_id,
        chat_model_config: { type, credential_id, model: "demo-script", parameters: {} }
      })
      assert.include([404, 422], session.status, session.text)
      const card = await client.call("POST", "/credential/", {
        data: {
          type: "openai_compatible_credential",
          base_url: "http://127.0.0.1:9/v1",
          models: [{ name: "m", type }]
        }
      })
      assert.strictEqual(card.status, 422, card.text)
      const parameter = await client.call("POST", "/credential/", {
        data: {
          type: "openai_compatible_credential",
          base_url: "http://127.0.0.1:9/v1",
          models: [{ name: "m", parameters_overrides: { top_p: { type } } }]
        }
      })
      assert.strictEqual(parameter.status, 422, parameter.text)
      for (const path of [`/model?provider=${type}`, `/model/${type}/m`, `/embedding-model?provider=${type}`]) {
        const { status, text } = await client.call("GET", path)
        assert.include([200, 404, 422], status, `${path}: ${text}`)
      }
    }
  )
})

onEach("A key that was taken away", (target) => {
  it("ends the streams that it had opened, within five seconds", async () => {
    const url = target().url()
    const admin = await adminKey(target().dataDir)
    const headers = (key: string) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" })
    const call = async (key: string, method: string, path: string, body?: object) => {
      const response = await fetch(url + path, {
        method,
        headers: headers(key),
        ...(body !== undefined && { body: JSON.stringify(body) })
      })
      const text = await response.text()
      assert.isBelow(response.status, 300, text)
      return JSON.parse(text)
    }
    const { id, key } = await call(admin, "POST", "/keys", { user_id: "ada" })
    const { agent_id } = await call(key, "POST", "/agent/", { name: "Friday" })
    const { credential_id } = await call(key, "POST", "/credential/", { data: { type: "demo_credential" } })
    const { session_id } = await call(key, "POST", "/sessions/", {
      agent_id,
      chat_model_config: { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
    })
    const raw = await open(url)
    raw.send(head(url, `GET /sessions/${session_id}/stream`, { authorization: `Bearer ${key}`, "x-user-id": "" }))
    assert.isTrue(await raw.until((text) => text.includes(": ok")), raw.text())
    await call(admin, "DELETE", `/keys/${id}`)
    const limit = performance.now() + patience(5_000)
    while (!raw.isClosed() && !raw.text().includes("\r\n0\r\n\r\n") && performance.now() < limit) await sleep(50)
    const isOver = raw.isClosed() || raw.text().includes("\r\n0\r\n\r\n")
    raw.socket.destroy()
    assert.isTrue(isOver, "The stream goes on")
  })
})

it("A database with secrets whose vault key is missing is not opened with a fresh one: the file is named", async () => {
  const target = await makeTarget("PGlite")
  try {
    const client = target.client()
    await client.must("POST", "/credential/", {
      data: { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: "sk-secret" }
    })
    await target.server().kill("SIGTERM")
    assert.include(await readdir(target.dataDir), "vault.key")
    await rename(join(target.dataDir, "vault.key"), join(target.dataDir, "elsewhere"))
    const outcome = await startServer(["--data-dir", target.dataDir]).then(
      async (server) => {
        await server.kill("SIGKILL")
        return "It started"
      },
      (cause: Error) => cause.message
    )
    assert.include(outcome, "vault.key")
    assert.notInclude(await readdir(target.dataDir), "vault.key")
  } finally {
    await target.stop()
  }
})
