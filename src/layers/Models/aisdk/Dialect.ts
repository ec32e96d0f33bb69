/** How the packages of the AI SDK differ in what they take and give beside plain text. */
import type { JsonObject } from "../../../domain/Json.ts"
import type { Fit } from "./CallId.ts"
import type { Overheard } from "./Overheard.ts"

/** Media types that the package can send, and whether a link to one will do. */
type Media = readonly [types: RegExp, link: boolean]

export interface Dialect {
  /** The package's name for its own options and metadata. */
  readonly namespace: string
  /** Which of a provider's APIs this is, if it has several. */
  readonly api?: string
  /** Metadata that has to come back with the next call; a block of nothing else is kept for it. */
  readonly keep: ReadonlyArray<string>
  /** Metadata that comes back beside the block's content, and is not worth a block of its own. */
  readonly beside?: ReadonlyArray<string>
  /** The metadata is worth nothing to another model or account of the same provider. */
  readonly sealedFor?: boolean
  /** Whose thinking goes back, with every message that it led to: what this provider signed, any unsigned text, or nobody's. */
  readonly thinking: "signed" | "text" | "none"
  /** What stands for the thoughts of a message without any, where the provider wants some in each of the model's messages. */
  readonly standIn?: string
  /** Whether thoughts go back in a message's field `reasoning`, not `reasoning_content`: always, or if they came in it. */
  readonly reasoning?: "always" | "as it came"
  /** Thoughts that name the same item go back together, and only if one of them has the item's seal. */
  readonly sealed?: { readonly item: string; readonly seal: string }
  /** Signed thoughts go back beside a message's content, not in it; they come with the answer's end. */
  readonly late?: boolean
  /** Files in the metadata of the answer's end. */
  readonly filesOf?: (metadata: JsonObject) => ReadonlyArray<{ readonly media_type: string; readonly data: string }>
  /** Reads from a chunk as it came what the package passes over. */
  readonly overheard?: (chunk: unknown) => Overheard | undefined
  readonly media: ReadonlyArray<Media>
  /** Whether a prompt may end with the beginning of the answer. */
  readonly prefill: boolean
  /** Whether a person has to speak first. */
  readonly userFirst?: boolean
  /** Whether the system may speak at the beginning only; what it says later goes as a person's words. */
  readonly systemFirst?: boolean
  /** What the model is made to say between a call's result and a person, where they may not follow each other. */
  readonly afterResults?: string
  /** Whether names of documents go in a text before them: the provider takes few names, none twice, and no document without a text. */
  readonly namesInText?: boolean
  /** Whether files of the model's own go back. */
  readonly ownFiles?: boolean
  /** Whether tools have to say that their arguments need not follow the schema by the letter. */
  readonly looseTools?: boolean
  /** The namespace in which the metadata goes back, if it is another. */
  readonly sendAs?: string
  /** A call's id in the form that the provider takes; else in the form that most take. */
  readonly callId?: Fit
  /** Names that arguments of tools may have, where not any will do. */
  readonly argument?: RegExp
  /**
   * The JSON schema of a tool's arguments or of an answer in the words that the provider knows.
   * It may become `more` schemas larger where references are written out, beside twice its own size.
   */
  readonly schema?: (schema: JsonObject, more: number) => JsonObject
}

/** Most of one block's metadata that is kept, in characters of JSON. */
const longestMetadata = 256 * 1024

/** What of the package's metadata is kept with a block; undefined when that is nothing. */
export const kept = (
  { beside = [], keep, namespace, sealedFor = false }: Dialect,
  author: string,
  metadata: Readonly<Record<string, unknown>> | undefined
): JsonObject | undefined => {
  const own = metadata?.[namespace]
  if (typeof own !== "object" || own === null) return undefined
  const fields = Object.entries(own).filter(([name, value]) =>
    value != null && (keep.includes(name) || beside.includes(name))
  )
  return fields.length === 0
    ? undefined
    : { [namespace]: { ...Object.fromEntries(fields), ...(sealedFor && { by: author }) } }
}

/** As a field of a part; what is too long is left out. */
export const asField = (metadata: JsonObject | undefined): { readonly provider_metadata?: JsonObject } | undefined =>
  metadata === undefined || JSON.stringify(metadata).length > longestMetadata
    ? undefined
    : { provider_metadata: metadata }

/** Whether there is more than marks beside a content. */
export const isWorthABlock = ({ keep, namespace }: Dialect, metadata: JsonObject): boolean => {
  const own = metadata[namespace]
  return typeof own === "object" && own !== null && keep.some((name) => name in own)
}

/** Joins what came with several pieces of one block. */
export const joined = (
  { namespace }: Dialect,
  before: JsonObject | undefined,
  after: JsonObject | undefined
): JsonObject | undefined =>
  before === undefined || after === undefined
    ? after ?? before
    : { [namespace]: { ...before[namespace] as object, ...after[namespace] as object } }

/** What of a block's metadata may go to this model: nothing that another provider wrote, nor another author where that counts. */
export const returned = (
  { namespace, sealedFor = false }: Dialect,
  author: string,
  metadata: JsonObject | undefined
): JsonObject | undefined => {
  const own = metadata?.[namespace]
  if (typeof own !== "object" || own === null || Array.isArray(own)) return undefined
  const { by, ...rest } = own as JsonObject
  return sealedFor && by !== author ? undefined : sealedFor ? rest : own as JsonObject
}

const image: Media = [/^image\//, true]
const pdf: Media = [/^application\/pdf$/, false]
const sound: Media = [/^audio\/(wav|mp3|mpeg)$/, false]
export const media = { image, pdf, sound }
