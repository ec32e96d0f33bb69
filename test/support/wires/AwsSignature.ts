/** Checks a Signature Version 4 as its receiver does: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
import { createHash, createHmac } from "node:crypto"
import type { Received } from "./Wire.ts"

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex")
const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest()

const encoded = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** A path is encoded once more than it is sent. */
const canonicalPath = (path: string) => path.split("/").map(encoded).join("/")

const canonicalQuery = (query: URLSearchParams) =>
  [...query].map(([name, value]) => `${encoded(name)}=${encoded(value)}`).toSorted().join("&")

const shape =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/([^/]+)\/([^/]+)\/aws4_request), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/

export interface Keys {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly region: string
  readonly service: string
}

/** Whether these keys have signed the request: its method, address, body, host and time. */
export const isSignedBy = (keys: Keys, { bytes, headers, method, path, query }: Received): boolean => {
  const [, id, scope = "", region, service, names = "", signature] = shape.exec(headers.authorization ?? "") ?? []
  if (id !== keys.access_key_id || region !== keys.region || service !== keys.service) return false
  const signed = names.split(";")
  const time = String(headers["x-amz-date"])
  if (!signed.includes("host") || !signed.includes("x-amz-date") || !time.startsWith(scope.slice(0, 8))) return false
  const request = [
    method,
    canonicalPath(path),
    canonicalQuery(query),
    ...signed.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, " ")}`),
    "",
    names,
    sha256(bytes)
  ].join("\n")
  const key = scope.split("/").reduce<string | Uint8Array>(hmac, `AWS4${keys.secret_access_key}`)
  return hmac(key, ["AWS4-HMAC-SHA256", time, scope, sha256(request)].join("\n")).toString("hex") === signature
}
