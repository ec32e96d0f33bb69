/** The server's handler below a path of another server: for Node's requests, for web requests, and for handshakes of WebSockets. */
import { Schema } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { UserId } from "../domain/Ids.ts"
import type { Principal, Scope } from "../domain/Principal.ts"
import * as Around from "../http/Around.ts"
import { StoaError } from "../http/client/StoaError.ts"
import { isHandshake, plainResponseTo, responseTo, type Takes } from "../http/Upgrades.ts"
import * as Fetch from "./Fetch.ts"

/** Who asks, as the program around the host knows it; undefined leaves it to API keys. */
export type UserOf<Request> = (request: Request) => string | undefined | Promise<string | undefined>

export interface MountOptions<Request> {
  /** The path that the host is mounted at, such as `/stoa`; the root without it. */
  readonly base?: string | undefined
  readonly user?: UserOf<Request> | undefined
}

/** Answers a request below its base. For another one it calls `next`, or answers 404 without one. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void

const ignore = () => {}

const usual: ReadonlyArray<Scope> = ["read", "write", "chat"]

const isUserId = Schema.is(UserId)

/** Whom a program acts for, or lets in. Throws where it names nobody that there can be. */
export const principalOf = (user: string, scopes: ReadonlyArray<Scope> = usual): Principal => {
  if (isUserId(user)) return { user_id: user, scopes, key_id: null }
  throw new StoaError("misused", "A user is 1 to 128 letters, digits, dots, dashes, underscores or @.")
}

const isBase = /^(\/[\w.~-]{1,64}){1,8}$/

/** `/stoa/` means `/stoa`, and `/` the root. */
const baseOf = (base: string = ""): string => {
  let text = base
  while (text.endsWith("/")) text = text.slice(0, -1)
  if (text === "" || isBase.test(text)) return text
  throw new StoaError(
    "misused",
    "A base reads like /stoa: letters, digits, dots, dashes and underscores between slashes."
  )
}

/** What is left of an address below the base; undefined for one that is not there. */
const below = (url: string, base: string): string | undefined => {
  if (base === "") return url
  if (!url.startsWith(base)) return undefined
  const rest = url.slice(base.length)
  if (rest === "" || rest.startsWith("?")) return `/${rest}`
  return rest.startsWith("/") ? rest : undefined
}

const problem = (response: ServerResponse, status: number, code: string, detail: string) => {
  const body = JSON.stringify({ status, code, title: code, detail })
  response.writeHead(status, { "content-type": "application/problem+json" }).end(body)
}

/** The address before a framework took away where it has mounted us. */
const addressOf = (request: IncomingMessage): string =>
  "originalUrl" in request && typeof request.originalUrl === "string" ? request.originalUrl : request.url ?? "/"

/** Whether something before us has read the body, of which nothing is left then. */
const isRead = (request: IncomingMessage): boolean => request.readableEnded && !request.destroyed && hasBody(request)

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0"

export interface Inside {
  readonly handle: Fetch.Handle
  readonly takes: Takes
  /** Whether the host takes requests at all. */
  readonly isOpen: () => boolean
}

export const make = ({ handle, isOpen, takes }: Inside) => {
  const over = Fetch.make(handle)

  const closed = (response: ServerResponse) => problem(response, 503, "closed", "The host has been closed.")

  const closedNow = () =>
    Response.json({ status: 503, code: "closed", title: "closed", detail: "The host has been closed." }, {
      status: 503
    })

  /** Tells the host who asks, and hands the request over. */
  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    around: { readonly base: string; readonly url: string; readonly user: UserOf<IncomingMessage> | undefined },
    socket?: Duplex
  ) => {
    response.on("error", ignore)
    if (!isOpen()) return closed(response)
    if (isRead(request)) {
      return problem(
        response,
        500,
        "body_was_read",
        "Something before Stoa has read the body of this request: mount Stoa before parsers of bodies."
      )
    }
    const user = await around.user?.(request)
    // Meanwhile the client may have left: nothing would tell of that a second time.
    if ((socket ?? response).destroyed) return
    if (!isOpen()) return closed(response)
    Around.say(request, {
      base: around.base,
      ...(user !== undefined && { principal: principalOf(user) })
    })
    request.url = around.url
    handle(request, response, socket)
  }

  const handler = (options: MountOptions<IncomingMessage> = {}): NodeHandler => {
    const base = baseOf(options.base)
    return (request, response, next) => {
      const address = addressOf(request)
      const url = below(address, base)
      if (url === undefined) {
        if (next !== undefined) return next()
        return problem(
          response,
          404,
          "no_such_path",
          `There is nothing at this path. What there is begins with ${base}.`
        )
      }
      const { url: before } = request
      answer(request, response, { base, url, user: options.user }).catch((error: unknown) => {
        request.url = before
        if (next !== undefined) return next(error)
        if (response.headersSent) return void response.destroy()
        problem(response, 500, "internal", "Who asks could not be found out.")
      })
    }
  }

  const upgrade = (options: MountOptions<IncomingMessage> = {}) => {
    const base = baseOf(options.base)
    /** Whether the request was for this host. All others are the caller's to answer. */
    return (request: IncomingMessage, socket: Duplex, head: Buffer): boolean => {
      const url = below(addressOf(request), base)
      if (url === undefined) return false
      socket.on("error", ignore)
      if (!isHandshake(request) || !takes(url)) {
        // Such as those of `curl --http2`: a client that asks for another protocol is content with this one.
        const response = plainResponseTo(request, socket as Socket)
        if (hasBody(request)) {
          // Node reads no body of a request that it has handed over.
          problem(
            response,
            400,
            "upgrade_with_body",
            "A request with a body cannot ask for another protocol here: send it without Upgrade."
          )
          return true
        }
        answer(request, response, { base, url, user: options.user }).catch(() => void socket.destroy())
        return true
      }
      const response = responseTo(request, socket as Socket, head)
      answer(request, response, { base, url, user: options.user }, socket).catch(() => void socket.destroy())
      return true
    }
  }

  const fetch = (options: MountOptions<Request> = {}) => {
    const base = baseOf(options.base)
    return async (request: Request): Promise<Response> => {
      const { pathname, search } = new URL(request.url)
      const url = below(`${pathname}${search}`, base)
      if (url === undefined) {
        return Response.json(
          { status: 404, code: "no_such_path", title: "no_such_path", detail: `What there is begins with ${base}.` },
          { status: 404 }
        )
      }
      if (!isOpen()) return closedNow()
      const user = await options.user?.(request)
      if (!isOpen()) return closedNow()
      const principal = user === undefined ? undefined : principalOf(user)
      return over.fetch(request, url, (incoming) => Around.say(incoming, { base, principal }))
    }
  }

  /** For clients in this process, who act for whom they say. */
  const inside = (principal: Principal): typeof globalThis.fetch => async (input, init) => {
    if (!isOpen()) throw new StoaError("closed", "The host has been closed.")
    const request = new Request(input, init)
    const { pathname, search } = new URL(request.url)
    return over.fetch(request, `${pathname}${search}`, (incoming) => Around.say(incoming, { base: "", principal }))
  }

  return { handler, upgrade, fetch, inside, over }
}
