/**
 * JSON bodies, read once and within bounds. A body that is too large is
 * answered, not cut off: the rest of it is read and discarded.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Duration, Effect, Option, Scope } from "effect"
import { Invalid, LimitReached, Malformed, TooLarge, UnsupportedContent } from "../../domain/Errors.ts"
import { defaultFilesMegabytes } from "../../domain/File.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import { requestOf, type WireRequest } from "../Wire.ts"
import * as LargeBodies from "./LargeBodies.ts"
import { methodsOf, type Route } from "./Methods.ts"
import type { Problem } from "./Problems.ts"

const mebibyte = 1024 * 1024

const maxBytes = mebibyte
const maxDepth = 64
/** Keys of objects and items of arrays, all together. */
const maxMembers = 10_000
const maxString = 256 * 1024

/** Longest result of a tool that a client ran, in characters; and bytes of a body beside its files. */
const maxResult = 4 * mebibyte
const besideFiles = 5 * mebibyte

/** How long a body may stand still before it counts as given up. */
const silence = Duration.seconds(20)

/** Bytes of large bodies in memory, for this many times the largest one. */
const largeOfOwner = 2
const largeOfAll = 8

const json = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** What the bodies of some paths may have. */
interface Limits {
  readonly bytes: number
  readonly tooLarge: TooLarge
  /** Longest text in a place. */
  readonly longest: (path: ReadonlyArray<string | number>) => number
}

const usual: Limits = {
  bytes: maxBytes,
  tooLarge: new TooLarge({
    detail: "The body is larger than 1 MiB (1048576 bytes).",
    errors: [{ path: "", message: "Expected at most 1048576 bytes" }]
  }),
  longest: () => maxString
}

const withFiles = (megabytes: number): Limits => {
  const bytes = Math.ceil(megabytes * 4 / 3) * mebibyte + besideFiles
  return {
    bytes,
    tooLarge: new TooLarge({
      detail: `The body is larger than ${bytes / mebibyte} MiB (${bytes} bytes), the most that this path takes: `
        + `${megabytes} MB of files, which max_files_mb sets, written as base64, and ${
          besideFiles / mebibyte
        } MiB beside them.`,
      errors: [{ path: "input", message: `Expected at most ${megabytes} MB of files` }]
    }),
    longest: (path) => {
      const key = path.at(-1)
      if (path.at(-2) === "source" && (key === "data" || key === "url")) return bytes
      return path[1] === "execution_results" && (key === "output" || key === "text") ? maxResult : maxString
    }
  }
}

const malformed = (detail: string, code = "malformed_json") => new Malformed({ code, detail })

const invalid = (code: string, detail: string, path?: ReadonlyArray<string | number>) =>
  new Invalid({
    code,
    detail,
    ...path !== undefined && { errors: [{ path: path.join(".").slice(0, maxPath), message: detail }] }
  })

/** Characters of a path that an error repeats. */
const maxPath = 200

const hasContent = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

const halted = malformed("The body ended before its end.", "incomplete_body")

/** Reads a body. What it has beyond the usual bound is counted as it comes. */
const bytesOf = (
  source: WireRequest,
  { bytes: most, tooLarge }: Limits,
  count: (bytes: number) => Problem | undefined
): Effect.Effect<Uint8Array, Problem> =>
  Effect.async((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    let counted = 0
    // @effect-diagnostics-next-line globalTimers:off -- Node's own events, outside of any fiber
    const timer = setTimeout(() => stop(halted), Duration.toMillis(silence))
    const stop = (problem: Problem) => {
      clearTimeout(timer)
      source.off("data", take)
      chunks.length = 0
      resume(Effect.fail(problem))
    }
    const take = (chunk: Uint8Array) => {
      timer.refresh()
      size += chunk.length
      if (size > most) return stop(tooLarge)
      if (size > maxBytes) {
        const problem = count(size - counted)
        if (problem !== undefined) return stop(problem)
        counted = size
      }
      chunks.push(chunk)
    }
    source.on("data", take)
    source.on("end", () => {
      clearTimeout(timer)
      resume(Effect.sync(() => chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    })
    source.on("error", () => {
      clearTimeout(timer)
      resume(Effect.fail(halted))
    })
    return Effect.sync(() => clearTimeout(timer))
  })

/** The first bound that a value breaks. */
const excess = (value: unknown, { longest }: Limits): Invalid | undefined => {
  let members = 0
  const path: Array<string | number> = []
  const visit = (value: unknown): Invalid | undefined => {
    if (typeof value === "string") {
      const most = value.length > maxString ? longest(path) : maxString
      return value.length > most
        ? invalid(
          "string_too_long",
          `${path.join(".").slice(0, maxPath)}: a text is longer than ${most} characters.`,
          path
        )
        : undefined
    }
    if (typeof value !== "object" || value === null) return undefined
    if (path.length === maxDepth) {
      return invalid("too_deep", `The body is nested more than ${maxDepth} levels deep.`)
    }
    if (Array.isArray(value)) {
      members += value.length
    } else {
      for (const key in value) {
        members++
        if (key === "__proto__") return invalid("forbidden_key", "The body has a key named __proto__.")
      }
    }
    if (members > maxMembers) return invalid("too_many_members", `The body has more than ${maxMembers} keys and items.`)
    for (const [key, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      path.push(key)
      const problem = visit(member)
      if (problem !== undefined) return problem
      path.pop()
    }
    return undefined
  }
  return visit(value)
}

const decoder = new TextDecoder("utf-8", { fatal: true })

const notJson = malformed("The body is not JSON in UTF-8.")

const textOf = (bytes: Uint8Array): Effect.Effect<string, Problem> =>
  Effect.try({ try: () => decoder.decode(bytes), catch: () => notJson })

const parse = (text: string, limits: Limits): Effect.Effect<unknown, Problem> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return Effect.fail(notJson)
  }
  const problem = excess(value, limits)
  return problem === undefined ? Effect.succeed(value) : Effect.fail(problem)
}

/** Lets others be served between two long steps. */
const nextTurn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

const tooMany = (retry_after: number) =>
  new LimitReached({
    code: "too_many_large_bodies",
    detail: "Too many of your large requests are under way at once. Send this one again when another is done.",
    retry_after
  })

/** Ends the counting of a large body, by its request. */
const held = new WeakMap<WireRequest, () => void>()

/** What the request's body held is stored now, or dropped: others may come. The end of a request does it too. */
export const release: Effect.Effect<void, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => held.get(requestOf(request))?.()
)

