/**
 * Requests that ask to go on as WebSockets. Node hands a socket over for good when its `upgrade` event is emitted, and
 * asks nobody first; so it is emitted for whole handshakes at paths that take them alone. All others, such as those of
 * `curl --http2`, are requests as if they had not asked. A handed over request is answered like any other, until
 * whoever answers it takes its socket.
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Predicate } from "effect"
import { IncomingMessage, type Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { requestOf } from "./Wire.ts"

/** Whether there is a WebSocket at a URL. */
export type Takes = (url: string) => boolean

/** 16 bytes in base64. */
const handshakeKey = /^[+/0-9A-Za-z]{22}==$/

/** Nothing else is being answered on the connection, which Node would let the WebSocket speak into. */
const isFree = (socket: Socket): boolean =>
  !Predicate.hasProperty(socket, "_httpMessage") || socket._httpMessage == null

export const isHandshake = ({ headers, httpVersion, method, socket }: IncomingMessage): boolean =>
  method === "GET" && httpVersion === "1.1" && headers.upgrade?.toLowerCase() === "websocket" &&
  headers["sec-websocket-version"] === "13" && handshakeKey.test(headers["sec-websocket-key"] ?? "") &&
  headers["content-length"] === undefined && headers["transfer-encoding"] === undefined && isFree(socket)

export interface Handshake {
  readonly request: IncomingMessage
  readonly socket: Socket
  /** What the client has sent after the handshake. */
  readonly head: Buffer
  /** From here on nothing of HTTP is left on the socket. */
  readonly detach: () => void
}

const handshakes = new WeakMap<object, Handshake>()

/** The handshake that the request is; undefined for every other request, and once its connection is lost. */
export const handshakeOf = (request: HttpServerRequest.HttpServerRequest): Handshake | undefined =>
  handshakes.get(requestOf(request))

/** The response of a request whose socket Node has handed over, as if the client had not asked for that. */
export const plainResponseTo = (request: IncomingMessage, socket: Socket): ServerResponse => {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once("finish", () => socket.destroySoon())
  return response
}

/** The same for a handshake; `handshakeOf` knows the request from then on. */
export const responseTo = (request: IncomingMessage, socket: Socket, head: Buffer): ServerResponse => {
  const response = plainResponseTo(request, socket)
  handshakes.set(request, {
    request,
    socket,
    head,
    detach: () => {
      handshakes.delete(request)
      response.detachSocket(socket)
      response.end()
    }
  })
  return response
}

export interface Upgrades {
  /** The class of a server's requests. */
  readonly Request: typeof IncomingMessage
  readonly listen: (node: Server) => void
  /** Which URLs may be asked for a WebSocket. */
  readonly take: (wanted: Takes) => void
}

export const make = (): Upgrades => {
  let takes: Takes = () => false

  /** Node asks from inside of its parser, where whatever is thrown would end the process. */
  const isTaken: Takes = (url) => {
    try {
      return takes(url)
    } catch {
      return false
    }
  }

  /**
   * Node sets `upgrade` when the client asks for one, again when somebody listens for them, and reads it to decide. It is
   * set by Node's constructor already, before this class could have fields of its own.
   */
  class Request extends IncomingMessage {
    declare asks: unknown
    declare decided: boolean | undefined

    get upgrade(): boolean {
      if (this.asks !== true) return false
      if (this.method === "CONNECT") return true
      this.decided ??= isHandshake(this) && isTaken(this.url ?? "")
      return this.decided
    }

    set upgrade(asks: unknown) {
      this.asks = asks
    }
  }

  const listen = (node: Server) => {
    const handOver = (request: IncomingMessage, socket: Socket, head: Buffer) => {
      node.emit("request", request, responseTo(request, socket, head))
    }
    // The platform's server listens as well. It would take sockets away from Node, with the owner of their errors. The listener
    // is not there yet when this is told.
    node.on("newListener", (event: string, listener: () => void) => {
      if (event === "connect" || (event === "upgrade" && listener !== handOver)) {
        process.nextTick(() => node.off(event, listener))
      }
    })
    node.on("upgrade", handOver)
  }

  return {
    Request,
    listen,
    take: (wanted: Takes) => {
      takes = wanted
    }
  }
}
