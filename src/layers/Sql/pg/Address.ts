/**
 * A database url, read once: where the server is, and how TLS is spoken to it. The
 * words of `sslmode` mean what they mean to libpq; node-postgres verifies with each.
 * Nothing that is said of a url holds any part of its password.
 */
import { Data, Effect, Redacted } from "effect"
import { readFileSync } from "node:fs"
import { checkServerIdentity } from "node:tls"
import { Client, type Ssl } from "pg"

/** The connection could not be made. `message` is for the person who starts stoa, and never holds the password. */
export class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{
  /** `host:port/database` */
  readonly address: string
  /** The system's or PostgreSQL's code: `ECONNREFUSED`, `28P01` … */
  readonly code: string | undefined
  readonly message: string
}> {}

export interface Address {
  /** The url without what is said of TLS in it. */
  readonly url: string
  /** `host:port/database` */
  readonly shown: string
  readonly ssl: Ssl | undefined
  /** Whether a server that does not speak TLS is spoken to without it. */
  readonly isTlsOptional: boolean
}

const malformed = (why: string) =>
  new DatabaseUnreachable({ address: "", code: undefined, message: `The database url is malformed; ${why}.` })

const shape = "it should read postgres://user:password@host:5432/database"

const escaped =
  "a password that has one of / ? # @ in it has them percent-encoded, as %2F %3F %23 %40, and so has whatever stands behind the host"

const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify"] as const
type Mode = typeof modes[number]

const isMode = (text: string): text is Mode => modes.some((mode) => mode === text)

/** What the url says of TLS; it goes to node-postgres in our words. */
const tlsParams = new Set(["sslmode", "sslrootcert", "sslcert", "sslkey", "uselibpqcompat"])

const fileOf = (params: URLSearchParams, name: string): string | undefined => {
  const path = params.get(name)
  if (path === null || path === "") return undefined
  try {
    return readFileSync(path, "utf8")
  } catch {
    throw malformed(`the file that its ${name} names, ${path}, cannot be read`)
  }
}

const sslOf = (params: URLSearchParams, host: string): Pick<Address, "ssl" | "isTlsOptional"> => {
  const mode = params.get("sslmode")
  if (mode === null) return { ssl: undefined, isTlsOptional: false }
  if (!isMode(mode)) throw malformed(`its sslmode must be one of ${modes.join(", ")}`)
  if (mode === "disable") return { ssl: false, isTlsOptional: false }
  const isSystem = params.get("sslrootcert") === "system"
  const ca = isSystem ? undefined : fileOf(params, "sslrootcert")
  const cert = fileOf(params, "sslcert")
  const key = fileOf(params, "sslkey")
  const own = { ...cert !== undefined && { cert }, ...key !== undefined && { key }, ...ca !== undefined && { ca } }
  const isTlsOptional = mode === "allow" || mode === "prefer"
  // The library looks for the host's name in the certificate where it is a name, and for `localhost` where it is an address.
  const named: Ssl = { ...own, checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate) }
  const anyName: Ssl = { ...own, checkServerIdentity: () => undefined }
  switch (mode) {
    case "verify-full":
      return { ssl: named, isTlsOptional }
    case "verify-ca":
      if (ca === undefined) {
        throw malformed(
          "with sslmode=verify-ca it needs an sslrootcert, or anybody with a public certificate could answer"
        )
      }
      return { ssl: anyName, isTlsOptional }
    case "require":
      // With a certificate to check against, libpq checks.
      return { ssl: ca === undefined ? { ...own, rejectUnauthorized: false } : anyName, isTlsOptional }
    default:
      return { ssl: { ...own, rejectUnauthorized: false }, isTlsOptional }
  }
}

/** Whether the host could be a piece of a password that is not encoded: then nothing of the url may be shown. */
const isAmbiguous = (url: string) => {
  const rest = url.replace(/^[a-z]+:\/\//i, "")
  return rest.slice(rest.search(/[/?#]|$/)).includes("@")
}

const read = (given: string): Address => {
  if (isAmbiguous(given)) throw malformed(`${shape}, where ${escaped}`)
  const [base = "", query = ""] = given.split(/\?(.*)/s)
  const params = new URLSearchParams(query.split("#", 1)[0])
  const kept = new URLSearchParams([...params].filter(([name]) => !tlsParams.has(name)))
  const url = kept.size === 0 ? base : `${base}?${kept.toString()}`
  const { database, host, port } = new Client({ connectionString: url })
  return { url, shown: `${host}:${port}/${database ?? ""}`, ...sslOf(params, host) }
}

/** The library's error repeats the url, with its password. */
export const addressOf = (url: Redacted.Redacted): Effect.Effect<Address, DatabaseUnreachable> =>
  Effect.try({
    try: () => read(Redacted.value(url)),
    catch: (cause) => cause instanceof DatabaseUnreachable ? cause : malformed(shape)
  })
