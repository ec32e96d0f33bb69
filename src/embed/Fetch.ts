/**
 * A web `Request` answered by a handler of Node's requests. Both talk HTTP over a pipe inside of this process, so that
 * backpressure, broken connections and bodies are what they are on a socket.
 */
import { createServer, type IncomingMessage, request as ask, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { pipe } from "./Pipe.ts"

/** `socket` is that of a handshake, which its response does not keep. */
export type Handle = (request: IncomingMessage, response: ServerResponse, socket?: Duplex) => void

/** Bytes of an answer that may wait for its reader. */
const lowWater = 64 * 1024

/** What is the connection's, and not the message's. */
const ofConnection = new Set(["connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect", "host"])

/** Statuses of answers that cannot have a body. */
const bodyless = new Set([101, 103, 204, 205, 304])

const ignore = () => {}

const headersOf = (request: Request, host: string) => {
  const headers: Record<string, string> = { host: request.headers.get("host") ?? host }
  for (const [name, value] of request.headers) if (!ofConnection.has(name)) headers[name] = value
  return headers
}

/** The body as its reader takes it. A reader that leaves ends the connection. */
const bodyOf = (message: IncomingMessage) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      let isOver = false
      const over = (end: () => void) => {
        if (isOver) return
        isOver = true
        end()
      }
      message.on("data", (chunk: Buffer) => {
        controller.enqueue(new Uint8Array(chunk))
        if ((controller.desiredSize ?? 0) <= 0) message.pause()
      })
      message.on("end", () => over(() => controller.close()))
      message.on("error", (error) => over(() => controller.error(error)))
      message.on("close", () => over(() => controller.error(new TypeError("The connection was closed."))))
      message.pause()
    },
    pull: () => void message.resume(),
    cancel: () => {
      message.on("error", ignore)
      message.removeAllListeners("close")
      message.removeAllListeners("data")
      message.destroy()
    }
  }, new ByteLengthQueuingStrategy({ highWaterMark: lowWater }))

const responseOf = (message: IncomingMessage, method: string): Response => {
  const headers = new Headers()
  const raw = message.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    if (!ofConnection.has(raw[i]!.toLowerCase())) headers.append(raw[i]!, raw[i + 1]!)
  }
  const status = message.statusCode ?? 500
  const isEmpty = method === "HEAD" || bodyless.has(status)
  if (isEmpty) message.resume()
  return new Response(isEmpty ? null : bodyOf(message), { status, statusText: message.statusMessage ?? "", headers })
}

/** `path` is what of the request's address the handler sees. */
export type FetchOver = (
  request: Request,
  path: string,
  before: (incoming: IncomingMessage) => void
) => Promise<Response>

/** `close` cuts what is still being answered. */
export const make = (handle: Handle) => {
  const before = new WeakMap<Socket, (incoming: IncomingMessage) => void>()
  const open = new Set<{ readonly destroy: () => unknown }>()
  const node = createServer({ requireHostHeader: false, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
    response.on("error", ignore)
    before.get(request.socket)?.(request)
    handle(request, response)
  })

  const fetch: FetchOver = (request, path, tell) =>
    new Promise<Response>((resolve, reject) => {
      const { method, signal } = request
      if (signal.aborted) return reject(signal.reason)
      const [client, server] = pipe()
      open.add(server)
      server.once("close", () => open.delete(server))
      const socket = server as Socket
      before.set(socket, tell)
      node.emit("connection", socket)
      const asking = ask({
        // Of its own connection, which ends with the answer.
        createConnection: () => client,
        method,
        path,
        headers: headersOf(request, new URL(request.url).host)
      })
      const abort = () => {
        client.destroy()
        reject(signal.reason)
      }
      signal.addEventListener("abort", abort, { once: true })
      client.once("close", () => signal.removeEventListener("abort", abort))
      asking.on("error", (cause) => reject(new TypeError("fetch failed", { cause })))
      asking.on("response", (message) => resolve(responseOf(message, method)))
      if (request.body === null) asking.end()
      else pipeline(Readable.fromWeb(request.body as Parameters<typeof Readable.fromWeb>[0]), asking).catch(ignore)
    })

  const close = () => {
    for (const socket of open) socket.destroy()
    node.closeAllConnections()
  }
  return { fetch, close, count: () => open.size }
}
