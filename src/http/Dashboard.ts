/** Serves the built files of the dashboard, what its page is told of the server, and the sessions of its browsers. */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer, Option, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { extname } from "node:path"
import type { DashboardChoice, DashboardConfig, DashboardIdentity, DashboardSession } from "../domain/Dashboard.ts"
import { Invalid, NotFound } from "../domain/Errors.ts"
import { Auth } from "../services/Auth.ts"
import { timestampOf } from "../services/Now.ts"
import { shared } from "../services/Shared.ts"
import { Vault } from "../services/Vault.ts"
import { aroundOf } from "./Around.ts"
import * as Files from "./dashboard/Files.ts"
import * as Page from "./dashboard/Page.ts"
import { principalIn } from "./middleware/Authentication.ts"
import { ResponseHeaders } from "./middleware/ResponseHeaders.ts"
import * as SessionCookie from "./SessionCookie.ts"

export interface Options {
  readonly choice: DashboardChoice
  /** Who asks where a request brings no session. */
  readonly identity: DashboardIdentity
}

const root = "/dashboard"

/** They are for browsers, and in no document of the API. */
export const routes: ReadonlyArray<{ readonly method: string; readonly path: `/${string}` }> = [
  { method: "GET", path: root },
  { method: "GET", path: `${root}/*` },
  { method: "POST", path: `${root}/session` },
  { method: "DELETE", path: `${root}/session` }
]

const forLong = "public, max-age=31536000, immutable"

/** The same file as a proxy or a browser has it may be shown again when the server says that it is the same. */
const asked = "no-cache"

/** Whether a header `Accept-Encoding` names the coding, and not with a weight of 0. */
const takes = (accepted: string, coding: string) =>
  accepted.toLowerCase().split(",").some((part) => {
    const [name, ...parameters] = part.split(";").map((text) => text.trim())
    return name === coding && !parameters.some((text) => text.startsWith("q=") && Number(text.slice(2)) === 0)
  })

const serve = Effect.fnUntraced(function*(
  { headers }: HttpServerRequest.HttpServerRequest,
  { br, etag, gzip, plain, type }: Files.File,
  cacheControl: string
) {
  // The boundary says of every answer what it varies with.
  const always = yield* ResponseHeaders
  always["vary"] = [always["vary"], "Accept-Encoding"].join(", ")
  const accepted = headers["accept-encoding"] ?? ""
  const [bytes, coding] = br !== undefined && takes(accepted, "br")
    ? [br, "br"] as const
    : gzip !== undefined && takes(accepted, "gzip")
    ? [gzip, "gzip"] as const
    : [plain, undefined] as const
  const tag = `"${etag}${coding === undefined ? "" : `-${coding}`}"`
  const more = {
    etag: tag,
    "cache-control": cacheControl,
    "cross-origin-resource-policy": "same-origin",
    // A picture that is opened by itself runs nothing.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    ...coding !== undefined && { "content-encoding": coding }
  }
  return headers["if-none-match"]?.includes(tag) === true
    ? HttpServerResponse.empty({ status: 304, headers: more })
    : HttpServerResponse.uint8Array(bytes, { contentType: type, headers: more })
})

/** A picture of the operator's. */
const pictureOf = (path: string) =>
  Effect.promise(async (): Promise<Files.File | undefined> => {
    const plain = await readFile(path).catch(() => undefined)
    const type = Files.types[extname(path).toLowerCase()]
    return plain === undefined || type === undefined
      ? undefined
      : { plain, type, etag: Files.etagOf(plain), gzip: undefined, br: undefined }
  })

const nothingHere = new NotFound({ code: "no_such_path", detail: "The dashboard has no such file." })

const notBuilt = new NotFound({
  code: "no_such_path",
  detail: "The dashboard has not been built: npm run build does it."
})

const SignIn = Schema.Struct({ key: Schema.String.pipe(Schema.maxLength(512)) })

const noKey = new Invalid({ code: "invalid", detail: "The body must be {\"key\": \"stoa_…\"}." })

const unkept = { "cache-control": "no-store" }

