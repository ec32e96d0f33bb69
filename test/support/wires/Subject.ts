/** A provider under test: the wire it speaks, the credential that reaches the fake server, and what it is known to lack. */
import type { IncomingHttpHeaders } from "node:http"
import type { JsonObject } from "../../../src/domain/Json.ts"
import type { Wire } from "./Wire.ts"

/** What not every wire has. */
export type Feature =
  | "reasoning"
  | "thinking goes back"
  | "signature"
  | "pieces of arguments"
  | "files out"
  | "images in"
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
  /** Makes vectors; else `model` does. */
  readonly embedding?: string
  /** A length of vectors that it takes; else any. */
  readonly dimensions?: number
  /** Parameters that every call has. */
  readonly parameters?: JsonObject
  /** Parameters that make it think. */
  readonly thinking?: JsonObject
  /** Whether the secret is where the provider wants it, among a request's headers. */
  readonly authenticated: (headers: IncomingHttpHeaders, secret: string) => boolean
  /** Who makes answers of a schema: the provider, a tool that is forced on the model, or the prompt that asks for JSON. */
  readonly structured: "natively" | "by a tool" | "by the prompt"
  readonly lacks: Partial<Record<Feature, string>>
}

export const bearer: Subject["authenticated"] = ({ authorization }, secret) => authorization === `Bearer ${secret}`
