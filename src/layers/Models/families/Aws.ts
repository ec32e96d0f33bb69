/** AWS Signature Version 4 of a GET without query: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
import { createHash, createHmac } from "node:crypto"

interface Keys {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly session_token: string | undefined
}

const digest = (text: string) => createHash("sha256").update(text).digest("hex")

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

/** The headers that sign it; `now` is in milliseconds. */
export const signed = (
  url: string,
  { access_key_id, secret_access_key, session_token }: Keys,
  region: string,
  now: number
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
  const request = ["GET", pathname, "", lines, names, digest("")].join("\n")
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
