/** Connections as somebody makes them who means no good. */
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../../support/Patience.ts"

export interface Raw {
  readonly socket: Socket
  /** All that came. */
  readonly text: () => string
  readonly closed: Promise<void>
  readonly isClosed: () => boolean
  readonly send: (text: string) => void
  readonly until: (holds: (text: string) => boolean) => Promise<boolean>
}

/** Resolves when it is connected, or cannot be. */
export const open = (url: string, { reads = true } = {}): Promise<Raw> =>
  new Promise((done) => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    let text = ""
    let isClosed = false
    const closed = new Promise<void>((end) =>
      socket.once("close", () => {
        isClosed = true
        end()
        done(raw)
      })
    )
    socket.setEncoding("latin1")
    socket.on("error", () => {})
    if (reads) {
      socket.on("data", (chunk) => text += String(chunk))
      socket.on("end", () => socket.end())
    } else socket.pause()
    const raw: Raw = {
      socket,
      text: () => text,
      closed,
      isClosed: () => isClosed,
      send: (bytes) => void socket.write(bytes),
      until: async (holds) => {
        const limit = performance.now() + patience(5_000)
        while (!holds(text) && !isClosed && performance.now() < limit) await sleep(10)
        return holds(text)
      }
    }
    socket.once("connect", () => done(raw))
  })

/** Sends text and breaks the connection: at once, or when the first bytes of an answer have come. */
export const sendAndReset = async (url: string, text: string, when: "at once" | "answered" = "at once") => {
  const raw = await open(url)
  raw.send(text)
  if (when === "answered") await raw.until((got) => got.length > 0)
  else await sleep(2)
  raw.socket.resetAndDestroy()
  await raw.closed
}

/** The head of a request of `mallory`; a header that is empty is left out. */
export const head = (url: string, line: string, headers: Readonly<Record<string, string>> = {}) => {
  const { host } = new URL(url)
  const lines = Object.entries({ host, "x-user-id": "mallory", ...headers })
    .flatMap(([name, value]) => value === "" ? [] : [`${name}: ${value}`])
  return `${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`
}
