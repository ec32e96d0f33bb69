/** Reads the card of an agent, which says what it can do and how it is spoken to. None of it is believed beyond that. */
import { Duration, Effect, ParseResult, Schema } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import { maxUrl } from "../../domain/McpConfig.ts"
import type { RemoteAgent } from "../../domain/RemoteAgent.ts"
import { withoutTrailing } from "../../domain/Text.ts"
import { Outbound, OutboundRefused } from "../../services/Outbound.ts"
import { veiledIn } from "../Veil.ts"
import { jsonOf, maxCard, Unreadable } from "./Reading.ts"
import { veilFor } from "./Wire.ts"

/** Longest time until a card has come whole. */
const timeout = Duration.seconds(20)

/** Most entries of its lists, and characters of its texts. */
const maxInterfaces = 32
const maxSkills = 256
const maxExtensions = 64
const short = Schema.String.pipe(Schema.maxLength(256))
const long = Schema.String.pipe(Schema.maxLength(16 * 1024))
const named = short.pipe(Schema.minLength(1))

/** Skills of it that are kept, and characters of a description. */
const keptSkills = 20
const keptText = 500

const Card = Schema.Struct({
  name: named,
  description: long,
  version: short,
  supportedInterfaces: Schema.Array(Schema.Struct({
    url: Schema.String.pipe(Schema.maxLength(maxUrl)),
    protocolBinding: short,
    protocolVersion: short,
    tenant: Schema.optional(Schema.NullOr(short))
  })).pipe(Schema.minItems(1), Schema.maxItems(maxInterfaces)),
  capabilities: Schema.Struct({
    streaming: Schema.optional(Schema.NullOr(Schema.Boolean)),
    extensions: Schema.optional(Schema.NullOr(
      Schema.Array(Schema.Struct({ uri: Schema.String, required: Schema.optional(Schema.NullOr(Schema.Boolean)) }))
        .pipe(
          Schema.maxItems(maxExtensions)
        )
    ))
  }),
  skills: Schema.Array(Schema.Struct({ id: named, name: named, description: long })).pipe(Schema.maxItems(maxSkills))
})

/** What of a card is kept, and where the calls go. */
export interface Read
  extends Pick<RemoteAgent, "binding" | "description" | "skills" | "streams" | "tenant" | "title" | "version">
{
  readonly url: string
}

const wrong = (message: string) => new Invalid({ detail: `url: ${message}.`, errors: [{ path: "url", message }] })

const wellKnown = "/.well-known/agent-card.json"

/** Where the card is: an address without a path is that of a server. */
export const placeOf = (url: string): URL => {
  const place = new URL(url)
  if (place.pathname === "/" && place.search === "") place.pathname = wellKnown
  return place
}

const notAllowed = wrong("This address may not be reached from here. An operator can allow it")

const notFetched = (cause: unknown): Invalid => {
  if (cause instanceof Unreadable) return wrong(`The card cannot be read: ${cause.message.replace(/\.$/, "")}`)
  const refused = cause instanceof Error && cause.cause instanceof OutboundRefused ? cause.cause.code : undefined
  if (refused === "address_not_allowed") return notAllowed
  return wrong(
    refused === "redirect_not_followed"
      ? "The card is elsewhere: redirects are not followed"
      : "The card could not be read: its address is wrong, or does not answer"
  )
}

/** In one line, without what could end or hide it. */
const line = (text: string, most = keptText) =>
  text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim().slice(0, most).toWellFormed()

const bindings = new Set<string>(["JSONRPC", "HTTP+JSON"])
const isBinding = (text: string): text is RemoteAgent["binding"] => bindings.has(text)

const decode = Schema.decodeUnknown(Card)

/** Headers are given for the place of the card: they are sent nowhere else. */
export const read = (place: URL, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const { fetch, forbids } = yield* Outbound
    if (place.username !== "" || place.password !== "") return yield* wrong("Expected no user and no password")
    if (forbids(place.href)) return yield* notAllowed
    const body = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(place.href, {
          signal,
          redirect: "manual",
          headers: { ...headers, accept: "application/json", "a2a-version": "1.0" }
        })
        if (response.ok) return jsonOf(response, maxCard)
        await response.body?.cancel()
        throw new Unreadable(`HTTP ${response.status}.`)
      },
      catch: notFetched
    }).pipe(Effect.timeoutFail({ duration: timeout, onTimeout: () => wrong("The card did not come in time") }))
    const card = yield* Effect.mapError(decode(veiledIn(body, veilFor({ url: place.href, headers }))), (error) => {
      const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return wrong(`That is no card of A2A 1.0 (${first?.path.join(".") || "it is no object"})`)
    })
    const needed = card.capabilities.extensions?.find(({ required }) => required === true)
    if (needed !== undefined) {
      return yield* wrong(`The agent needs the extension ${line(needed.uri, 200)}, which is not spoken here`)
    }
    // The agent likes the first best.
    const spoken = card.supportedInterfaces.find(({ protocolBinding, protocolVersion, url }) =>
      isBinding(protocolBinding) && /^1(\.\d{1,4}){0,2}$/.test(protocolVersion) && URL.canParse(url)
    )
    if (spoken === undefined || !isBinding(spoken.protocolBinding)) {
      return yield* wrong("The agent speaks no A2A 1.0 by JSON-RPC or REST")
    }
    const target = new URL(spoken.url)
    if (target.username !== "" || target.password !== "" || forbids(target.href)) {
      return yield* wrong("The card sends calls to an address that may not be reached from here")
    }
    if (Object.keys(headers).length > 0 && target.origin !== place.origin) {
      return yield* wrong(
        "The card sends calls to another server, for which the headers were not given: give the address of the card there"
      )
    }
    const result: Read = {
      url: withoutTrailing(spoken.url, "/"),
      binding: spoken.protocolBinding,
      tenant: spoken.tenant ?? null,
      streams: card.capabilities.streaming === true,
      title: line(card.name),
      description: line(card.description),
      version: line(card.version),
      skills: card.skills.slice(0, keptSkills).map(({ description, id, name }) => ({
        id: line(id),
        name: line(name),
        description: line(description)
      }))
    }
    return result
  })
