/** A provider's server on loopback that answers as it is told, remembers what it was asked, and misbehaves on demand. */
import { Effect } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Json, Plain, Received, Streamed } from "./Wire.ts"

/** What comes after the last chunk: the end, a connection that is closed or reset too early, or nothing. */
export type Ending = "end" | "cut" | "reset" | "hang"

export type Answer =
  | (Pick<Streamed, "content_type" | "chunks"> & {
    readonly ending?: Ending
    /** Milliseconds before each chunk. */
    readonly pause?: number
  })
  | Plain
  /** Never answers. */
  | "hang"
  /** Closes the connection without an answer. */
  | "drop"

/** How long clients have to read what was sent before its connection breaks, in milliseconds. */
const unread = 50

const write = (response: ServerResponse, chunk: Uint8Array) =>
  new Promise<void>((resolve) => response.write(chunk, () => resolve()))

const reply = async (response: ServerResponse, answer: Answer) => {
  if (answer === "hang") return
  if (answer === "drop") return response.destroy()
  if ("status" in answer) {
    response.writeHead(answer.status, answer.headers)
    return response.end(answer.body)
  }
  response.writeHead(200, { "content-type": answer.content_type })
  response.flushHeaders()
  for (const chunk of answer.chunks) {
    if (answer.pause !== undefined) await sleep(answer.pause)
    if (response.destroyed) return
    await write(response, chunk)
  }
  // A client that has not read it yet would lose what came before.
  if (answer.ending === "cut" || answer.ending === "reset") await sleep(unread)
  if (answer.ending === "cut") response.destroy()
  else if (answer.ending === "reset") response.socket?.resetAndDestroy()
  else if (answer.ending !== "hang") response.end()
}

const parsed = (text: string): Json => {
  try {
    return text === "" ? undefined : JSON.parse(text)
  } catch {
    return text
  }
}

export interface FakeProvider {
  /** `http://127.0.0.1:40001` */
  readonly origin: string
  /** Oldest first. */
  readonly received: ReadonlyArray<Received>
  /** Why requests were refused; the provider does that by itself. */
  readonly refused: ReadonlyArray<string>
  /** Settles when no answer is open any more: each has ended, or its client has left. */
  readonly left: () => Promise<void>
  /** Forgets what was received; answers in this order from now on, and stays with the last. */
  readonly answer: (...answers: ReadonlyArray<Answer>) => void
}

/** Says why a request is refused, and how. */
export type Judge = (
  request: Received
) => { readonly faults: ReadonlyArray<string>; readonly answer: Plain } | undefined

/** Closed with the scope. */
export const judging = (judge: Judge) =>
  Effect.acquireRelease(
    Effect.async<FakeProvider & { readonly close: () => void }>((resume) => {
      const refused: Array<string> = []
      const received: Array<Received> = []
      let answers: ReadonlyArray<Answer> = []
      const open = new Set<ServerResponse>()
      let left: Array<() => void> = []
      const server = createServer((request, response) => {
        request.socket.setNoDelay(true)
        const body: Array<Buffer> = []
        open.add(response)
        response.on("close", () => {
          open.delete(response)
          if (open.size > 0) return
          for (const resolve of left) resolve()
          left = []
        })
        request.on("data", (data: Buffer) => body.push(data))
        request.on("end", () => {
          const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1")
          const asked: Received = {
            method: request.method ?? "",
            path: pathname,
            query: searchParams,
            headers: request.headers,
            bytes: Buffer.concat(body),
            body: parsed(Buffer.concat(body).toString())
          }
          received.push(asked)
          const refusal = judge(asked)
          if (refusal !== undefined) {
            refused.push(...refusal.faults)
            return void reply(response, refusal.answer)
          }
          const [answer = "hang" as const, ...rest] = answers
          if (rest.length > 0) answers = rest
          void reply(response, answer)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({
          origin: `http://127.0.0.1:${port}`,
          received,
          refused,
          left: () => open.size === 0 ? Promise.resolve() : new Promise((resolve) => void left.push(resolve)),
          answer: (...next) => {
            received.length = 0
            refused.length = 0
            answers = next
          },
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** Takes every request. */
export const make = judging(() => undefined)

/** The same bytes in other chunks, of `size` bytes each. */
export const split = <A extends Pick<Streamed, "chunks">>(answer: A, size: number): A => {
  const all = Buffer.concat(answer.chunks)
  const chunks = Array.from(
    { length: Math.ceil(all.length / size) },
    (_, n) => all.subarray(n * size, (n + 1) * size)
  )
  return { ...answer, chunks }
}
