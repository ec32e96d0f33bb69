/**
 * The session of a browser: a cookie that an API key has begun. It holds the key's id and when it ends, sealed by the
 * vault, and nothing is stored for it: each request looks at the key itself. So it ends with its key on every process,
 * nobody can make one, there is no number of them to bound, and it outlives restarts. What it cannot do is end a copy of
 * itself that somebody has taken: whoever fears that revokes the key.
 *
 * A browser sends cookies by itself, so one counts only together with a header that no page of another origin can send.
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Clock, Effect, Either, Option, Schema } from "effect"
import * as Encoding from "effect/Encoding"
import { Forbidden } from "../domain/Errors.ts"
import { KeyId, UserId } from "../domain/Ids.ts"
import type { Vault } from "../services/Vault.ts"
import { isSameOrigin } from "./middleware/Hosts.ts"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers" | "method">
type VaultService = typeof Vault.Service

/** How long a session lasts, in seconds: a week. */
const lifetime = 7 * 24 * 3600

/** Browsers take the first name only over TLS, for the whole host and no other. */
const secureName = "__Host-stoa"
const plainName = "stoa_session"

/** All are sealed for the same, because nobody knows yet whose one is. */
const sealedFor = { owner: UserId.make("dashboard"), record: "dashboard/session" }

const Session = Schema.parseJson(Schema.Struct({ key_id: KeyId, expires_at: Schema.Int }))
export type Session = typeof Session.Type

/** Whether the browser reached the server by TLS, as a proxy or the browser itself says. */
const isSecure = ({ headers }: Request): boolean =>
  headers["x-forwarded-proto"]?.split(",", 1)[0]?.trim() === "https" || headers["origin"]?.startsWith("https:") === true

const valueIn = (cookies: string, name: string): string | undefined =>
  cookies.split(";").map((cookie) => cookie.trim()).find((cookie) => cookie.startsWith(`${name}=`))?.slice(
    name.length + 1
  )

const safe = new Set(["GET", "HEAD", "OPTIONS"])

/** A page of another origin gets no browser to send this header: the server's answer to OPTIONS does not allow it. */
const isMeant = ({ headers }: Request): boolean => headers["x-stoa-csrf"] === "1"

/** Whether the request comes from a page of this server. */
const isOwnPage = ({ headers }: Request): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin"
  const { host, origin } = headers
  return origin !== undefined && isSameOrigin(origin, host)
}

const refused = new Forbidden({
  code: "csrf_refused",
  detail: "A session in a cookie is for this server's own pages alone. Programs send the API key itself."
})

/** For what changes something by a cookie, or changes the cookie. */
export const ownPage = (request: Request): Effect.Effect<void, Forbidden> =>
  isMeant(request) && isOwnPage(request) ? Effect.void : Effect.fail(refused)

/** The session of a request. One that has ended or was tampered with is none. */
export const sessionIn = (
  vault: VaultService,
  request: Request
): Effect.Effect<Session | undefined, Forbidden> =>
  Effect.gen(function*() {
    const { cookie } = request.headers
    if (cookie === undefined || !isMeant(request)) return undefined
    const value = valueIn(cookie, secureName) ?? (isSecure(request) ? undefined : valueIn(cookie, plainName))
    const sealed = Encoding.decodeBase64UrlString(value ?? "")
    if (Either.isLeft(sealed) || sealed.right === "") return undefined
    const opened = yield* Effect.option(
      Effect.flatMap(vault.open(sealed.right, sealedFor), Schema.decode(Session))
    )
    if (Option.isNone(opened)) return undefined
    if (opened.value.expires_at <= (yield* Clock.currentTimeMillis) / 1000) return undefined
    // Only now: a cookie of another server at this host is nothing to refuse anybody for.
    if (!safe.has(request.method) && !isOwnPage(request)) return yield* refused
    return opened.value
  })

const attributes = (request: Request, base: string, seconds: number) =>
  isSecure(request)
    ? `; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax; Secure`
    : `; Path=${base === "" ? "/" : base}; Max-Age=${seconds}; HttpOnly; SameSite=Lax`

const nameFor = (request: Request) => isSecure(request) ? secureName : plainName

/** The text of a header that begins a session, and when that ends, in seconds. */
export const begin = Effect.fnUntraced(function*(vault: VaultService, request: Request, base: string, key_id: KeyId) {
  const expires_at = Math.floor((yield* Clock.currentTimeMillis) / 1000) + lifetime
  const sealed = yield* vault.seal(Schema.encodeSync(Session)({ key_id, expires_at }), sealedFor)
  const cookie = `${nameFor(request)}=${Encoding.encodeBase64Url(sealed)}${attributes(request, base, lifetime)}`
  return { cookie, expires_at }
})

/** The text of a header with which the browser forgets it. */
export const end = (request: Request, base: string): string => `${nameFor(request)}=${attributes(request, base, 0)}`
