/**
 * How the API describes itself: the OpenAPI document, and three pages that show
 * it. A page asks no other host for anything: what it needs is in it or beside
 * it, and its content security policy lets it run nothing else.
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import { Effect, Layer, Scope } from "effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { shared } from "../services/Shared.ts"
import { Api } from "./Api.ts"
import { aroundOf } from "./Around.ts"
import type { Mounted } from "./channels/Channel.ts"

/** The user for whom a page sends requests until its reader names another. On loopback no more is needed. */
const reader = "local"

/** Switches off everything that leads to the page's makers or loads from them: their client, toolbar, fonts and analytics. */
const scalar = {
  hideClientButton: true,
  showToolbar: "never",
  telemetry: false,
  withDefaultFonts: false,
  authentication: { preferredSecurityScheme: "user", securitySchemes: { user: { value: reader } } },
  customCss: `
    :root {
      --scalar-font: system-ui, sans-serif;
      --scalar-font-code: ui-monospace, monospace;
    }
    a[href*="scalar.com"], .open-api-client-button { display: none !important; }`
}

/** The place in the other page where its configuration goes. */
const swaggerOptions = "dom_id: '#swagger-ui',"

/** It knows the ways to say who asks only after it has read the document, and the page only after that. */
const swaggerStart = `${swaggerOptions}
        tryItOutEnabled: true,
        validatorUrl: null,
        onComplete: () => setTimeout(() => window.ui.preauthorizeApiKey("user", "${reader}")),`

/** The scripts of a page that run; the others are data. */
const scripts = (html: string) => [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script!)

/** Scalar reads the document by WebAssembly, and shows nothing without it. A text is still no script. */
const webAssembly = "'wasm-unsafe-eval' "

const policyFor = (html: string, more: string) =>
  [
    "default-src 'none'",
    `script-src ${more}${
      scripts(html).map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`).join(" ")
    }`,
    // Both pages write styles while they run.
    "style-src 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")

const securely =
  (change: (html: string) => string, more: string) => (response: HttpServerResponse.HttpServerResponse) => {
    if (response.body._tag !== "Uint8Array") return response
    const html = change(new TextDecoder().decode(response.body.body))
    return HttpServerResponse.html(html).pipe(
      HttpServerResponse.setHeaders({
        "content-security-policy": policyFor(html, more),
        "referrer-policy": "no-referrer"
      })
    )
  }

type Pages = Layer.Layer<never, never, HttpLayerRouter.HttpRouter>

// Their modules hold the scripts of the pages, five megabytes of text: to load them took a good part of every start.
const scalarPage: Pages = Layer.unwrapEffect(
  Effect.map(
    Effect.promise(() => import("@effect/platform/HttpApiScalar")),
    ({ layerHttpLayerRouter }) => layerHttpLayerRouter({ api: Api, path: "/docs", scalar })
  )
)

const swaggerPage: Pages = Layer.unwrapEffect(
  Effect.map(
    Effect.promise(() => import("@effect/platform/HttpApiSwagger")),
    ({ layerHttpLayerRouter }) => layerHttpLayerRouter({ api: Api, path: "/docs/swagger" })
  )
)

/** A copy that a browser has may be shown after it was asked whether it still holds; one under a name of its own, at once and for a year. */
const asked = "no-cache"
const forLong = "public, max-age=31536000, immutable"

const tagOf = (bytes: Uint8Array) => `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`

type Made<E> = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  E,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** The paths that this server may be mounted below at once; what is made for more is made again and again. */
const maxBases = 8

/**
 * Serves what is made when it is first requested: that takes longer than all the rest of the server's start. `make` is
 * given the path below which the server is mounted.
 */
const onDemand = <E>(path: `/${string}`, make: (base: string) => Made<E>, cacheControl = asked) =>
  HttpLayerRouter.use((router) =>
    Effect.flatMap(Effect.scope, (scope) => {
      const serving = (base: string) =>
        Effect.map(Effect.scoped(make(base)), (response) => {
          const { body } = response
          const etag = body._tag === "Uint8Array" ? tagOf(body.body) : undefined
          const headers = { "cache-control": cacheControl, ...etag !== undefined && { etag } }
          return {
            etag,
            whole: HttpServerResponse.setHeaders(response, headers),
            same: HttpServerResponse.empty({ status: 304, headers })
          }
        }).pipe(shared, Effect.map(Effect.orDie), Scope.extend(scope))
      const known = new Map<string, Effect.Effect.Success<ReturnType<typeof serving>>>()
      const servingAt = (base: string) => {
        const made = known.get(base)
        if (made !== undefined) return made
        return Effect.flatMap(serving(base), (made) => {
          if (known.size < maxBases) known.set(base, made)
          return made
        })
      }
      return router.add(
        "GET",
        path,
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
          Effect.map(
            servingAt(aroundOf(request).base),
            ({ etag, same, whole }) =>
              etag !== undefined && request.headers["if-none-match"]?.includes(etag) === true ? same : whole
          ))
      )
    })
  )

const page = (pages: Pages, change: (html: string) => string, more = "") => (base: string) =>
  Effect.scoped(HttpLayerRouter.toHttpEffect(pages)).pipe(
    Effect.flatten,
    Effect.map(securely((html) => change(base === "" ? html : html.replace(specBegins, `$1${serversAt(base)}`)), more))
  )

/** Where in a page its document begins. */
const specBegins = /("?openapi"?:"3\.[^"]*",)/

/** Where clients reach a server that is mounted below a path. */
const serversAt = (base: string) => `"servers":${JSON.stringify([{ url: base }])},`

const documented = (base: string, document: object) =>
  HttpServerResponse.unsafeJson(base === "" ? document : { ...document, servers: [{ url: base }] })

/** Redoc's script with all that it needs in it. The name holds its version, so that a copy never grows old. */
const redocScript = "/redoc/redoc-2.5.4.js"

/** The page would ask its makers' host for a picture, and nothing else. */
const makersPicture = "https://cdn.redoc.ly/redoc/logo-mini.svg"
const noPicture = "data:,"

/** The build puts it beside this module; the sources take it from the package. */
const redocFile = Effect.promise(() =>
  readFile(new URL("redoc.standalone.js", import.meta.url)).catch(() =>
    readFile(createRequire(import.meta.url).resolve("redoc/bundles/redoc.standalone.js"))
  )
).pipe(Effect.map((bytes) => Buffer.from(bytes.toString("utf8").replaceAll(makersPicture, noPicture))))

/** It gets no fonts from elsewhere, and no search, which would run a script of its own making. */
const redocPage = (base: string, spec: string) =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Stoa</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { margin: 0 } a[href*="redocly.com"] { display: none !important }</style>
</head>
<body>
<redoc spec-url="${base}${spec}" disable-search hide-schema-titles
  theme='{"typography":{"fontFamily":"system-ui, sans-serif","headings":{"fontFamily":"system-ui, sans-serif"},"code":{"fontFamily":"ui-monospace, monospace"}}}'></redoc>
<script src="${base}${redocScript}"></script>
</body>
</html>
`

const redocPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const redoc = (spec: string) => (base: string) =>
  Effect.sync(() =>
    HttpServerResponse.html(redocPage(base, spec)).pipe(
      HttpServerResponse.setHeaders({ "content-security-policy": redocPolicy, "referrer-policy": "no-referrer" })
    )
  )

export const paths = ["/docs", "/docs/swagger", "/redoc", redocScript, "/openapi.json"] as const

export const layer: Pages = Layer.mergeAll(
  onDemand("/docs", page(scalarPage, (html) => html, webAssembly)),
  onDemand("/docs/swagger", page(swaggerPage, (html) => html.replace(swaggerOptions, swaggerStart))),
  onDemand(
    "/redoc",
    redoc("/openapi.json")
  ),
  onDemand(
    redocScript,
    () =>
      Effect.map(
        redocFile,
        (bytes) => HttpServerResponse.uint8Array(bytes, { contentType: "text/javascript; charset=utf-8" })
      ),
    forLong
  ),
  onDemand("/openapi.json", (base) => Effect.sync(() => documented(base, OpenApi.fromApi(Api))))
)

/** The documents of channels: a page at `/docs/<name>`, and the document itself at `/docs/<name>.json`. */
export const ofChannels = (channels: ReadonlyArray<Mounted>) => ({
  paths: channels.flatMap(({ name }) => [`/docs/${name}`, `/docs/${name}.json`] as const),
  layer: channels.reduce<Pages>(
    (all, { document, name }) =>
      Layer.mergeAll(
        all,
        onDemand(`/docs/${name}`, redoc(`/docs/${name}.json`)),
        onDemand(`/docs/${name}.json`, (base) => Effect.sync(() => documented(base, document())))
      ),
    Layer.empty
  )
})
