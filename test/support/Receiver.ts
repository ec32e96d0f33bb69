/** A receiver of webhooks on loopback, which answers as it is told. */
import { Effect, type Scope } from "effect"
import { createHmac } from "node:crypto"
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http"

export interface Got {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly json: ReturnType<typeof JSON.parse>
}

export interface Receiver {
  readonly url: string
  readonly got: Array<Got>
  /** How it answers; 204 at first. */
  answer: RequestListener
}

export const receiver: Effect.Effect<Receiver, never, Scope.Scope> = Effect.acquireRelease(
  Effect.async<Receiver & { readonly close: () => void }>((resume) => {
    const got: Array<Got> = []
    const server = createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (piece: string) => body += piece).on("end", () => {
        got.push({ path: request.url ?? "", headers: request.headers, body, json: JSON.parse(body) })
        self.answer(request, response)
      })
    })
    const self = {
      url: "",
      got,
      answer: ((_, response) => response.writeHead(204).end()) as RequestListener,
      close: () => {
        server.close()
        server.closeAllConnections()
      }
    }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed(Object.assign(self, { url: `http://127.0.0.1:${port}` })))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** The signature as Standard Webhooks says it, made by hand. */
export const signatureOf = (secret: string, { body, headers }: Got): string => {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64")
  const text = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`
}
