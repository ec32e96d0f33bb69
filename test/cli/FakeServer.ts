/** A server that answers as a test says, on a real socket of its own. */
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface Asked {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: unknown
}

export type Answer = (response: ServerResponse) => void

export interface FakeServer {
  readonly url: string
  /** Every request so far, as `GET /agent?limit=1000`. */
  readonly asked: ReadonlyArray<Asked>
  readonly lines: () => ReadonlyArray<string>
}

export const json = (body: unknown, status = 200): Answer => (response) => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}

export const empty = (status: number): Answer => (response) => void response.writeHead(status).end()

export const problem = (
  tag: string,
  status: number,
  detail: string,
  errors?: ReadonlyArray<{ readonly path: string; readonly message: string }>
): Answer =>
  json({ _tag: tag, type: "about:blank", title: tag, status, detail, code: tag.toLowerCase(), errors }, status)

/** How a stream goes on after its frames: it ends, breaks in the middle of a frame, or says nothing more. */
export const sse = (frames: string, then: "ends" | "breaks" | "waits" = "ends"): Answer => (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(": ok\n")
  response.write(frames, () => {
    if (then === "ends") response.end()
    if (then === "breaks") setTimeout(() => response.destroy(), 20)
  })
}

const read = (request: IncomingMessage) =>
  new Promise<unknown>((resolve) => {
    let text = ""
    request.on("data", (chunk) => text += chunk)
    request.on("end", () => resolve(text === "" ? undefined : JSON.parse(text)))
  })

/** `answer` sees each request with those before it; what it does not answer is a 404. */
export const fakeServer = (
  answer: (asked: Asked, line: string) => Answer | undefined
): Effect.Effect<FakeServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const asked: Array<Asked> = []
    const sockets = new Set<Socket>()
    const server = createServer((request, response) => {
      void read(request).then((body) => {
        const now = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body }
        asked.push(now)
        const line = `${now.method} ${now.path}`
        const found = answer(now, line) ?? problem("NotFound", 404, `Nothing at '${now.path}'.`)
        found(response)
      })
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { url, asked, lines: () => asked.map(({ method, path }) => `${method} ${path}`) }
  })

/** A URL where nobody listens. */
export const nobody: Effect.Effect<string> = Effect.scoped(Effect.map(fakeServer(() => undefined), ({ url }) => url))
