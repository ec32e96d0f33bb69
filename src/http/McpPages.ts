/** Pages for people who come back from an authorization server. They have no identity: `state` stands for it. */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer } from "effect"
import type { McpAuthorizationReturn } from "../domain/McpAuthorization.ts"
import { Mcp, type McpCallback } from "../services/Mcp.ts"
import { publicUrl } from "./PublicUrl.ts"

const callbackPath = "/mcp/authorize/callback"
const clientPath = "/mcp/authorize/client.json"

/** They are for browsers and authorization servers, and in no document of the API. */
export const routes: ReadonlyArray<{ readonly method: string; readonly path: `/${string}` }> = [
  { method: "GET", path: callbackPath },
  { method: "POST", path: callbackPath },
  { method: "GET", path: clientPath }
]

/** Longest text that an authorization server sends a person back with. */
const maxText = 4_096

export const callback: Effect.Effect<McpCallback, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  publicUrl,
  (base) => ({ redirect: `${base}${callbackPath}`, metadata: `${base}${clientPath}` })
)

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character]!)

/** A referrer to the own origin only: the address holds the code. */
const headers = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
}

const page = (title: string, body: string, status = 200) =>
  HttpServerResponse.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>body{font:16px/1.5 system-ui;max-width:34rem;margin:4rem auto;padding:0 1rem}
button{font:inherit;padding:.5rem 1rem}</style><h1>${escaped(title)}</h1>${body}</html>`,
    { status, headers, contentType: "text/html; charset=utf-8" }
  )

const sentence = (text: string) => `<p>${escaped(text)}</p>`

const over = page(
  "This authorization is over",
  sentence("It was used already, took too long, or was begun anew. Begin it again."),
  400
)

/** What an authorization server sends a person back with; the rest of it is not used. */
const returnedIn = ({ url }: HttpServerRequest.HttpServerRequest): McpAuthorizationReturn => {
  const query = new URLSearchParams(url.slice(url.indexOf("?") + 1))
  const text = (name: string) => query.get(name)?.slice(0, maxText)
  return { state: text("state") ?? "", code: text("code"), iss: text("iss"), error: text("error") }
}

/** The button of the page sends the same again. */
const buttonFor = (returned: McpAuthorizationReturn, words: string) => {
  const query = new URLSearchParams(
    Object.entries(returned).flatMap(([name, value]): ReadonlyArray<[string, string]> =>
      typeof value === "string" ? [[name, value]] : []
    )
  )
  return `<form method="post" action="?${escaped(query.toString())}"><button>${words}</button></form>`
}

const make = Effect.gen(function*() {
  const router = yield* HttpLayerRouter.HttpRouter
  const mcp = yield* Mcp

  const returned = Effect.gen(function*() {
    const back = returnedIn(yield* HttpServerRequest.HttpServerRequest)
    const attempt = yield* mcp.attemptOf(back.state)
    if (attempt === undefined) return over
    if (back.code === undefined) return page("It was not allowed", buttonFor(back, "Close this attempt"))
    // Somebody could send a person the address of an attempt of their own: the person sees whose it is.
    const whose = `What you have just allowed will be used by the agents of the user ${attempt.owner} of this server. `
      + "Go on only if you have begun this yourself."
    return page(`Connect ${attempt.server}?`, `${sentence(whose)}${buttonFor(back, "Connect")}`)
  })

  const finish = Effect.gen(function*() {
    const back = returnedIn(yield* HttpServerRequest.HttpServerRequest)
    return yield* mcp.finishAuthorization(back).pipe(
      Effect.map((server) =>
        page(`${server} is connected`, sentence("Agents can use it now. You can close this page."))
      ),
      Effect.catchAll(({ message }) => Effect.succeed(page("It is not connected", sentence(message), 400)))
    )
  })

  yield* router.add("GET", callbackPath, returned)
  yield* router.add("POST", callbackPath, finish)
  yield* router.add(
    "GET",
    clientPath,
    Effect.map(callback, (at) => HttpServerResponse.unsafeJson(mcp.clientDocument(at)))
  )
})

export const layer: Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Mcp> = Layer.effectDiscard(make)
