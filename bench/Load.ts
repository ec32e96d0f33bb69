/** The load: requests over kept-alive connections on loopback, with as little work as possible on this side. */
import * as Http from "node:http"
import * as Net from "node:net"

/** No request of a benchmark takes longer, in milliseconds. */
const patience = 60_000

const agent = new Http.Agent({ keepAlive: true, maxFreeSockets: 1024 })

/** Closes the connections that are kept. */
export const hangUp = (): void => agent.destroy()

export interface Request {
  readonly port: number
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: string
}

const options = ({ body, method, path, port }: Request): Http.RequestOptions => ({
  host: "127.0.0.1",
  port,
  method,
  path,
  agent,
  headers: {
    "x-user-id": "bench",
    ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
  }
})

/** Sends and hands every piece of the body to `onText`; answers how many bytes came over the wire. */
const exchange = (request: Request, onText: (text: string) => void): Promise<number> =>
  new Promise((resolve, reject) => {
    let before = 0
    const sent = Http.request(options(request), (response) => {
      const { socket } = response
      const ok = response.statusCode! < 300
      let refusal = ""
      response.setEncoding("utf8")
      response.on("data", (text: string) => {
        if (ok) onText(text)
        else refusal += text
      })
      response.on("end", () => {
        if (ok) resolve(socket.bytesRead - before)
        else reject(new Error(`${request.method} ${request.path}: ${response.statusCode} ${refusal}`))
      })
      response.on("error", reject)
    })
    sent.once("socket", (socket) => {
      before = socket.bytesRead
    })
    sent.setTimeout(patience, () => sent.destroy(new Error(`${request.method} ${request.path}: no answer`)))
    sent.on("error", reject)
    sent.end(request.body)
  })

/** Sends and reads the answer to its end. */
export const read = async (request: Request): Promise<string> => {
  let text = ""
  await exchange(request, (piece) => {
    text += piece
  })
  return text
}

/** Asks for JSON. */
export const ask = async (request: Request): Promise<Record<string, string>> =>
  JSON.parse(await read(request)) as Record<string, string>

export interface Reply {
  /** Milliseconds from the request to the first delta of text. */
  readonly firstDelta: number
  /** Bytes that came over the wire: head, chunk sizes and body. */
  readonly bytes: number
  readonly text: string
}

/** Sends an input and reads its reply to the end. */
export const reply = async (request: Request): Promise<Reply> => {
  const since = performance.now()
  let firstDelta: number | undefined
  let text = ""
  const bytes = await exchange(request, (piece) => {
    text += piece
    if (firstDelta === undefined && text.includes("\"TEXT_BLOCK_DELTA\"")) firstDelta = performance.now() - since
  })
  if (firstDelta === undefined || !text.includes("\"finished_reason\":\"completed\"")) {
    throw new Error(`The reply did not complete: ${text.slice(-1000)}`)
  }
  return { firstDelta, bytes, text }
}

export interface Watch {
  /** What came so far. */
  readonly text: () => string
  /** Resolves when `test` holds of the last of what came, about two thousand characters of it. */
  readonly until: (test: (tail: string) => boolean) => Promise<void>
  readonly forget: () => void
  readonly leave: () => void
}

/** Characters that a test of what came last is given. */
const tailLength = 2_000

/** Follows a stream; resolves when its first bytes are there. */
export const watch = (port: number, path: string): Promise<Watch> =>
  new Promise((resolve, reject) => {
    let pieces: Array<string> = []
    // Apart, because a look at the end of a long text that is being put together copies all of it.
    let tail = ""
    let check = () => {}
    let fail = reject
    const sent = Http.request({ ...options({ port, method: "GET", path }), agent: false }, (response) => {
      response.setEncoding("utf8")
      response.on("data", (piece: string) => {
        pieces.push(piece)
        tail = (piece.length < tailLength ? tail + piece : piece).slice(-tailLength)
        if (response.statusCode !== 200) return fail(new Error(`GET ${path}: ${response.statusCode} ${piece}`))
        resolve(following)
        check()
      })
      response.on("error", (cause) => fail(cause))
      response.on("close", () => fail(new Error(`The stream ended: ${tail}`)))
    })
    const following: Watch = {
      text: () => pieces.join(""),
      until: (test) =>
        new Promise((done, failed) => {
          fail = failed
          check = () => {
            if (!test(tail)) return
            check = () => {}
            done()
          }
          check()
        }),
      forget: () => {
        pieces = []
        tail = ""
      },
      leave: () => {
        fail = () => {}
        sent.destroy()
      }
    }
    sent.on("error", (cause) => fail(cause))
    sent.end()
  })

/** Opens a stream that nobody reads from after its first bytes, at the least cost on this side. */
export const idle = (port: number, path: string): Promise<Net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("error", reject)
    socket.once("connect", () => socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-user-id: bench\r\n\r\n`))
    let head = ""
    socket.on("data", (chunk) => {
      if (head === "done") return
      head += chunk.toString("latin1")
      if (!head.includes(": ok\n")) return
      if (!head.startsWith("HTTP/1.1 200")) return reject(new Error(head.slice(0, 500)))
      head = "done"
      resolve(socket)
    })
  })
