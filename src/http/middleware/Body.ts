/**
 * JSON bodies, read once and within bounds. A body that is too large is
 * answered, not cut off: the rest of it is read and discarded.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Duration, Effect, Option, Scope } from "effect"
import { Invalid, LimitReached, Malformed, UnsupportedContent } from "../../domain/Errors.ts"
import { defaultFilesMegabytes } from "../../domain/File.ts"
import { UserId } from "../../domain/Ids.ts"
import * as JsonScan from "../../domain/JsonScan.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import * as Warnings from "../Warnings.ts"
import { requestOf, type WireRequest } from "../Wire.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as BodyText from "./BodyText.ts"
import * as LargeBodies from "./LargeBodies.ts"
import { finderOf, methodsOf, type Route } from "./Methods.ts"
import type { Problem } from "./Problems.ts"
import * as UnknownFields from "./UnknownFields.ts"

type Limits = BodyLimits.Limits

/** How long a body may stand still before it counts as given up. */
const silence = Duration.seconds(20)

/** Bytes of large bodies in memory, as so many times the largest one: of one owner, and of all. */
const largeOfOwner = 2
const largeOfAll = 8

/** JSON, also by the name that A2A has for its own. */
const json = /^application\/(?:a2a\+)?json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

const malformed = (detail: string, code = "malformed_json") => new Malformed({ code, detail })

const hasContent = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

export const notJson = malformed("The body is not JSON in UTF-8.")
export const tooDense = new Invalid({
  code: "too_many_members",
  detail: "The body has too many keys, items and escaped characters."
})
const halted = malformed("The body ended before its end.", "incomplete_body")

/** Reads a body. What it has beyond the usual bound is counted as it comes. */
const read = (
  source: WireRequest,
  { bytes: most, tooLarge }: Limits,
  count: (bytes: number) => Problem | undefined
): Effect.Effect<string, Problem> =>
  Effect.async((resume) => {
    const text = BodyText.make()
    const scan = JsonScan.make(BodyLimits.maxDepth)
    let size = 0
    let counted = 0
    // @effect-diagnostics-next-line globalTimers:off -- Node's own events, outside of any fiber
    const timer = setTimeout(() => stop(halted), Duration.toMillis(silence))
    const stop = (problem: Problem) => {
      clearTimeout(timer)
      source.off("data", take)
      resume(Effect.fail(problem))
    }
    const take = (chunk: Uint8Array) => {
      timer.refresh()
      size += chunk.length
      if (size > most) return stop(tooLarge)
      if (size > BodyLimits.maxBytes) {
        const problem = count(size - counted)
        if (problem !== undefined) return stop(problem)
        counted = size
      }
      const excess = scan.take(chunk)
      if (excess !== undefined) return stop(excess === "depth" ? BodyLimits.tooDeep : tooDense)
      try {
        text.add(chunk)
      } catch {
        stop(notJson)
      }
    }
    source.on("data", take)
    source.on("end", () => {
      clearTimeout(timer)
      resume(Effect.try({ try: text.end, catch: () => notJson }))
    })
    source.on("error", () => stop(halted))
    return Effect.sync(() => clearTimeout(timer))
  })

const parse = (text: string, longText: Limits["longText"]): Effect.Effect<unknown, Problem> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return Effect.fail(notJson)
  }
  const problem = BodyLimits.excess(value, longText)
  return problem === undefined ? Effect.succeed(value) : Effect.fail(problem)
}

/** The router knows JSON by one name. */
const parsedAs = (headers: Headers.Headers): Headers.Headers =>
  /^application\/a2a\+json/i.test(headers["content-type"] ?? "")
    ? Headers.set(headers, "content-type", "application/json")
    : headers

/** Ends the counting of a large body, by its request. */
const held = new WeakMap<WireRequest, () => void>()

/** What the request's body held is stored now, or dropped: others may come. The end of a request does it too. */
export const release: Effect.Effect<void, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => held.get(requestOf(request))?.()
)

/** Who asks; nobody's bodies are all of one owner. */
const ownerOf = Effect.map(
  Effect.serviceOption(CurrentPrincipal),
  Option.match({ onNone: () => UserId.make("nobody"), onSome: ({ user_id }) => user_id })
)

