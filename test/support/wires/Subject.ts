/** A provider under test: the wire it speaks, the credential that reaches the fake server, and what it is known to lack. */
import type { JsonObject } from "../../../src/domain/Json.ts"
import type { Received, Wire } from "./Wire.ts"

/** What not every wire has. */
export type Feature =
  | "reasoning"
  | "thinking goes back"
  | "signature"
  | "pieces of arguments"
  | "unfinished arguments"
  | "server-sent events"
  | "limits told within an answer"
  | "files out"
  | "images in"
  | "documents in"
  | "tool choice none"
  | "content filter"
  | "cached tokens"
  | "reasoning tokens"
  | "temperature"
  | "top_p"
  | "stop"
  | "seed"
  | "embeddings"
  | "dimensions"
  | "list of models"

export interface Subject {
  /** Also tells providers with several wires apart. */
  readonly name: string
  /** The credential's type. */
  readonly type: string
  readonly wire: Wire
  /** The credential's fields beside its type; `secret` goes into each that is secret. */
  readonly credential: (origin: string, secret: string) => JsonObject
  readonly model: string
  /** Takes files; else `model` does. */
  readonly seeing?: string
  /** Makes vectors; else `model` does. */
  readonly embedding?: string
  /** A length of vectors that it takes; else any. */
  readonly dimensions?: number
  /** Parameters that every call has. */
  readonly parameters?: JsonObject
  /** Parameters that make it think. */
  readonly thinking?: JsonObject
  /** Whether the secret is where the provider wants it, in the headers or behind their signature. */
  readonly authenticated: (request: Received, secret: string) => boolean
  /** Who makes answers of a schema: the provider, a tool that is forced on the model, or the prompt that asks for JSON. */
  readonly structured: "natively" | "by a tool" | "by the prompt"
  /** What ids of calls must look like. */
  readonly callId?: RegExp
  readonly lacks: Partial<Record<Feature, string>>
}

export const bearer: Subject["authenticated"] = ({ headers }, secret) => headers.authorization === `Bearer ${secret}`

export const inHeader = (name: string): Subject["authenticated"] => ({ headers }, secret) => headers[name] === secret

/** A model of embeddings that nobody knows: providers are asked for what has no card, too. */
export const vectors = "vectors-1"
