/**
 * A service for tests that speaks E2B's API, as strict as the real one about what it is asked, at a port of this machine.
 * Its sandboxes are bubblewrap sandboxes in which programs really run.
 */
import { Effect, Either, ParseResult, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { answer as inSandbox } from "./Envd.ts"
import * as Sandbox from "./Sandbox.ts"

export const apiKey = "e2b_0123456789abcdef"

const Seconds = Schema.Int.pipe(Schema.between(1, 3600))
const Create = Schema.Struct({
  templateID: Schema.String,
  timeout: Seconds,
  metadata: Schema.Record({ key: Schema.String, value: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/)) }),
  secure: Schema.Literal(true),
  autoPause: Schema.optional(Schema.Boolean),
  allow_internet_access: Schema.Boolean
})
const Timeout = Schema.Struct({ timeout: Seconds })

/** What becomes of a request instead of what it asks for. */
export type Fault = { readonly status: number; readonly message: string; readonly after?: number } | "hang" | "cut"

export const fakeService = Effect.acquireRelease(
  Effect.promise(async () => {
    const dir = mkdtempSync(join(tmpdir(), "stoa-e2b-"))
    const sandboxes = new Map<string, Sandbox.Fake>()
    const asked: Array<string> = []
    const sockets = new Set<Socket>()
    const state = { fault: undefined as ((method: string, path: string) => Fault | undefined) | undefined }

    const json = (response: ServerResponse, status: number, body: object) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body))

    const bodyOf = async <A, I>(request: IncomingMessage, schema: Schema.Schema<A, I>) => {
      const pieces: Array<Buffer> = []
      for await (const piece of request) pieces.push(piece as Buffer)
      return Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(
        JSON.parse(Buffer.concat(pieces).toString())
      ).pipe(Either.mapLeft(ParseResult.TreeFormatter.formatErrorSync))
    }

    const shown = ({ id, metadata, startedAt, state, template, token }: Sandbox.Fake) => ({
      sandboxID: id,
      templateID: template,
      clientID: "fake",
      envdVersion: "0.6.0",
      envdAccessToken: token,
      metadata,
      startedAt,
      state,
      domain: null
    })

    /** What a real one does by itself when its time is over. */
    const settle = async (sandbox: Sandbox.Fake) => {
      if (sandbox.state !== "running" || sandbox.until > Date.now()) return
      if (sandbox.autoPause) await pause(sandbox)
      else await kill(sandbox)
    }
    const pause = async (sandbox: Sandbox.Fake) => {
      sandbox.state = "paused"
      await Sandbox.stop(sandbox)
    }
    const kill = async (sandbox: Sandbox.Fake) => {
      sandboxes.delete(sandbox.id)
      await Sandbox.destroy(sandbox)
    }

    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
      const url = new URL(request.url ?? "/", "http://fake")
      const path = url.pathname
      const route = `${request.method} ${path.replace(/\/i[0-9a-f]{20}/, "/ID")}`
      asked.push(route)
      const fault = state.fault?.(request.method!, path)
      if (fault === "hang") return undefined
      if (fault === "cut") return request.socket.destroy()
      if (fault !== undefined) {
        if (fault.after !== undefined) response.setHeader("Retry-After", String(fault.after))
        return json(response, fault.status, { code: fault.status, message: fault.message })
      }
      const id = request.headers["e2b-sandbox-id"]
      if (typeof id === "string") {
        const sandbox = sandboxes.get(id)
        if (sandbox !== undefined) await settle(sandbox)
        if (sandbox === undefined || sandboxes.get(id) === undefined || sandbox.state === "paused") {
          return json(response, 502, { sandboxId: id, message: "The sandbox was not found", code: 502 })
        }
        if (request.headers["e2b-sandbox-port"] !== "49983" || request.headers["x-access-token"] !== sandbox.token) {
          return json(response, 401, { code: 401, message: "unauthorized" })
        }
        if (request.headers.authorization !== `Basic ${btoa("user:")}` || request.headers["x-api-key"] !== undefined) {
          return json(response, 401, { code: 401, message: "no user" })
        }
        return inSandbox(sandbox, url, request, response)
      }
      if (request.headers["x-api-key"] !== apiKey) {
        return json(response, 401, { code: 401, message: `Invalid API key ${request.headers["x-api-key"]}` })
      }
      const sandbox = sandboxes.get(path.split("/")[2] ?? "")
      if (sandbox !== undefined) await settle(sandbox)
      if (path.startsWith("/sandboxes/") && !sandboxes.has(path.split("/")[2] ?? "")) {
        return json(response, 404, { code: 404, message: "sandbox not found" })
      }
      switch (route) {
        case "GET /v2/sandboxes": {
          for (const one of sandboxes.values()) await settle(one)
          const wanted = [...new URLSearchParams(url.searchParams.get("metadata") ?? "")]
          if (url.searchParams.get("state") !== "running,paused") return json(response, 200, [])
          const found = [...sandboxes.values()].filter(({ metadata }) =>
            wanted.every(([name, value]) => metadata[name] === value)
          )
          const from = Number(url.searchParams.get("nextToken") ?? 0)
          const limit = Math.min(100, Number(url.searchParams.get("limit")))
          if (from + limit < found.length) response.setHeader("x-next-token", String(from + limit))
          return json(response, 200, found.slice(from, from + limit).map(shown))
        }
        // The first version knows nothing of those that sleep.
        case "GET /sandboxes": {
          const wanted = [...new URLSearchParams(url.searchParams.get("metadata") ?? "")]
          const found = [...sandboxes.values()].filter(({ metadata, state }) =>
            state === "running" && wanted.every(([name, value]) => metadata[name] === value)
          )
          return json(response, 200, found.map(shown))
        }
        case "POST /sandboxes": {
          const made = await bodyOf(request, Create)
          if (Either.isLeft(made)) return json(response, 400, { code: 400, message: made.left })
          const { autoPause = false, metadata, templateID, timeout } = made.right
          if (templateID !== "base") {
            return json(response, 404, { code: 404, message: `template '${templateID}' not found` })
          }
          const id = `i${randomBytes(10).toString("hex")}`
          const one = Sandbox.make(join(dir, id), {
            id,
            token: randomBytes(16).toString("hex"),
            metadata,
            template: templateID,
            until: Date.now() + timeout * 1000,
            autoPause
          })
          sandboxes.set(id, one)
          return json(response, 201, shown(one))
        }
        case "POST /sandboxes/ID/connect": {
          const asks = await bodyOf(request, Timeout)
          if (Either.isLeft(asks)) return json(response, 400, { code: 400, message: asks.left })
          const slept = sandbox!.state === "paused"
          sandbox!.state = "running"
          sandbox!.until = Math.max(slept ? 0 : sandbox!.until, Date.now() + asks.right.timeout * 1000)
          return json(response, slept ? 201 : 200, shown(sandbox!))
        }
        case "POST /sandboxes/ID/timeout": {
          const asks = await bodyOf(request, Timeout)
          if (Either.isLeft(asks)) return json(response, 400, { code: 400, message: asks.left })
          if (sandbox!.state === "paused") return json(response, 404, { code: 404, message: "sandbox is not running" })
          sandbox!.until = Date.now() + asks.right.timeout * 1000
          return response.writeHead(204).end()
        }
        case "DELETE /sandboxes/ID":
          await kill(sandbox!)
          return response.writeHead(204).end()
      }
      return json(response, 404, { code: 404, message: "not found" })
    }

    const clock = setInterval(() => {
      for (const one of sandboxes.values()) void settle(one)
    }, 100)
    const server = createServer((request, response) => {
      response.on("error", () => {})
      request.on("error", () => {})
      answer(request, response).catch(() => request.socket.destroy())
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return {
      url,
      asked,
      state,
      sandboxes: () => [...sandboxes.values()],
      pause,
      kill,
      /** Leaves a sandbox as a server that was killed would have. */
      add: (metadata: Readonly<Record<string, string>>) => {
        const id = `i${randomBytes(10).toString("hex")}`
        sandboxes.set(
          id,
          Sandbox.make(join(dir, id), {
            id,
            token: "t",
            metadata,
            template: "base",
            until: Date.now() + 60_000,
            autoPause: true
          })
        )
      },
      /** Breaks all connections that are open now. */
      cut: () => {
        for (const socket of sockets) socket.destroy()
      },
      close: async () => {
        clearInterval(clock)
        server.close()
        for (const socket of sockets) socket.destroy()
        for (const one of sandboxes.values()) await kill(one)
        rmSync(dir, { recursive: true, force: true })
      }
    }
  }),
  ({ close }) => Effect.promise(close)
)