export interface Options {
  /** All paths, to know what their bodies may hold. */
  readonly routes?: ReadonlyArray<Route>
  /** The paths that take files; none without it. */
  readonly withFiles?: ReadonlyArray<Route>
  /** The paths whose bodies are bytes of any kind: one file each, or at most so many bytes. */
  readonly withBytes?: ReadonlyArray<Route & { readonly most: true | number }>
  /** Where in the bodies of channels files stand. */
  readonly filePlaces?: ReadonlyArray<RegExp>
  /** Megabytes of files in one request. */
  readonly maxFilesMegabytes?: number
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const heavy = yield* HeavyWork
  const large = BodyLimits.withFiles(options.maxFilesMegabytes ?? defaultFilesMegabytes, options.filePlaces)
  const bodies = LargeBodies.make({ perOwner: largeOfOwner * large.bytes, all: largeOfAll * large.bytes })
  const takesFilesAt = methodsOf(options.withFiles ?? [])
  const largestFile = BodyLimits.oneFile(options.maxFilesMegabytes ?? defaultFilesMegabytes)
  const mostBytesAt = finderOf(
    options.withBytes ?? [],
    (route) => "most" in route && typeof route.most === "number" ? BodyLimits.bytesUpTo(route.most) : largestFile
  )

  const limitsOf = ({ method, url }: HttpServerRequest.HttpServerRequest): Limits =>
    takesFilesAt(url).includes(method) ? large : BodyLimits.usual

  /** The reason to refuse a body by its headers alone, if there is one. */
  const refuse = (request: HttpServerRequest.HttpServerRequest): Problem | undefined => {
    if (!hasContent(request)) return undefined
    const { headers } = request
    const length = Number(headers["content-length"] ?? 0)
    const most = mostBytesAt(request.method, request.url)
    if (most !== undefined) return length > most.bytes ? most.tooLarge : undefined
    if (length > BodyLimits.maxBytes) {
      const { bytes, tooLarge } = limitsOf(request)
      if (length > bytes) return tooLarge
    }
    const isJson = json.test(headers["content-type"] ?? "")
    const isPlain = (headers["content-encoding"] ?? "identity") === "identity"
    return isJson && isPlain
      ? undefined
      : new UnsupportedContent({ detail: "The body must be JSON in UTF-8, sent as Content-Type: application/json." })
  }

  /** A body that may be large: what it holds counts until it is released, and it is parsed when its owner's turn has come. */
  const readLarge = Effect.fnUntraced(function*(source: WireRequest) {
    const owner = yield* ownerOf
    let counted = 0
    const give = () => {
      bodies.give(owner, counted)
      counted = 0
    }
    held.set(source, give)
    const scope = yield* Effect.serviceOption(Scope.Scope)
    if (Option.isSome(scope)) yield* Scope.addFinalizer(scope.value, Effect.sync(give))
    const text = yield* read(source, large, (more) => {
      const problem = bodies.take(owner, more)
      if (problem === undefined) counted += more
      return problem
    })
    if (text.length <= BodyLimits.maxBytes) return yield* parse(text, large.longText)
    // Reading, parsing and decoding have a turn of the event loop each.
    const parsed = nextTurn.pipe(
      Effect.zipRight(Effect.suspend(() => parse(text, large.longText))),
      Effect.zipLeft(nextTurn)
    )
    return yield* Effect.catchTag(
      heavy.run(owner, "processor", parsed),
      "HeavyWorkRefused",
      ({ retry_after }) =>
        Effect.fail(
          new LimitReached({
            code: "too_many_large_bodies",
            detail: "Too many of your large requests wait to be read. Send this one again when another is done.",
            retry_after
          })
        )
    )
  })

  /** A short body pays nothing for what long ones need. */
  const jsonOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<unknown, Problem> => {
    const source = requestOf(request)
    const length = Number(request.headers["content-length"] ?? Number.MAX_SAFE_INTEGER)
    const limits = length <= BodyLimits.maxBytes ? BodyLimits.usual : limitsOf(request)
    return limits === large
      ? readLarge(source)
      : Effect.flatMap(read(source, limits, () => undefined), (text) =>
        // Its path is looked up only if it has a text that is long.
        parse(text, (path) => limitsOf(request).longText(path)))
  }

  const unknownIn = UnknownFields.inBody(options.routes ?? [])

  /** The same, with a warning for what of it nobody reads. */
  const readOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<unknown, Problem> =>
    Effect.tap(jsonOf(request), (value) => {
      const unknown = unknownIn(request.method, request.url, value)
      return unknown.length === 0 ? undefined : Warnings.warn(unknown)
    })

  return {
    refuse,
    /**
     * The request with a `json` that keeps the bounds. It is read when an endpoint
     * asks for it, so after authentication.
     */
    bounded: (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest =>
      Object.create(
        request,
        hasContent(request)
          ? { json: { get: () => readOf(request) }, headers: { value: parsedAs(request.headers) } }
          // Without a body the content type says nothing; left there, it would choose the parser.
          : {
            json: { value: Effect.succeed(null) },
            headers: { value: Headers.remove(request.headers, "content-type") }
          }
      )
  }
})
