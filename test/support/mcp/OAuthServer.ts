/** A server of the tests that lets in by OAuth alone, with its authorization server beside it. */
import { Effect } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Behaviour from "./behaviour.mjs"

export interface OAuthOptions {
  /** Seconds that an access token is good for. */
  readonly expiresIn?: number
  /** Clients that it knows already, with their secrets. Without any it registers everybody. */
  readonly clients?: Readonly<Record<string, string>>
  /** The scope that calls of tools need. */
  readonly callScope?: string
}

const bodyOf = (request: IncomingMessage) =>
  new Promise<string>((resolve) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => resolve(Buffer.concat(pieces).toString("utf8")))
  })

export const oauthServer = (options: OAuthOptions = {}) =>
  Effect.gen(function*() {
    const { handle } = Behaviour.server({ mode: "good" })
    const clients = new Map(Object.entries(options.clients ?? {}))
    const codes = new Map<string, { readonly challenge: string; readonly client: string; readonly scope: string }>()
    const access = new Map<string, string>()
    const refresh = new Map<string, string>()
    const heard: Array<string> = []
    const asked: Array<URLSearchParams> = []
    let issued = 0
    let tokenStatus = 200
    let refusal = "server_error"
    let slow = 0
    let slowToDescribe = 0
    let elsewhere: string | undefined

    const json = (response: ServerResponse, status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))

    const issue = (response: ServerResponse, scope: string, withRefresh: boolean) => {
      const token = `access-${issued++}-${randomUUID()}`
      access.set(token, scope)
      const refresh_token = `refresh-${randomUUID()}`
      if (withRefresh) refresh.set(refresh_token, scope)
      json(response, 200, {
        access_token: token,
        token_type: "Bearer",
        scope,
        expires_in: options.expiresIn ?? 3_600,
        ...(withRefresh && { refresh_token })
      })
    }

    const onToken = async (request: IncomingMessage, response: ServerResponse) => {
      const params = new URLSearchParams(await bodyOf(request))
      heard.push(`token ${params.get("grant_type")}`)
      if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow))
      if (tokenStatus !== 200 || refusal !== "server_error") {
        return json(response, tokenStatus, { error: refusal, error_description: "SECRET" })
      }
      switch (params.get("grant_type")) {
        case "authorization_code": {
          const code = codes.get(params.get("code") ?? "")
          codes.delete(params.get("code") ?? "")
          const verifier = createHash("sha256").update(params.get("code_verifier") ?? "").digest("base64url")
          if (code === undefined || code.challenge !== verifier) return json(response, 400, { error: "invalid_grant" })
          return issue(response, code.scope, true)
        }
        case "refresh_token": {
          const token = params.get("refresh_token") ?? ""
          const scope = refresh.get(token)
          // It is good for one time, as good servers have it.
          refresh.delete(token)
          return scope === undefined ? json(response, 400, { error: "invalid_grant" }) : issue(response, scope, true)
        }
        case "client_credentials": {
          const basic = Buffer.from((request.headers.authorization ?? "").slice(6), "base64").toString("utf8")
          const [id = "", secret] = basic.split(":")
          return clients.get(id) === secret && secret !== undefined
            ? issue(response, params.get("scope") ?? "", false)
            : json(response, 401, { error: "invalid_client" })
        }
        default:
          return json(response, 400, { error: "unsupported_grant_type" })
      }
    }

    const onMcp = async (request: IncomingMessage, response: ServerResponse, base: string) => {
      const body = await bodyOf(request)
      const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
      const scope = access.get(token)
      const metadata = `resource_metadata="${base}/.well-known/oauth-protected-resource/mcp"`
      if (scope === undefined) {
        return response.writeHead(401, { "www-authenticate": `Bearer ${metadata}, scope="read"` }).end()
      }
      if (request.method !== "POST") return response.writeHead(request.method === "DELETE" ? 204 : 405).end()
      const message = JSON.parse(body) as { readonly id?: unknown; readonly method?: string }
      heard.push(message.method ?? "answer")
      const { callScope } = options
      if (message.method === "tools/call" && callScope !== undefined && !scope.split(" ").includes(callScope)) {
        const error = `Bearer error="insufficient_scope", scope="${callScope}", ${metadata}`
        return response.writeHead(403, { "www-authenticate": error }).end()
      }
      if (message.id === undefined) return response.writeHead(202).end()
      const say = (said: object) => {
        if (!response.writableEnded) json(response, 200, said)
      }
      return handle(message, { say, raw: (text: string) => response.end(text), die: () => response.destroy() })
    }

    const server = createServer((request, response) => {
      const { port } = server.address() as AddressInfo
      const base = `http://127.0.0.1:${port}`
      const url = new URL(request.url ?? "/", base)
      switch (url.pathname) {
        case "/.well-known/oauth-protected-resource/mcp":
          return void setTimeout(
            () => json(response, 200, { resource: `${base}/mcp`, authorization_servers: [elsewhere ?? base] }),
            slowToDescribe
          )
        case "/.well-known/oauth-authorization-server":
          return json(response, 200, {
            issuer: base,
            authorization_endpoint: `${base}/authorize`,
            token_endpoint: `${base}/token`,
            revocation_endpoint: `${base}/revoke`,
            ...(options.clients === undefined && { registration_endpoint: `${base}/register` }),
            response_types_supported: ["code"],
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported: true,
            token_endpoint_auth_methods_supported: options.clients === undefined ? ["none"] : ["client_secret_basic"]
          })
        case "/register":
          return void bodyOf(request).then((body) => {
            heard.push("register")
            const client_id = `client-${randomUUID()}`
            clients.set(client_id, "")
            json(response, 201, { ...JSON.parse(body), client_id })
          })
        case "/authorize": {
          asked.push(url.searchParams)
          const code = `code-${randomUUID()}`
          codes.set(code, {
            challenge: url.searchParams.get("code_challenge") ?? "",
            client: url.searchParams.get("client_id") ?? "",
            scope: url.searchParams.get("scope") ?? ""
          })
          const back = new URL(url.searchParams.get("redirect_uri") ?? "")
          back.searchParams.set("code", code)
          back.searchParams.set("state", url.searchParams.get("state") ?? "")
          back.searchParams.set("iss", base)
          return response.writeHead(302, { location: back.href }).end()
        }
        case "/token":
          return void onToken(request, response)
        case "/revoke":
          return void bodyOf(request).then((body) => {
            heard.push(`revoke ${new URLSearchParams(body).get("token")?.split("-")[0]}`)
            response.writeHead(200).end()
          })
        case "/mcp":
          return void onMcp(request, response, base)
        default:
          return response.writeHead(404).end()
      }
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
        )
    )
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      heard,
      /** What people were sent to it with. */
      asked,
      /** No access token works any more. */
      expire: () => access.clear(),
      /** No token works any more. */
      revokeAll: () => {
        access.clear()
        refresh.clear()
      },
      /** How its tokens are asked for from now on. */
      answer: (status: number, millis = 0, error = "server_error") => {
        tokenStatus = status
        slow = millis
        refusal = error
      },
      /** How long it takes to say where one logs in. */
      describeIn: (millis: number) => {
        slowToDescribe = millis
      },
      /** It names another authorization server from now on. */
      nameAnother: (url: string) => {
        elsewhere = new URL(url).origin
      },
      secrets: () => [...access.keys(), ...refresh.keys()]
    }
  })
