/** The revision 2026-07-28, in which each request stands for itself: the SDK answers it, with a server of its own. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Server } from "@modelcontextprotocol/server"
import { Effect } from "effect"
import { LimitReached } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { Readiness } from "../../../services/Readiness.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { Sse } from "../../Sse.ts"
import { type Asking, authInfo, type Sdk } from "./Asking.ts"
import { maxAtOnce } from "./Older.ts"

/** Bytes that may wait for a client before no more are read. */
const lowWater = 64 * 1024

/** Streams of changes, which this server has none to tell of, and that are held open all the same. */
const maxListeners = 1024

const tooMany = new LimitReached({
  detail: `More than ${maxAtOnce} requests of one owner are under way. Wait for some of them to end.`,
  retry_after: 1
})

const ignore = () => {}

export const make = (sdk: Sdk, contents: (sdk: Sdk) => Server) =>
  Effect.gen(function*() {
    const sse = yield* Sse
    const readiness = yield* Readiness
    const busy = new Map<UserId, number>()

    // Its streams have a heartbeat of ours.
    const handler = sdk.createMcpHandler(() => contents(sdk), {
      legacy: "reject",
      keepAliveMs: 0,
      maxSubscriptions: maxListeners
    })
    yield* Effect.addFinalizer(() => Effect.promise(() => handler.close()))

    const counted = (owner: UserId) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const count = busy.get(owner) ?? 0
          if (count >= maxAtOnce) return tooMany
          busy.set(owner, count + 1)
          return Effect.void
        }),
        () =>
          Effect.sync(() => {
            const count = busy.get(owner) ?? 0
            if (count > 1) busy.set(owner, count - 1)
            else busy.delete(owner)
          })
      )

    const pumped = (body: ReadableStream<Uint8Array>, out: Sink) =>
      Effect.gen(function*() {
        const reader = body.getReader()
        yield* Effect.addFinalizer(() => Effect.promise(() => reader.cancel().catch(ignore)))
        const pump: Effect.Effect<void> = Effect.gen(function*() {
          while (true) {
            const { done, value } = yield* Effect.promise(() =>
              reader.read().catch(() => ({ done: true, value: undefined }))
            )
            if (value !== undefined) out.write(value)
            if (done) return out.end()
            if (out.unread() > lowWater) yield* out.drained
          }
        })
        yield* Effect.forkScoped(pump)
      })

    return Effect.fnUntraced(function*(
      asked: Omit<Asking, "accepted" | "isOlder" | "isUnwanted" | "resumed">,
      body: JsonObject
    ) {
      yield* counted(asked.owner)
      const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
      const leaving = new AbortController()
      // Whoever closes the stream wants the answer no more; a server that stops does not say so.
      yield* Effect.addFinalizer(() => Effect.sync(() => leaving.abort()))
      const asking: Asking = {
        ...asked,
        isOlder: false,
        isUnwanted: readiness.isReady,
        accepted: ignore,
        resumed: undefined
      }
      const request = new Request(new URL(url, asked.base), { method, headers, signal: leaving.signal })
      const response = yield* sse.whileValid(
        Effect.promise(() => handler.fetch(request, { authInfo: authInfo(asking), parsedBody: body }))
      )
      const { body: stream, status } = response
      if (stream !== null && response.headers.get("content-type")?.startsWith("text/event-stream") === true) {
        return yield* sse.respond((out) => pumped(stream, out))
      }
      const text = yield* Effect.promise(() => response.text())
      return text === ""
        ? HttpServerResponse.empty({ status })
        : HttpServerResponse.text(text, { status, contentType: "application/json" })
    })
  })
