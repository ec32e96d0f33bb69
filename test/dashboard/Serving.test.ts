/** How the built server hands out the dashboard: its files, its page, and where they are found. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createServer, request, type Server as HttpServer } from "node:http"
import type { AddressInfo } from "node:net"
import { patience } from "../support/Patience.ts"
import { type Server, startServer, temporaryFolder } from "../support/Server.ts"

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: Server

beforeAll(async () => {
  folder = await temporaryFolder()
  server = await startServer(["--data-dir", folder.path])
}, patience(60_000))

afterAll(async () => {
  await server?.kill("SIGTERM")
  await folder?.remove()
}, patience(60_000))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
  readonly bytes: number
}

/** Asks for a path as it is: `fetch` would tidy it up, and unpack what comes. */
const ask = (path: string, headers: Record<string, string> = {}, base = server.url, method = "GET") =>
  new Promise<Answer>((done, fail) => {
    const { hostname, port } = new URL(base)
    const asked = request({ hostname, port, path, method, headers }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => {
        const body = Buffer.concat(chunks)
        done({
          status: response.statusCode!,
          headers: response.headers,
          text: body.toString("utf8"),
          bytes: body.length
        })
      })
    })
    asked.on("error", fail)
    asked.end()
  })

const browser = { accept: "text/html,application/xhtml+xml", "sec-fetch-dest": "document" }

const scriptIn = (html: string) => /src="\.\/(assets\/[\w.-]+\.js)"/.exec(html)![1]!

describe("The server", () => {
  it("sends a browser from its root to the dashboard, and tells programs what they asked for", async () => {
    const visited = await ask("/", browser)
    assert.strictEqual(visited.status, 302)
    assert.strictEqual(visited.headers["location"], "/dashboard")
    for (const headers of [{}, { accept: "application/json" }, { accept: "*/*" }]) {
      const { status, text } = await ask("/", headers)
      assert.strictEqual(status, 200)
      assert.isObject(JSON.parse(text))
    }
    assert.strictEqual((await ask("/", { ...browser, "sec-fetch-dest": "empty" })).status, 200)
  })

  it("shows its page under a policy that runs no text and asks no other host, with a nonce of its own each time", async () => {
    const [{ headers, text }, again] = await Promise.all([ask("/dashboard/", browser), ask("/dashboard/", browser)])
    const policy = String(headers["content-security-policy"])
    assert.include(policy, "default-src 'none'; script-src 'self';")
    assert.include(policy, "frame-ancestors 'none'")
    assert.notInclude(policy, "unsafe")
    assert.deepInclude(headers, {
      "cross-origin-opener-policy": "same-origin",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store"
    })
    const nonce = /name="style-nonce" content="([^"]+)"/.exec(text)![1]!
    assert.include(policy, `'nonce-${nonce}'`)
    assert.notInclude(again.text, nonce)
  })

  it("leads from every address of a screen back to its files", async () => {
    for (
      const [path, up] of [
        ["/dashboard", "dashboard/"],
        ["/dashboard/", "./"],
        ["/dashboard?x=/a/b", "dashboard/"],
        ["/dashboard/agents", "./"],
        ["/dashboard/agents/", "../"],
        ["/dashboard/agents/1", "../"],
        ["/dashboard/a/b/c", "../../"]
      ]
    ) {
      const { status, text } = await ask(path!, browser)
      assert.strictEqual(status, 200, path)
      assert.include(text, `<base href="${up}">`, path)
      assert.strictEqual(new URL(up!, server.url + path).pathname, "/dashboard/", path)
    }
    assert.strictEqual((await ask(`/dashboard/${"a/".repeat(40)}`, browser)).status, 404)
  })

  it("hands its files out packed, once for ever, and does not send again what a browser has", async () => {
    const path = `/dashboard/${scriptIn((await ask("/dashboard", browser)).text)}`
    const plain = await ask(path)
    assert.strictEqual(plain.headers["content-type"], "text/javascript; charset=utf-8")
    assert.include(String(plain.headers["cache-control"]), "immutable")
    assert.include(String(plain.headers["vary"]), "Accept-Encoding")
    const tags = new Set([plain.headers["etag"]])
    for (const [accepted, coding] of [["gzip, deflate, br", "br"], ["gzip", "gzip"], ["br;q=0, gzip", "gzip"]]) {
      const packed = await ask(path, { "accept-encoding": accepted! })
      assert.strictEqual(packed.headers["content-encoding"], coding)
      assert.isBelow(packed.bytes, plain.bytes / 2)
      tags.add(packed.headers["etag"])
      const same = await ask(path, { "accept-encoding": accepted!, "if-none-match": String(packed.headers["etag"]) })
      assert.strictEqual(same.status, 304)
      assert.strictEqual(same.bytes, 0)
    }
    assert.strictEqual(tags.size, 3)
    const head = await ask(path, {}, server.url, "HEAD")
    assert.strictEqual(head.status, 200)
    assert.strictEqual(head.bytes, 0)
    assert.strictEqual((await ask("/dashboard/favicon.svg")).headers["cache-control"], "no-cache")
  })

  it("finds no file outside of the dashboard's", async () => {
    for (
      const path of [
        "/dashboard/assets/../../cli/Program.js",
        "/dashboard/assets/%2e%2e/%2e%2e/package.json",
        "/dashboard/assets/..%2f..%2fpackage.json",
        "/dashboard/assets//etc/passwd",
        "/dashboard/assets/none.js"
      ]
    ) {
      const { status, text } = await ask(path)
      assert.isAbove(status, 399, path)
      assert.notInclude(text, "\"dependencies\"")
    }
    for (const path of ["/dashboard/.stamp", "/dashboard/%2e%2e/package.json", "/dashboard/index.html"]) {
      assert.match((await ask(path, browser)).text, /<base href=|no_such_path|malformed/, path)
    }
  })

  it("is found below a path that a proxy in front takes away", async () => {
    const proxy = await new Promise<HttpServer>((done) => {
      const made = createServer((incoming, outgoing) => {
        const path = incoming.url!.replace(/^\/tools\/ai/, "") || "/"
        void ask(path, browser).then(({ headers, status, text }) => {
          outgoing.writeHead(status, { "content-type": String(headers["content-type"]) }).end(text)
        })
      })
      made.listen(0, "127.0.0.1", () => done(made))
    })
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
      const page = await ask("/tools/ai/dashboard/agents/1", browser, url)
      const base = new URL(/<base href="([^"]+)"/.exec(page.text)![1]!, `${url}/tools/ai/dashboard/agents/1`)
      assert.strictEqual(base.pathname, "/tools/ai/dashboard/")
      const script = await ask(new URL(scriptIn(page.text), base).pathname, {}, url)
      assert.strictEqual(script.headers["content-type"], "text/javascript; charset=utf-8")
    } finally {
      proxy.close()
    }
  })
})
