/** One open WebSocket: its messages in their order and within bounds, what is sent to it, and whether its client is still there. */
import { Deferred, Effect, FiberId } from "effect"
import type { Socket } from "node:net"
import type { RawData, WebSocket } from "ws"
import { Invalid, LimitReached } from "../domain/Errors.ts"
import * as BodyLimits from "./middleware/BodyLimits.ts"
import { inTurn } from "./middleware/InTurns.ts"
import type { Problem } from "./middleware/Problems.ts"

/** Why a socket is closed, in the words of RFC 6455, section 7.4.1, and of its registry. */
export const closing = { finished: 1000, unsupported: 1003, refused: 1008, broken: 1011, restart: 1012 } as const

/** Most messages, and bytes of them, that wait for the one before them. */
const maxWaiting = 16
const maxWaitingBytes: number = BodyLimits.maxBytes

/** Most bytes that may be unread by a client that goes on asking. */
const maxUnread = 256 * 1024

/** A sender goes on while no more bytes than this are unread. */
const lowWater = 64 * 1024

/** Seconds without a sign of life after which the client is asked for one, and after which it is cut. */
const pingSeconds = 15
const silenceSeconds = 45

/** Seconds that a socket may live. */
const lifeSeconds = 60 * 60

const tooMany = new LimitReached({
  code: "too_many_waiting",
  detail:
    "Too many requests of this connection wait for the one before them. Send the next one when an answer is there."
})

const tooOld = new Invalid({
  code: "websocket_connection_limit_reached",
  detail: "The connection has been open for 60 minutes, the longest that there is. Open another one."
})

const ignore = () => {}

export interface PeerOptions {
  readonly isStopping: () => boolean
  readonly failed: (problem: Problem) => string
}

export class Peer {
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #options: PeerOptions
  readonly #waiting: Array<Buffer> = []
  readonly #closed = Deferred.unsafeMake<void>(FiberId.none)
  #waitingBytes = 0
  /** Wakes whoever waits for a message; undefined while one is answered. */
  #wake: ((message: Buffer) => void) | undefined
  /** What the newest ping said, until it is answered. */
  #pinged: Buffer | undefined
  #silent = 0
  #age = 0

  /** One answer for all pings that came together, as RFC 6455 allows in section 5.5.3: thousands may, and each is a packet. */
  readonly #pong = () => {
    const pinged = this.#pinged
    this.#pinged = undefined
    // Who does not read gets no answer that would lie in memory.
    if (pinged !== undefined && this.isOpen() && this.unread() === 0) this.#webSocket.pong(pinged, false, ignore)
  }

  constructor(webSocket: WebSocket, socket: Socket, options: PeerOptions) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#options = options
    webSocket.on("error", ignore)
    webSocket.on("message", (data, isBinary) => this.#take(data, isBinary))
    webSocket.on("pong", () => this.#silent = 0)
    webSocket.on("ping", (data) => {
      this.#silent = 0
      if (this.#pinged === undefined) setImmediate(this.#pong)
      this.#pinged = data
    })
    // Thousands may be lost at once, and each has a fiber that comes to its end then.
    webSocket.once("close", () => inTurn(() => Deferred.unsafeDone(this.#closed, Effect.void)))
  }

  /** The next message. While it is waited for, nothing is being answered. */
  next = Effect.async<Buffer>((resume) => {
    this.#wake = (message) => {
      this.#wake = undefined
      resume(Effect.succeed(message))
    }
    if (this.#closeWhenDue()) return
    const message = this.#waiting.shift()
    if (message === undefined) return
    this.#waitingBytes -= message.length
    this.#wake(message)
  })

  get closed(): Effect.Effect<void> {
    return Deferred.await(this.#closed)
  }

  send(messages: ReadonlyArray<string>) {
    if (!this.isOpen()) return
    // All at once: a packet for each message would cost more than they do.
    this.#socket.cork()
    for (const message of messages) this.#webSocket.send(message, ignore)
    this.#socket.uncork()
  }

  unread(): number {
    return this.#webSocket.bufferedAmount
  }

  /** Resolves when enough has been read to send more. A client that reads nothing is cut with its connection. */
  drained = Effect.async<void>((resume) => {
    if (this.unread() <= lowWater) return resume(Effect.void)
    const done = () => resume(Effect.void)
    this.#socket.once("drain", done)
    return Effect.sync(() => this.#socket.off("drain", done))
  })

  isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN
  }

  close(code: number, reason: string) {
    this.#forget()
    if (this.isOpen()) this.#webSocket.close(code, reason)
  }

  cut() {
    this.#forget()
    this.#webSocket.terminate()
  }

  /** Nobody is here any more. A socket that is being closed has its time for that. */
  leave() {
    this.#forget()
    if (this.isOpen()) this.#webSocket.terminate()
  }

  /** Called every second. */
  tick() {
    this.#age++
    this.#silent++
    if (this.#silent >= silenceSeconds) return this.cut()
    if (this.#silent % pingSeconds === 0 && this.unread() === 0 && this.isOpen()) {
      this.#webSocket.ping(undefined, undefined, ignore)
    }
    if (this.#wake !== undefined) this.#closeWhenDue()
  }

  /** Ends what must end, where nothing is being answered. */
  #closeWhenDue(): boolean {
    if (this.#options.isStopping()) this.close(closing.restart, "stopping")
    else if (this.#age >= lifeSeconds) {
      this.send([this.#options.failed(tooOld)])
      this.close(closing.finished, "60 minutes")
    }
    return !this.isOpen()
  }

  #take(data: RawData, isBinary: boolean) {
    this.#silent = 0
    if (!this.isOpen()) return
    if (isBinary || !Buffer.isBuffer(data)) return this.close(closing.unsupported, "only text")
    if (this.#wake !== undefined) return this.#wake(data)
    if (this.#waiting.length < maxWaiting && this.#waitingBytes + data.length <= maxWaitingBytes) {
      this.#waiting.push(data)
      this.#waitingBytes += data.length
      return
    }
    this.send([this.#options.failed(tooMany)])
    if (this.unread() > maxUnread) this.cut()
  }

  #forget() {
    this.#waiting.length = 0
    this.#waitingBytes = 0
  }
}
