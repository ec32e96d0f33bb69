/** A host below a path of a server that a program has already: Node's, Express, and Hono. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { serve } from "@hono/node-server"
import { createServer, type Server } from "node:http"
import { connect } from "node:net"
import { WebSocket } from "ws"
import { appOf as express } from "../../examples/embedding-express/App.ts"
import { appOf as hono } from "../../examples/embedding-hono/App.ts"
import { serverOf } from "../../examples/embedding-node/Server.ts"
import * as Host from "../../src/embed/Host.ts"
import * as Client from "../../src/http/client/Client.ts"
import { patience } from "../support/Patience.ts"

let host: Host.Host
const servers = new Map<string, { readonly url: string; readonly node: Server }>()

const listening = (node: Server) =>
  new Promise<{ readonly url: string; readonly node: Server }>((resolve) => {
    const told = () => {
      const address = node.address()
      resolve({ url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, node })
    }
    if (node.listening) return told()
    node.once("listening", told)
  })

beforeAll(async () => {
  host = await Host.make({ storage: "memory" })
  servers.set("node:http", await listening(serverOf(host).listen(0, "127.0.0.1")))
  servers.set("Express", await listening(createServer(express(host)).listen(0, "127.0.0.1")))
  servers.set("Hono", await listening(serve({ fetch: hono(host).fetch, port: 0, hostname: "127.0.0.1" }) as Server))
}, patience(30_000))

afterAll(async () => {
  await host.close()
  for (const { node } of servers.values()) {
    node.close()
    node.closeAllConnections()
  }
}, patience(30_000))

/** What the examples take for a login: a cookie with the user's name. */
const cookie = (user: string) => ({ cookie: `user=${user}` })

const agentOf = async (client: Client.Client) => {
  const { credential_id } = await client.credentials.create({ type: "demo_credential" })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  return client.agents.create({ name: "Friday", chat_model_config })
}

const jsonOf = async (answer: Response | Promise<Response>): Promise<ReturnType<typeof JSON.parse>> =>
  (await answer).json()

