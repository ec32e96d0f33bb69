/**
 * The HTTP server and its sockets. Every socket has an owner for its errors from
 * the first moment to the last, whatever its client asks for or does; their
 * number is bounded, those that wait for nothing are closed, and those that take
 * without reading are cut.
 */
import { createServer as createNodeServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { capacityOf, descriptorLimit } from "./Descriptors.ts"
import { makeSweep } from "./Unread.ts"
import { type AdmitsOrigin, answerBusy, answerUnreadable, answerUnserved } from "./Unreadable.ts"
import * as Upgrades from "./Upgrades.ts"

export interface Options {
  /** Most connections at once; the process's descriptors may allow fewer. Undefined: as many as they allow. */
  readonly maxConnections: number | undefined
  /** How long a connection may idle between two requests, in seconds. */
  readonly keepAliveSeconds?: number
  /** Bytes that may wait in all sockets together. */
  readonly maxUnread?: number
  /** Whose pages may read why they were refused; nobody's without it. */
  readonly admitsOrigin?: AdmitsOrigin
}

export interface Counts {
  readonly capacity: number
  readonly open: number
  /** Connections that were answered with 503, or closed at once, because there were too many. */
  readonly refused: number
  /** Connections that were ended because their client did not read, did not ask, or did not stop sending. */
  readonly cut: number
}

export interface Connections {
  readonly node: Server
  /** What has happened since the start. */
  readonly counts: () => Counts
  /** Which URLs may be asked for WebSockets; none before. */
  readonly takeUpgrades: (takes: Upgrades.Takes) => void
}

/**
 * Headers of one request in bytes; how long the head of a request and all of it
 * may take to arrive, in milliseconds. A missing Host is the boundary's to answer.
 */
const nodeOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  connectionsCheckingInterval: 2_000,
  requireHostHeader: false
}

/**
 * In seconds. A balancer in front that keeps its connections for longer than we do sends requests into ones that
 * we are just closing, and answers them with 502. Most keep theirs for 60 seconds.
 */
const usualKeepAlive = 75

/** How many connections beyond the bound get time to read why they are refused; beyond that, the oldest are closed at once. */
const toldMargin = 64

/** The part of all connections that may be without a request, and the fewest that are always allowed. */
const waitingShare = 0.25
const fewestWaiting = 16

/** How long a body may flow on after its request has been answered, in milliseconds. */
const bodyMillis = 900

/** How often idle connections are closed for new ones, in milliseconds. */
const roomMillis = 1_000

/** How long a connection that is refused may take to send its request, in milliseconds: its answer depends on the origin. */
const askMillis = 250

const ignore = () => {}

const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0"

export const createServer = (options: Options): Connections => {
  const admits = options.admitsOrigin ?? (() => false)
  const capacity = capacityOf(options.maxConnections, descriptorLimit())
  const maxWaiting = Math.max(fewestWaiting, Math.floor(capacity * waitingShare))
  const upgrades = Upgrades.make()
  const node = createNodeServer({
    ...nodeOptions,
    IncomingMessage: upgrades.Request,
    keepAliveTimeout: (options.keepAliveSeconds ?? usualKeepAlive) * 1000
  })
  const open = new Set<Socket>()
  /** Those that have not sent the head of a request yet, the oldest first. */
  const waiting = new Set<Socket>()
  /** Connections that were refused with 503 and are not closed yet; they do not count towards the bound. */
  const refusing = new Set<Socket>()
  let refused = 0
  let cuts = 0
  let roomMadeAt = -Infinity

  const cut = (socket: Socket) => {
    cuts++
    waiting.delete(socket)
    // It is removed at once and not at its `close` event, which comes a turn of the event loop later: a new connection must see the room now.
    open.delete(socket)
    socket.destroy()
  }
  const { forget, sweep } = makeSweep(cut, options.maxUnread)

  function closed(this: Socket) {
    open.delete(this)
    waiting.delete(this)
    refusing.delete(this)
    forget(this)
  }

  const cutOldestWaiting = () => {
    const [oldest] = waiting
    if (oldest !== undefined) cut(oldest)
    return oldest !== undefined
  }

  /** Closes idle connections. Their places are free one turn of the event loop later. */
  const makeRoom = () => {
    const now = performance.now()
    if (now - roomMadeAt < roomMillis) return
    roomMadeAt = now
    node.closeIdleConnections()
  }

  const refuse = (socket: Socket) => {
    refused++
    open.delete(socket)
    refusing.add(socket)
    if (refusing.size > toldMargin) {
      const [oldest] = refusing
      refusing.delete(oldest!)
      oldest!.destroy()
    }
    // Reading the socket here takes it away from the parser, so that no request of this connection reaches the router.
    socket.removeAllListeners("data")
    const told = (bytes?: Uint8Array) => {
      clearTimeout(timer)
      socket.off("data", told)
      socket.on("data", ignore)
      answerBusy(socket, admits, bytes)
    }
    // @effect-diagnostics-next-line globalTimers:off -- Node's own events, outside of any fiber
    const timer = setTimeout(told, askMillis).unref()
    socket.on("data", told)
  }

  /** A client that is still sending when it has its answer gets a moment to see it. */
  function answered(this: ServerResponse) {
    const { req } = this
    if (req.complete) return
    // @effect-diagnostics-next-line globalTimers:off -- Node's own events, outside of any fiber
    setTimeout(() => {
      if (!req.complete && !req.socket.destroyed) cut(req.socket)
    }, bodyMillis).unref()
  }

  // Connections that were just destroyed count until the next turn of the event loop.
  node.maxConnections = capacity + 2 * toldMargin
  node.on("drop", () => refused++)
  node.on("clientError", answerUnreadable(admits))
  // A connection that cannot be accepted, for want of descriptors say, is an event of the server; unheard, it would end the process.
  node.on("error", () => refused++)
  upgrades.listen(node)

  node.on("connection", (socket) => {
    // Node takes its own listener away from a socket with a broken request or another protocol.
    socket.on("error", ignore)
    socket.on("close", closed)
    open.add(socket)
    if (open.size > capacity && !cutOldestWaiting()) {
      makeRoom()
      return refuse(socket)
    }
    waiting.add(socket)
    if (waiting.size > maxWaiting) cutOldestWaiting()
  })

  node.on("request", (request, response) => {
    waiting.delete(request.socket)
    // The server listens before the router is there, and for a moment after it has gone: this listener is then alone.
    if (node.listenerCount("request") === 1) return answerUnserved(request, admits)
    response.on("error", ignore)
    if (hasBody(request)) response.once("finish", answered)
  })

  let timer: ReturnType<typeof setInterval> | undefined
  node.on("listening", () => {
    // @effect-diagnostics-next-line globalTimers:off -- one plain timer for all sockets
    timer = setInterval(() => sweep(open, refusing), 1_000).unref()
  })
  node.on("close", () => clearInterval(timer))

  return {
    node,
    counts: () => ({ capacity, open: open.size, refused, cut: cuts }),
    takeUpgrades: upgrades.take
  }
}
