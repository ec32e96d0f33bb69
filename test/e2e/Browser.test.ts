/**
 * A page of another origin in a real browser, against the built server: what it
 * may send, read and follow. Needs Chromium; `CHROMIUM` names it if it is elsewhere.
 */
import { assert } from "@effect/vitest"
import { createServer, type Server as HttpServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, it } from "vitest"
import { isThere, launch } from "../support/browser.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

/** Serves an empty page, so that scripts have its origin. */
const emptyPages = () =>
  new Promise<HttpServer>((done) => {
    const server = createServer((_, response) =>
      response.setHeader("content-type", "text/html").end("<title>x</title>")
    )
    server.listen(0, "127.0.0.1", () => done(server))
  })

const urlOf = (server: HttpServer, host: string) => `http://${host}:${(server.address() as AddressInfo).port}`

/** What a page gets of a request: the status and the sentence, or what its browser says of it. */
interface Got {
  readonly status?: number
  readonly detail?: string
  readonly failed?: string
}

describe.skipIf(!isThere)("A page in a browser", { timeout: patience(120_000) }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: Server
  let pages: HttpServer
  let browser: Browser
  let page: Page
  const asked: Array<string> = []

  beforeAll(async () => {
    folder = await temporaryFolder()
    const [started, served, launched] = await Promise.all([
      startServer(["--data-dir", folder.path]),
      emptyPages(),
      launch()
    ])
    server = started
    pages = served
    browser = launched
    page = await browser.newPage()
    page.on("request", (request) => void asked.push(request.url()))
    await page.goto(urlOf(pages, "127.0.0.1"))
  }, patience(120_000))

  afterAll(async () => {
    await browser?.close()
    pages?.close()
    await server?.kill("SIGTERM")
    await folder?.remove()
  }, patience(60_000))

  /** Asks as a web UI does: with a user, and JSON. */
  const ask = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { "x-user-id": "ada" }
  ) =>
    page.evaluate(async ([url, method, body, headers]): Promise<Got> => {
      try {
        const response = await fetch(url, {
          method,
          headers: { "content-type": "application/json", ...headers },
          body
        })
        const { detail } = await response.json() as Got
        return { status: response.status, ...detail !== undefined && { detail } }
      } catch (error) {
        return { failed: String(error) }
      }
    }, [server.url + path, method, body === undefined ? null : JSON.stringify(body), headers] as const)

  it("reads what was refused, in words, on paths that are there and on those that are not", async () => {
    for (
      const [expected, status, got] of [
        ["There is nothing at this path", 404, await ask("GET", "/nowhere/")],
        ["There is nothing at this path", 404, await ask("DELETE", "/workspace/nowhere/x?agent_id=a&session_id=s")],
        ["Agent 'x' not found", 404, await ask("PATCH", "/agent/x", { name: "y" })],
        ["name", 422, await ask("POST", "/agent/", {})],
        [
          "max_concurrency",
          422,
          await ask("POST", "/credential/", { data: { type: "demo_credential", max_concurrency: "x" } })
        ],
        ["", 401, await ask("GET", "/agent/", undefined, {})],
        ["larger", 413, await ask("POST", "/agent/", { name: "x".repeat(2 * 1024 * 1024) })],
        ["answers to", 405, await ask("PUT", "/agent/", {})]
      ] as const
    ) {
      assert.strictEqual(got.status, status, JSON.stringify(got))
      assert.include(got.detail, expected)
    }
  })

  it("follows a stream with fetch, frame by frame, and goes on with the id of the last one", async () => {
    const client = clientOf(server.url)
    const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
    const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
    const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
    const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config })
    const body = JSON.stringify({ agent_id, session_id, input: { content: "say one two three" } })
    const { first, rest } = await page.evaluate(async ([url, session_id, body]) => {
      const headers = { "x-user-id": "ada", "content-type": "application/json" }
      const response = await fetch(`${url}/chat/`, { method: "POST", headers, body })
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      let first = ""
      for (let next = await reader.read(); !next.done; next = await reader.read()) first += next.value
      const [, id] = /^id: (\d+)$/m.exec(first)!
      const leaving = new AbortController()
      const again = await fetch(`${url}/sessions/${session_id}/stream`, {
        headers: { "x-user-id": "ada", "last-event-id": id! },
        signal: leaving.signal
      })
      const later = again.body!.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ""
      while (!rest.includes("REPLY_END")) rest += (await later.read()).value ?? ""
      leaving.abort()
      return { first, rest }
    }, [server.url, session_id, body] as const)
    const frames = (text: string) => Array.from(text.matchAll(/^id: (\d+)\ndata: (.*)$/gm), ([frame]) => frame)
    assert.include(first, "REPLY_START")
    assert.deepStrictEqual(frames(rest), frames(first).slice(1))
  })

  it("of an origin that is not admitted gets nothing", async () => {
    const other = await browser.newPage()
    // The browser takes every name under localhost for this machine; the server admits only localhost itself.
    await other.goto(urlOf(pages, "evil.localhost"))
    const got = await other.evaluate(
      (url) => fetch(`${url}/liveness`).then(() => "read", (error: unknown) => String(error)),
      server.url
    )
    assert.include(got, "Failed to fetch")
    await other.close()
  })

  it("shows the API on each page of ours, and asks no other host for anything", async () => {
    for (const path of ["/docs", "/docs/swagger", "/redoc"]) {
      const shown = await browser.newPage()
      const hosts = new Set<string>()
      const errors: Array<string> = []
      shown.on("request", (request) => void hosts.add(new URL(request.url()).origin))
      shown.on("pageerror", (error) => void errors.push(error.message))
      await shown.goto(server.url + path)
      // What the document says of the API: the page shows it when it has read the document.
      await shown.getByText("The open server where agents live.").first()
        .waitFor({ timeout: patience(30_000), state: "attached" })
      hosts.delete("null")
      assert.deepStrictEqual([...hosts], [server.url], path)
      assert.deepStrictEqual(errors, [], path)
      await shown.close()
    }
  })
})
