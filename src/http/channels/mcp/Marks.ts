/**
 * What clients hand back: ids of sessions and of events. All that is to be known is in them, so that nothing is kept
 * for a client which is away, and any process can go on. They give nobody any right: who asks is known by the key.
 */
import { Either, Encoding, Option, Schema } from "effect"
import { createHash, randomBytes } from "node:crypto"
import type { UserId } from "../../../domain/Ids.ts"

/** Longest id that is read, in characters, and longest id of a request or of its progress that can be a part of one. */
const maxId = 2048
const maxPart = 256

const write = (parts: ReadonlyArray<unknown>): string => Encoding.encodeBase64Url(JSON.stringify(parts))

const read = <A, I>(schema: Schema.Schema<A, I>, id: string): A | undefined => {
  if (id.length > maxId) return undefined
  const parsed = Either.flatMap(
    Encoding.decodeBase64UrlString(id),
    (text) => Either.try((): unknown => JSON.parse(text))
  )
  return Option.getOrUndefined(
    Option.flatMap(Either.getRight(parsed), Schema.decodeUnknownOption(schema))
  )
}

/** What a client said of itself when it opened a session, as far as it matters later. */
const Said = { version: Schema.String.pipe(Schema.maxLength(32)), can: Schema.String.pipe(Schema.maxLength(16)) }

const SessionId = Schema.Tuple(Schema.String, Schema.String, Said.version, Said.can)

export interface McpSession {
  readonly id: string
  readonly version: string
  readonly capabilities: Readonly<Record<string, object>>
}

const letters: ReadonlyArray<readonly [letter: string, capability: string]> = [
  ["e", "elicitation"],
  ["s", "sampling"],
  ["r", "roots"]
]

/** Knows its owner's sessions from those of others, without telling who the owner is. */
const tagOf = (owner: UserId, nonce: string): string =>
  createHash("sha256").update(`${nonce} ${owner}`).digest("base64url").slice(0, 22)

/** The id of a new session. A client that asks by address alone is none that can be asked by a form. */
export const sessionId = (
  owner: UserId,
  { capabilities, version }: Pick<McpSession, "version"> & { readonly capabilities: Readonly<Record<string, unknown>> }
): string => {
  const nonce = randomBytes(16).toString("base64url")
  const can = letters.filter(([, name]) => capabilities[name] !== undefined).map(([letter]) => letter).join("")
  return write([nonce, tagOf(owner, nonce), version.slice(0, 32), can])
}

/** Undefined for what is no session of this owner's. */
export const sessionOf = (owner: UserId, id: string): McpSession | undefined => {
  const parts = read(SessionId, id)
  if (parts === undefined) return undefined
  const [nonce, tag, version, can] = parts
  if (tag !== tagOf(owner, nonce)) return undefined
  const capabilities = letters.filter(([letter]) => can.includes(letter)).map(([, name]) => [name, {}] as const)
  return { id, version, capabilities: Object.fromEntries(capabilities) }
}

const Part = Schema.Union(Schema.String.pipe(Schema.maxLength(maxPart)), Schema.Number)

const EventId = Schema.Struct({
  /** The request whose stream it is, and what its progress is called by. */
  request: Part,
  token: Schema.NullOr(Part),
  run_id: Schema.String.pipe(Schema.maxLength(maxPart)),
  /** How much progress had been told by then. */
  told: Schema.NonNegativeInt
})
export type EventId = typeof EventId.Type

export const isPart = Schema.is(Part)

export const eventId = ({ request, run_id, token, told }: EventId): string => write([request, token, run_id, told])

export const eventOf = (id: string): EventId | undefined => {
  const parts = read(Schema.Tuple(Part, Schema.NullOr(Part), EventId.fields.run_id, EventId.fields.told), id)
  if (parts === undefined) return undefined
  const [request, token, run_id, told] = parts
  return { request, token, run_id, told }
}
