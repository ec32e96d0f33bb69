/** AWS Signature Version 4 of requests without a query: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
import { createHash, createHmac } from "node:crypto"
import * as Outgoing from "../aisdk/Outgoing.ts"

interface Keys {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly session_token: string | undefined
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex")

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** The headers that sign it; `now` is in milliseconds. */
export const signed = (
  url: string,
  { access_key_id, secret_access_key, session_token }: Keys,
  region: string,
  now: number,
  method: "GET" | "POST" = "GET",
  body = ""
): Readonly<Record<string, string>> => {
  const { host, pathname } = new URL(url)
  // @effect-diagnostics-next-line globalDate:off -- writes a time that the clock gave
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "")
  const headers = {
    host,
    "x-amz-date": time,
    ...(session_token !== undefined && { "x-amz-security-token": session_token })
  }
  const names = Object.keys(headers).join(";")
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join("")
  // A path is encoded once more than it is sent.
  const path = pathname.split("/").map(encoded).join("/")
  const request = [method, path, "", lines, names, digest(body)].join("\n")
  const scope = `${time.slice(0, 8)}/${region}/bedrock/aws4_request`
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${secret_access_key}`)
  const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope, digest(request)].join("\n")).toString("hex")
  const { host: _, ...sent } = headers
  return {
    ...sent,
    authorization:
      `AWS4-HMAC-SHA256 Credential=${access_key_id}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  }
}

/** Signs each request as the last thing before it leaves. */
export const signing =
  (fetch: typeof globalThis.fetch, keys: Keys, region: string): typeof globalThis.fetch => (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const body = typeof init?.body === "string" ? Outgoing.bodyOf(init.body) : ""
    const headers = new Headers(init?.headers)
    // @effect-diagnostics-next-line globalDate:off -- a package calls this, outside of any Effect, and AWS compares it with the time of the day
    for (const [name, value] of Object.entries(signed(url, keys, region, Date.now(), "POST", body))) {
      headers.set(name, value)
    }
    return fetch(input, { ...init, headers, ...(body !== "" && { body }) })
  }
