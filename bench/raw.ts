/**
 * The reference: a plain `node:http` server that writes the same frames as Stoa
 * and does nothing else, one frame a turn of the event loop, or one every so
 * many milliseconds. `raw.ts <file>` takes the frames of a captured reply.
 */
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { serving } from "./Probe.ts"

/** Frames of one reply: what is before the deltas, one delta, what is after. */
export interface Template {
  readonly before: ReadonlyArray<string>
  readonly delta: string
  readonly after: ReadonlyArray<string>
}

const template = JSON.parse(Fs.readFileSync(process.argv[2]!, "utf8")) as Template
const before = template.before.map((frame) => Buffer.from(frame))
const delta = Buffer.from(template.delta)
const after = template.after.map((frame) => Buffer.from(frame))

const headers = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no"
}

const watchers = new Map<string, Set<Http.ServerResponse>>()

/** One reply on its way to the one who asked for it and to those who watch the session. */
class Reply {
  #next = 0
  readonly #deltas: number
  readonly #delay: number
  readonly #response: Http.ServerResponse
  readonly #watching: Set<Http.ServerResponse> | undefined

  constructor(session: string, deltas: number, response: Http.ServerResponse) {
    this.#deltas = deltas
    this.#delay = Number(/^delay-(\d+)/.exec(session)?.[1] ?? 0)
    this.#response = response
    this.#watching = watchers.get(session)
  }

  step = () => {
    const at = this.#next++
    const { length } = before
    if (at < length) this.#write(before[at]!)
    else if (at < length + this.#deltas) this.#write(delta)
    else this.#write(after[at - length - this.#deltas]!)
    if (this.#next === length + this.#deltas + after.length) this.#response.end()
    else if (this.#delay > 0 && this.#next >= length && this.#next < length + this.#deltas) {
      setTimeout(this.step, this.#delay)
    } else setImmediate(this.step)
  }

  #write(frame: Buffer) {
    this.#response.write(frame)
    if (this.#watching !== undefined) { for (const watcher of this.#watching) watcher.write(frame) }
  }
}

const chat = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
  let body = ""
  request.setEncoding("utf8")
  request.on("data", (chunk: string) => {
    body += chunk
  })
  request.on("end", () => {
    const { input, session_id } = JSON.parse(body) as { session_id: string; input: { content: string } }
    response.writeHead(200, headers)
    response.write(": ok\n")
    new Reply(session_id, Number(/^repeat (\d+)/.exec(input.content)![1]), response).step()
  })
}

const watch = (session: string, response: Http.ServerResponse) => {
  response.writeHead(200, headers)
  response.write(": ok\n")
  let watching = watchers.get(session)
  if (watching === undefined) watchers.set(session, watching = new Set())
  watching.add(response)
  response.once("close", () => watching.delete(response))
}

const server = Http.createServer((request, response) => {
  const [, session] = /^\/sessions\/([^/]+)\/stream/.exec(request.url!) ?? []
  if (session !== undefined) watch(session, response)
  else chat(request, response)
})

server.listen(0, "127.0.0.1", () => {
  serving((server.address() as AddressInfo).port, () => {
    server.close()
    server.closeAllConnections()
    process.exit(0)
  }, {})
})