export interface Options {
  /** The paths that take files; none without it. */
  readonly withFiles?: ReadonlyArray<Route>
  /** Megabytes of files in one request. */
  readonly maxFilesMegabytes?: number
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const heavy = yield* HeavyWork
  const large = withFiles(options.maxFilesMegabytes ?? defaultFilesMegabytes)
  const bodies = LargeBodies.make({ perOwner: largeOfOwner * large.bytes, all: largeOfAll * large.bytes })
  const takesFilesAt = methodsOf(options.withFiles ?? [])

  const limitsOf = ({ method, url }: HttpServerRequest.HttpServerRequest): Limits =>
    takesFilesAt(url).includes(method) ? large : usual

  /** The reason to refuse a body by its headers alone, if there is one. */
  const refuse = (request: HttpServerRequest.HttpServerRequest): Problem | undefined => {
    if (!hasContent(request)) return undefined
    const { headers } = request
    const length = Number(headers["content-length"] ?? 0)
    if (length > maxBytes) {
      const { bytes, tooLarge } = limitsOf(request)
      if (length > bytes) return tooLarge
    }
    const isJson = json.test(headers["content-type"] ?? "")
    const isPlain = (headers["content-encoding"] ?? "identity") === "identity"
    return isJson && isPlain
      ? undefined
      : new UnsupportedContent({ detail: "The body must be JSON in UTF-8, sent as Content-Type: application/json." })
  }

  /** Reads and parses a body that may be large, when its owner's turn has come. */
  const readLarge = Effect.fnUntraced(function*(source: WireRequest) {
    const owner = Option.match(yield* Effect.serviceOption(CurrentPrincipal), {
      onNone: () => "",
      onSome: ({ user_id }) => user_id
    })
    let counted = 0
    const give = () => {
      bodies.give(owner, counted)
      counted = 0
    }
    held.set(source, give)
    const scope = yield* Effect.serviceOption(Scope.Scope)
    if (Option.isSome(scope)) yield* Scope.addFinalizer(scope.value, Effect.sync(give))
    const bytes = yield* bytesOf(source, large, (more) => {
      const problem = bodies.take(owner, more)
      if (problem === undefined) counted += more
      return problem
    })
    if (bytes.length <= maxBytes) return yield* Effect.flatMap(textOf(bytes), (text) => parse(text, large))
    const parsed = textOf(bytes).pipe(Effect.zipLeft(nextTurn), Effect.flatMap((text) => parse(text, large)))
    return yield* Effect.catchTag(
      heavy.run(owner as typeof CurrentPrincipal.Service.user_id, "processor", parsed),
      "HeavyWorkRefused",
      ({ retry_after }) => Effect.fail(tooMany(retry_after))
    )
  })

  const read = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<unknown, Problem> => {
    const limits = limitsOf(request)
    const source = requestOf(request)
    if (limits === large) return readLarge(source)
    return bytesOf(source, limits, () => undefined).pipe(
      Effect.flatMap(textOf),
      Effect.flatMap((text) => parse(text, limits))
    )
  }

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
          ? { json: { get: () => read(request) } }
          // Without a body the content type says nothing; left there, it would choose the parser.
          : {
            json: { value: Effect.succeed(null) },
            headers: { value: Headers.remove(request.headers, "content-type") }
          }
      )
  }
})
