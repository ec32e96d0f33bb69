/**
 * How the API describes itself: the OpenAPI document, and two pages that show it
 * and try it. A page asks no other host for anything: what it needs is in it,
 * and its content security policy lets it run nothing else.
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { Api } from "./Api.ts"

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

const policyFor = (html: string) =>
  [
    "default-src 'none'",
    `script-src ${
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

const securely = (change: (html: string) => string) => (response: HttpServerResponse.HttpServerResponse) => {
  if (response.body._tag !== "Uint8Array") return response
  const html = change(new TextDecoder().decode(response.body.body))
  return HttpServerResponse.html(html).pipe(
    HttpServerResponse.setHeaders({ "content-security-policy": policyFor(html), "referrer-policy": "no-referrer" })
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

/** The document is made when it is first requested: that takes longer than all the rest of the server's start. */
const onDemand = (path: `/${string}`, pages: Pages, change: (html: string) => string) =>
  HttpLayerRouter.use((router) =>
    Effect.scoped(HttpLayerRouter.toHttpEffect(pages)).pipe(
      Effect.flatten,
      Effect.map(securely(change)),
      Effect.cached,
      Effect.flatMap((page) => router.add("GET", path, Effect.orDie(page)))
    )
  )

export const paths = ["/docs", "/docs/swagger", "/openapi.json"] as const

export const layer: Pages = Layer.mergeAll(
  onDemand("/docs", scalarPage, (html) => html),
  onDemand("/docs/swagger", swaggerPage, (html) => html.replace(swaggerOptions, swaggerStart)),
  HttpLayerRouter.add("GET", "/openapi.json", Effect.sync(() => HttpServerResponse.unsafeJson(OpenApi.fromApi(Api))))
)
