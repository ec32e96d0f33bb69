/** A client of a WebSocket that remembers all that it was told. */
import { Effect } from "effect"
import { type ClientOptions, type RawData, WebSocket } from "ws"
import { patience } from "./Patience.ts"

const longest = patience(15_000)

// oxlint-disable-next-line typescript/no-explicit-any -- whatever stands there is what is looked at
export type Told = Readonly<Record<string, any>>

export interface Talker {
  readonly socket: WebSocket
  /** All messages so far. */
  readonly told: ReadonlyArray<Told>
  readonly send: (event: unknown) => void
  /** Waits until one of the messages from `from` on is so, and answers those from there up to it. */
  readonly until: (is: (event: Told) => boolean, from?: number) => Promise<ReadonlyArray<Told>>
  /** The code and the reason that it was closed with. */
  readonly closed: Promise<readonly [code: number, reason: string]>
}

const within = <A>(what: string, promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout
  return Promise.race([
    promise,
    new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new Error(`Never came: ${what}`)), longest)
    })
  ]).finally(() => clearTimeout(timer))
}

/** Rejects with the status of the answer where the socket is refused. */
export const talk = (url: string, options: ClientOptions = {}): Promise<Talker> => {
  const socket = new WebSocket(url.replace("http", "ws"), options)
  const told: Array<Told> = []
  let hear = () => {}
  const closed = new Promise<readonly [number, string]>((done) =>
    socket.on("close", (code, reason) => {
      done([code, reason.toString()])
      hear()
    })
  )
  socket.on("message", (data: RawData) => {
    told.push(JSON.parse(String(data)) as Told)
    hear()
  })
  const until: Talker["until"] = (is, from = 0) =>
    within(
      `in ${JSON.stringify(told)}`,
      new Promise((done, fail) => {
        hear = () => {
          const at = told.findIndex((event, i) => i >= from && is(event))
          if (at >= 0) done(told.slice(from, at + 1))
          else if (socket.readyState === WebSocket.CLOSED) fail(new Error(`It was closed: ${JSON.stringify(told)}`))
        }
        hear()
      })
    )
  const talker: Talker = {
    socket,
    told,
    send: (event) => socket.send(typeof event === "string" ? event : JSON.stringify(event)),
    until,
    closed: within("the end of the socket", closed)
  }
  // Nobody may ask for it.
  talker.closed.catch(() => {})
  return within(
    "the opening of the socket",
    new Promise((done, fail) => {
      socket.on("open", () => done(talker))
      socket.on("error", fail)
      socket.on("unexpected-response", (_, response) => fail(new Error(String(response.statusCode))))
    })
  )
}

/** It is closed with the scope. */
export const talking = (url: string, options?: ClientOptions) =>
  Effect.acquireRelease(Effect.promise(() => talk(url, options)), ({ socket }) => Effect.sync(() => socket.terminate()))
