/** The server of the tests at an address, by streamable HTTP with events. */
import { Effect } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Behaviour from "./behaviour.mjs"

const session = "one"

export interface AtAddress {
  readonly url: string
  /** Names of the tools that were called. */
  readonly calls: ReadonlyArray<string>
  /** Methods of the messages that came, and of the requests that were none. */
  readonly heard: ReadonlyArray<string>
  /** It forgets its session, as one that has started again. */
  readonly forget: () => void
}

/** With a secret it lets nobody in who does not bring it as a bearer token. */
export const atAddress = (mode = "good", secret?: string) =>
  Effect.gen(function*() {
    const { calls, handle } = Behaviour.server({ mode, env: secret === undefined ? {} : { secret } })
    const heard: Array<string> = []
    const open = new Set<ServerResponse>()
    let known = false
    const server = createServer((request, response) => {
      open.add(response)
      response.on("close", () => open.delete(response))
      const pieces: Array<Buffer> = []
      request.on("data", (piece: Buffer) => pieces.push(piece))
      request.on("end", () => {
        const refuse = (status: number) => response.writeHead(status).end()
        if (secret !== undefined && request.headers.authorization !== `Bearer ${secret}`) return refuse(401)
        if (request.method !== "POST") {
          heard.push(request.method!)
          return refuse(request.method === "DELETE" ? 204 : 405)
        }
        const message = JSON.parse(Buffer.concat(pieces).toString("utf8")) as { id?: unknown; method?: string }
        heard.push(message.method ?? "answer")
        if (message.method === "initialize") known = true
        else if (!known && message.method !== "server/discover") return refuse(404)
        if (message.id === undefined || message.method === undefined) {
          response.writeHead(202).end()
          return handle(message, { raw: () => {}, say: () => {}, die: () => {} })
        }
        let isPlain = false
        const begin = (type: string) => {
          if (!response.headersSent) response.writeHead(200, { "content-type": type, "mcp-session-id": session })
        }
        const raw = (text: string, then?: () => void) => {
          isPlain = true
          begin("application/json")
          if (text.endsWith("\n")) response.end(text)
          else response.write(text, () => then?.())
        }
        const say = (said: object, then?: () => void) => {
          const all = Array.isArray(said) ? said as ReadonlyArray<object> : [said]
          begin("text/event-stream")
          response.write(
            all.map((one) => `event: message\ndata: ${JSON.stringify(one)}\n\n`).join(""),
            () => then?.()
          )
          // Not at once: some answer twice.
          if (all.some((one) => "id" in one && one.id === message.id) && !isPlain) setImmediate(() => response.end())
        }
        handle(message, { raw, say, die: () => response.destroy() })
      })
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() =>
          new Promise<void>((resolve) => {
            for (const response of open) response.destroy()
            server.close(() => resolve())
            server.closeAllConnections()
          })
        )
    )
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      calls,
      heard,
      forget: () => {
        known = false
      }
    } satisfies AtAddress
  })
