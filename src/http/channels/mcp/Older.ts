/**
 * The revisions up to 2025-11-25, which have sessions, and keep a call open while they ask its client. Nothing is kept
 * of a session but its id (`Marks.ts`); of calls those that are under way.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Server } from "@modelcontextprotocol/server"
import { Deferred, Effect } from "effect"
import { LimitReached, Malformed, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { Sse } from "../../Sse.ts"
import { type Asking, authInfo, type Resumed, type Sdk } from "./Asking.ts"
import { Flight, questionOf } from "./Flight.ts"
import { type EventId, type McpSession, sessionId, sessionOf } from "./Marks.ts"

/** Requests of one owner that may be under way at once. */
export const maxAtOnce = 128

/** What a client speaks that does not say it. */
const unsaid = "2025-03-26"

const sessionHeader = "mcp-session-id"

/** A request as its sender has sent it, without what the SDK's server need not know. */
export interface Sent {
  readonly asking: Omit<Asking, "accepted" | "isOlder" | "isUnwanted" | "resumed">
  readonly session: string | undefined
  readonly version: string | undefined
  /** Whether the client reads streams. */
  readonly streams: boolean
}

const noSession = new NotFound({ code: "mcp_session_not_found", detail: "Session not found. Initialize a new one." })

const tooMany = new LimitReached({
  detail: `More than ${maxAtOnce} requests of one owner are under way. Wait for some of them to end.`,
  retry_after: 1
})

const accepted = HttpServerResponse.empty({ status: 202 })

const objectIn = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : {}

export const make = (sdk: Sdk, contents: (sdk: Sdk) => Server) =>
  Effect.map(Sse, (sse) => {
    const flights = new Map<string, Flight>()

    const ofOwner = (owner: UserId) => [...flights.values()].filter(({ about }) => about.owner === owner)

    const flightOf = (owner: UserId, session: string, request: unknown) =>
      session === ""
        ? undefined
        : ofOwner(owner).find(({ about }) => about.session === session && about.request === request)

    const known = ({ asking, session, version }: Sent) =>
      Effect.gen(function*() {
        const versions = sdk.SUPPORTED_PROTOCOL_VERSIONS
        if (version !== undefined && !versions.includes(version)) {
          const detail = `Bad Request: Unsupported protocol version (supported versions: ${versions.join(", ")})`
          return yield* new Malformed({ code: "version_not_supported", detail })
        }
        if (session === undefined) {
          const nobody: McpSession = { id: "", version: version ?? unsaid, capabilities: {} }
          return nobody
        }
        return sessionOf(asking.owner, session) ?? (yield* noSession)
      })

    /** A server of the SDK's for this request alone, which knows what the session's first request has said. */
    const begun = (sent: Sent, session: McpSession, body: JsonObject, resumed?: Resumed) =>
      Effect.gen(function*() {
        const { owner } = sent.asking
        if (ofOwner(owner).length >= maxAtOnce) return yield* tooMany
        const flight = new Flight({
          owner,
          session: session.id,
          version: session.version,
          request: body.id,
          token: objectIn(objectIn(body.params)._meta).progressToken
        })
        flights.set(flight.id, flight)
        const server = contents(sdk)
        const asking: Asking = {
          ...sent.asking,
          isOlder: true,
          isUnwanted: () => flight.isUnwanted,
          accepted: (run_id) => flight.accepted(run_id, resumed?.told ?? 0),
          resumed
        }
        const info = { authInfo: authInfo(asking) }
        /** Hands the request over. */
        const go = Effect.promise(async () => {
          server.onclose = () => void flights.delete(flight.id)
          await server.connect(flight)
          if (body.method !== "initialize") {
            const { capabilities, version: protocolVersion } = session
            const params = { protocolVersion, capabilities, clientInfo: { name: "client", version: "0" } }
            flight.onmessage?.({ jsonrpc: "2.0", id: flight.id, method: "initialize", params }, info)
            await flight.isInitialized
          }
          flight.onmessage?.(body as Parameters<NonNullable<Flight["onmessage"]>>[0], info)
        })
        return { flight, go }
      })

    /** The answer as a stream, which its client may lose without ending what it asked for. */
    const streamed = ({ flight, go }: Effect.Effect.Success<ReturnType<typeof begun>>) =>
      sse.respond((out) =>
        Effect.gen(function*() {
          flight.attach(out)
          yield* Effect.addFinalizer(() => Effect.sync(() => flight.detach()))
          yield* go
        })
      )

    const request = Effect.fnUntraced(function*(sent: Sent, body: JsonObject) {
      const isFirst = body.method === "initialize"
      const session = isFirst ? yield* known({ ...sent, session: undefined }) : yield* known(sent)
      const flying = yield* begun(sent, session, body)
      if (body.method === "tools/call" && sent.streams) return yield* streamed(flying)
      const { flight, go } = flying
      // Nobody can come back for an answer that is no stream.
      yield* Effect.addFinalizer(() =>
        Effect.promise(() => {
          flight.isUnwanted = true
          return flight.close()
        })
      )
      yield* go
      const answer = yield* sse.whileValid(Deferred.await(flight.answer))
      const { protocolVersion } = objectIn(answer.result)
      const opened = isFirst && typeof protocolVersion === "string"
        ? sessionId(sent.asking.owner, {
          version: protocolVersion,
          capabilities: objectIn(objectIn(body.params).capabilities)
        })
        : undefined
      return HttpServerResponse.unsafeJson(answer, opened === undefined ? {} : { headers: { [sessionHeader]: opened } })
    })

    const notified = (owner: UserId, session: McpSession, body: JsonObject) => {
      if (body.method !== "notifications/cancelled") return
      const flight = flightOf(owner, session.id, objectIn(body.params).requestId)
      if (flight === undefined) return
      flight.isUnwanted = true
      void flight.close()
    }

    const replied = (owner: UserId, body: JsonObject) => {
      const question = questionOf(body.id)
      const flight = question && flights.get(question.flight)
      if (flight?.about.owner !== owner) return
      flight.onmessage?.({ ...body, id: question!.number } as Parameters<NonNullable<Flight["onmessage"]>>[0])
    }

    return {
      post: Effect.fnUntraced(function*(sent: Sent, body: JsonObject) {
        const { owner } = sent.asking
        if (typeof body.method === "string" && "id" in body) return yield* request(sent, body)
        const session = yield* known(sent)
        if (typeof body.method === "string") notified(owner, session, body)
        else replied(owner, body)
        return accepted
      }),

      /** Goes on with the stream of a call, from what the run has logged. Whoever else sent it sends no more. */
      resume: Effect.fnUntraced(function*(sent: Sent, { request, token }: EventId, resumed: Resumed) {
        const session = yield* known(sent)
        const body: JsonObject = {
          jsonrpc: "2.0",
          id: request,
          method: "tools/call",
          params: { name: "", arguments: {}, ...(token !== null && { _meta: { progressToken: token } }) }
        }
        const before = flightOf(sent.asking.owner, session.id, request)
        if (before !== undefined) yield* Effect.promise(() => before.close())
        return yield* streamed(yield* begun(sent, session, body, resumed))
      })
    }
  })