const make = ({ choice, identity }: Options) =>
  Effect.gen(function*() {
    const router = yield* HttpLayerRouter.HttpRouter
    const auth = yield* Auth
    const vault = yield* Vault
    const files = yield* shared(Effect.promise(Files.read))
    const pictures = {
      logo: choice.logo === undefined ? undefined : yield* shared(pictureOf(choice.logo)),
      favicon: choice.favicon === undefined ? undefined : yield* shared(pictureOf(choice.favicon))
    }

    /** A refusal that the boundary writes; a raw route has no errors of its own. */
    const add = <E, R>(
      method: "GET" | "POST" | "DELETE",
      path: `/${string}`,
      answer: (
        request: HttpServerRequest.HttpServerRequest
      ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
    ) => router.add(method, path, Effect.orDie(Effect.flatMap(HttpServerRequest.HttpServerRequest, answer)))

    const config = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const session = yield* SessionCookie.sessionIn(vault, request)
      const known = session === undefined ? Option.none() : yield* Effect.option(
        auth.authenticate({ authorization: undefined, user_id: undefined, session: session.key_id })
      )
      const told: DashboardConfig = {
        title: choice.title ?? "Stoa",
        subtitle: choice.subtitle ?? null,
        logo: choice.logo !== undefined,
        favicon: choice.favicon !== undefined,
        accent: choice.accent ?? null,
        identity: aroundOf(request).principal !== undefined ? "outside" : Option.isSome(known) ? "key" : identity
      }
      // With its key a session has ended; kept by the browser, it would be refused wherever the page says who asks.
      const hasEnded = session !== undefined && Option.isNone(known)
      return HttpServerResponse.unsafeJson(told, {
        headers: {
          ...unkept,
          ...hasEnded && { "set-cookie": SessionCookie.end(request, aroundOf(request).base) }
        }
      })
    })

    const session = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const principal = yield* Effect.option(principalIn({ auth, vault }, request))
      const begun = yield* SessionCookie.sessionIn(vault, request)
      const told: DashboardSession | null = Option.isNone(principal) ? null : {
        user_id: principal.value.user_id,
        scopes: principal.value.scopes,
        expires_at: begun === undefined ? null : timestampOf(begun.expires_at * 1000)
      }
      return HttpServerResponse.unsafeJson(told, { headers: unkept })
    })

    const signIn = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      yield* SessionCookie.ownPage(request)
      const { key } = yield* Effect.flatMap(request.json, Schema.decodeUnknown(SignIn)).pipe(
        Effect.catchTag("ParseError", () => noKey)
      )
      const { key_id, scopes, user_id } = yield* auth.authenticate({
        authorization: `Bearer ${key.trim()}`,
        user_id: undefined
      })
      if (key_id === null) return yield* noKey
      const { cookie, expires_at } = yield* SessionCookie.begin(vault, request, aroundOf(request).base, key_id)
      const told: DashboardSession = { user_id, scopes, expires_at: timestampOf(expires_at * 1000) }
      return HttpServerResponse.unsafeJson(told, { headers: { ...unkept, "set-cookie": cookie } })
    })

    const signOut = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.as(
        SessionCookie.ownPage(request),
        HttpServerResponse.empty({
          headers: { ...unkept, "set-cookie": SessionCookie.end(request, aroundOf(request).base) }
        })
      )

    const own = (name: string) => name === "logo" || name === "favicon" ? pictures[name] : undefined

    const file = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      const rest = request.url.split("?", 1)[0]!.slice(root.length)
      const name = rest.slice(1)
      const picture = own(name)
      if (picture !== undefined) {
        const found = yield* picture
        return yield* found === undefined ? nothingHere : serve(request, found, asked)
      }
      const all = yield* files
      const html = all.get("index.html")
      if (html === undefined) return yield* notBuilt
      const found = name === "index.html" ? undefined : all.get(name)
      if (found !== undefined) return yield* serve(request, found, name.startsWith("assets/") ? forLong : asked)
      const up = name.startsWith("assets/") ? undefined : Page.upFrom(rest)
      return up === undefined ? yield* nothingHere : Page.respond(new TextDecoder().decode(html.plain), up)
    })

    yield* add("GET", `${root}/config.json`, config)
    yield* add("GET", `${root}/session`, session)
    yield* add("POST", `${root}/session`, signIn)
    yield* add("DELETE", `${root}/session`, signOut)
    yield* add("GET", root, file)
    yield* add("GET", `${root}/*`, file)
  })

export const layer = (options: Options): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Auth | Vault> =>
  Layer.scopedDiscard(make(options))

/** What a browser asks for when a person goes somewhere. */
const isVisit = ({ headers, method, url }: HttpServerRequest.HttpServerRequest) =>
  method === "GET" && (url === "/" || url.startsWith("/?")) && headers["accept"]?.includes("text/html") === true &&
  (headers["sec-fetch-dest"] ?? "document") === "document"

/** Sends people from the root to the dashboard; programs find there what they found before. */
export const leading = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
      isVisit(request)
        ? Effect.succeed(
          HttpServerResponse.empty({ status: 302, headers: { location: root, "cache-control": "no-store" } })
        )
        : app
  )