const eventually = async (isSo: () => Promise<boolean>) => {
  const until = Date.now() + patience(10_000)
  while (!(await isSo())) {
    assert.isBelow(Date.now(), until, "It did not come to be.")
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe.each(["node:http", "Express", "Hono"])("A host inside of %s", (kind) => {
  const at = () => servers.get(kind)!.url

  it("is used by the client below its path, events included, and beside the program's own pages", async () => {
    const client = Client.make({ url: `${at()}/stoa`, headers: cookie("anna") })
    const { agent_id } = await agentOf(client)
    const types = []
    for await (const { type } of client.chat({ agent_id, input: "say hello" })) types.push(type)
    assert.strictEqual(types.at(-1), "REPLY_END")
    assert.strictEqual((await client.invoke({ agent_id, input: `say ${"long ".repeat(2_000)}` })).status, "completed")
    assert.strictEqual(await (await fetch(`${at()}/`)).text(), "the program's own page")
    assert.strictEqual((await fetch(`${at()}/stoa/sessions`)).status, 401)
    // Nobody acts for somebody else by a header.
    assert.strictEqual((await fetch(`${at()}/stoa/sessions`, { headers: { "x-user-id": "anna" } })).status, 401)
  })

  it("tells where things are with the path that it is mounted at", async () => {
    const made = await fetch(`${at()}/stoa/agent`, {
      method: "POST",
      headers: { ...cookie("bert"), "content-type": "application/json" },
      body: JSON.stringify({ name: "Zeno" })
    })
    assert.match(made.headers.get("location") ?? "", /^\/stoa\/agent\/\w+$/)
    assert.strictEqual((await fetch(at() + made.headers.get("location"), { headers: cookie("bert") })).status, 200)
    const document = await jsonOf(fetch(`${at()}/stoa/openapi.json`))
    assert.deepStrictEqual(document.servers, [{ url: "/stoa" }])
    const page = await (await fetch(`${at()}/stoa/redoc`)).text()
    const script = /<script src="([^"]+)"/.exec(page)?.[1]
    assert.match(script ?? "", /^\/stoa\/redoc\//)
    assert.strictEqual((await fetch(`${at()}${script}`)).status, 200)
    assert.include(await (await fetch(`${at()}/stoa/docs/swagger`)).text(), "\"servers\":[{\"url\":\"/stoa\"}]")
    assert.strictEqual((await fetch(`${at()}/stoa/docs/chat_completions.json`)).status, 200)
    const missing = await jsonOf(fetch(`${at()}/stoa/nowhere`))
    assert.include(missing.detail, "/stoa/openapi.json")
    const models = await fetch(`${at()}/stoa/v1/models`, { headers: cookie("bert") })
    assert.strictEqual((await jsonOf(models)).object, "list")
    const root = await jsonOf(fetch(`${at()}/stoa/open-agent/v1`, { headers: cookie("bert") }))
    assert.strictEqual(root.documentation, "/stoa/docs/open_agent")
  })

  it("notices when the client of a stream leaves, and keeps the run", async () => {
    const client = Client.make({ url: `${at()}/stoa`, headers: cookie("cora") })
    const { agent_id } = await agentOf(client)
    const run = await client.send({ agent_id, input: "repeat 100 word\nsleep 60000" })
    const leaving = new AbortController()
    const stream = await fetch(`${at()}/stoa/sessions/${run.session_id}/stream`, {
      headers: cookie("cora"),
      signal: leaving.signal
    })
    assert.strictEqual(stream.headers.get("content-type"), "text/event-stream; charset=utf-8")
    await stream.body!.getReader().read()
    assert.isAbove(host.answering(), 0)
    leaving.abort()
    await eventually(async () => host.answering() === 0)
    assert.strictEqual((await client.runs.get(run.run_id)).status, "running")
    await client.stop(run.run_id)
  })
})

describe("A mounted host", () => {
  it("says what is wrong when something has read the body before it", async () => {
    const node = createServer((request, response) => {
      request.resume().once("end", () => host.handler({ user: () => "dora" })(request, response))
    })
    const { url } = await listening(node.listen(0, "127.0.0.1"))
    const answer = await fetch(`${url}/agent`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" }
    })
    assert.strictEqual(answer.status, 500)
    assert.strictEqual((await jsonOf(answer)).code, "body_was_read")
    node.close()
  })

  it("forgets who has left while the program looked for who it was", async () => {
    let know = (_: string) => {}
    let hasLeft = false
    const stoa = host.handler({ user: () => new Promise<string>((resolve) => know = resolve) })
    const node = createServer((request, response) => {
      response.once("close", () => hasLeft = true)
      stoa(request, response)
      leaving.abort()
    })
    const leaving = new AbortController()
    const { url } = await listening(node.listen(0, "127.0.0.1"))
    await fetch(`${url}/sessions`, { signal: leaving.signal }).catch(() => undefined)
    await eventually(async () => hasLeft)
    know("gina")
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.strictEqual(host.answering(), 0)
    node.close()
  })

  it("opens WebSockets for whoever hands it the handshakes", async () => {
    const { url } = servers.get("node:http")!
    const socket = new WebSocket(`${url.replace("http", "ws")}/stoa/v1/responses`, { headers: cookie("eric") })
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject))
    const said = new Promise<string>((resolve) => socket.once("message", (data) => resolve(String(data))))
    socket.send("{}")
    assert.include(await said, "error")
    socket.close()
    const refused = new WebSocket(`${url.replace("http", "ws")}/stoa/sessions`, { headers: cookie("eric") })
    await new Promise((resolve) => refused.once("error", resolve))
  })

  it("answers a client that asks for another protocol than WebSockets as if it had not", async () => {
    const { url } = servers.get("node:http")!
    const said = (head: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port) })
        let text = ""
        socket.on("data", (bytes) => text += bytes.toString()).once("end", () => resolve(text)).once("error", reject)
        socket.write(
          `${head}\r\nhost: stoa\r\ncookie: ${cookie("eric").cookie}\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n`
        )
      })
    const answer = await said("GET /stoa/sessions HTTP/1.1")
    assert.match(answer, /^HTTP\/1\.1 200 OK/)
    assert.include(answer, "\"sessions\"")
    assert.match(
      await said("POST /stoa/sessions HTTP/1.1\r\ncontent-length: 2"),
      /^HTTP\/1\.1 400 [\s\S]*upgrade_with_body/
    )
  })

  it("writes no more than its reader takes, and forgets a reader that cancels", async () => {
    const client = host.as("fred")
    const { agent_id } = await agentOf(client)
    const { run } = await client.invoke({ agent_id, input: "repeat 5000 several-words" })
    const fetched = await host.fetch({ user: () => "fred" })(
      new Request(`http://stoa/sessions/${run.session_id}/stream?after=0`)
    )
    const reader = fetched.body!.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.isAbove(host.answering(), 0)
    await reader.cancel()
    await eventually(async () => host.answering() === 0)
  })
})
