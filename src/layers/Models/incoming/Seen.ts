/** What has been seen of an answer while its bytes passed: how far it is, and what it costs so far. */
import type { Usage } from "../../../domain/Usage.ts"

export type Kind = "chat" | "messages" | "responses" | "gemini"

export interface Seen {
  /** The protocol, once an event has shown which it is. */
  kind: Kind | undefined
  /** Whether something of the answer itself has come: text, a call, a file. */
  visible: boolean
  /** Whether the answer has said why it ends. */
  finished: boolean
  /** That reason, in the provider's word. */
  reason: string | undefined
  /** Whether the last event has come. */
  over: boolean
  /** Events that have come. */
  events: number
  /** How many events, and parts of them, could not be read and were left out. */
  skipped: number
  /** The tokens that the provider has named so far. */
  usage: Usage | undefined
}

export const nothingSeen = (): Seen => ({
  kind: undefined,
  visible: false,
  finished: false,
  reason: undefined,
  over: false,
  events: 0,
  skipped: 0,
  usage: undefined
})

/** An event that is not passed on. */
export const dropped: unique symbol = Symbol("dropped")

/** Looks at an event's JSON, and returns it, others in its place, or `dropped`. */
export type Look = (value: Fields) => Fields | ReadonlyArray<Fields> | typeof dropped

/** A JSON object of which nothing is known. */
export type Fields = { readonly [name: string]: unknown }

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The value if it is an object, else one without fields. */
export const fieldsIn = (value: unknown): Fields => isFields(value) ? value : {}
