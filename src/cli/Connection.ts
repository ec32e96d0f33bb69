/** The server that a command talks to: the options that name it, and a client of its API. */
import { Options } from "@effect/cli"
import { Effect, Option, Redacted } from "effect"
import { withoutTrailing } from "../domain/Text.ts"
import * as Client from "./client/Connection.ts"
import { variable } from "./Env.ts"
import { misused } from "./Failed.ts"
import { version } from "./Version.ts"

const defaultUrl = "http://127.0.0.1:8000"

/** The user when there is no key and no user is named. */
const defaultUser = "local"

export const connection = {
  url: Options.text("url").pipe(
    Options.withPseudoName("URL"),
    Options.withDescription(`The server (STOA_URL, default ${defaultUrl})`),
    Options.optional
  ),
  key: Options.redacted("key").pipe(
    Options.withPseudoName("KEY"),
    Options.withDescription("An API key (better in STOA_API_KEY: command lines are visible to others)"),
    Options.optional
  ),
  user: Options.text("user").pipe(
    Options.withPseudoName("USER"),
    Options.withDescription(`Whom to act for, without a key (STOA_USER, default ${defaultUser})`),
    Options.optional
  )
}

export interface ConnectionOptions {
  readonly url: Option.Option<string>
  readonly key: Option.Option<Redacted.Redacted>
  readonly user: Option.Option<string>
}

const firstOf = (given: Option.Option<string>, name: string) =>
  Option.isSome(given) ? Effect.succeed(given) : variable(name)

const readUrl = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const text = Option.getOrElse(yield* firstOf(given, "STOA_URL"), () => defaultUrl)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    return yield* misused(`The server's URL should read like ${defaultUrl} (--url, STOA_URL).`)
  }
  if (url.username !== "" || url.password !== "") {
    return yield* misused("The server's URL must not hold a user or a password: give a key in STOA_API_KEY.")
  }
  return url.origin + withoutTrailing(url.pathname, "/")
})

/** The headers that identify the caller. A key speaks for its own tenant, so no user is sent with it. */
const readIdentity = Effect.fnUntraced(function*({ key, user }: ConnectionOptions) {
  const secret = yield* firstOf(Option.map(key, Redacted.value), "STOA_API_KEY")
  if (Option.isSome(secret)) {
    if (!/^[\x21-\x7e]{1,512}$/.test(secret.value)) {
      return yield* misused("The API key has characters that no key has (--key, STOA_API_KEY).")
    }
    return { authorization: `Bearer ${secret.value}` }
  }
  const name = Option.getOrElse(yield* firstOf(user, "STOA_USER"), () => defaultUser)
  return /^[A-Za-z0-9._@-]{1,128}$/.test(name)
    ? { "x-user-id": name }
    : yield* misused("The user should be 1 to 128 letters, digits, dots, dashes, underscores or @ (--user, STOA_USER).")
})

/** What a person at a terminal can do about it. */
const sentenceOf = (url: string, code: string | undefined): string => {
  switch (code) {
    case "ECONNREFUSED":
      return `no server at ${url}; start one with npm start, or name another with --url.`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `no host of the name in ${url} is known; check --url and the network.`
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
      return `${url} does not answer.`
    default:
      return `the connection to ${url} failed${code === undefined ? "" : ` (${code})`}.`
  }
}

/** The client of `http/client` for the server that the options name. `identity` is curl's argument that says who asks. */
export const connect = Effect.fn("Connection.connect")(function*(options: ConnectionOptions) {
  const url = yield* readUrl(options.url)
  const identity = yield* readIdentity(options)
  const headers = { ...identity, "user-agent": `stoa/${version}` }
  const connected = yield* Client.connect({ url, headers, sentence: sentenceOf })
  const identityHeader = "authorization" in identity
    ? "-H \"authorization: Bearer $STOA_API_KEY\""
    : `-H 'x-user-id: ${identity["x-user-id"]}'`
  return { ...connected, identity: identityHeader }
})

export interface Connection extends Effect.Effect.Success<ReturnType<typeof connect>> {}

/** Connection options of commands that need an admin's key; no user is sent with it. */
export const admin = { url: connection.url, key: connection.key }

export const asAdmin = (options: Omit<ConnectionOptions, "user">) =>
  connect({ url: options.url, key: options.key, user: Option.none() })
