/**
 * What OpenRouter says beside Chat Completions: signed or sealed thoughts, which
 * go back as they came (https://openrouter.ai/docs/use-cases/reasoning-tokens),
 * and images (https://openrouter.ai/docs/features/multimodal/image-generation).
 */
import type { OpenAICompatibleProviderSettings } from "@ai-sdk/openai-compatible"
import { Schema } from "effect"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Dialect } from "../aisdk/Dialect.ts"

type Extractor = Exclude<OpenAICompatibleProviderSettings["metadataExtractor"], undefined>

/** Longest thoughts and images of one answer, in characters; what is longer is left out. */
const longest = 8 * 1024 * 1024

const Detail = Schema.Record({ key: Schema.String, value: Schema.Union(Schema.String, Schema.Number, Schema.Null) })
type Detail = typeof Detail.Type

const isChunk = Schema.is(
  Schema.Struct({
    choices: Schema.NonEmptyArray(Schema.Struct({
      delta: Schema.Struct({
        reasoning_details: Schema.optional(Schema.Array(Detail)),
        images: Schema.optional(Schema.Array(Schema.Struct({ image_url: Schema.Struct({ url: Schema.String }) })))
      })
    }))
  })
)

/** Pieces of text go on, all else is said once. */
const joined = (before: Detail, after: Detail): Detail => {
  const all: Record<string, Detail[string]> = { ...before }
  for (const [field, value] of Object.entries(after)) {
    const known = before[field]
    const grows = field === "text" || field === "summary" || field === "data"
    if (value !== null) all[field] = grows && typeof known === "string" ? `${known}${value}` : value
  }
  return all
}

const isSealed = ({ data, signature }: Detail) => data != null || signature != null

const dataUrl = /^data:([\w.+-]+\/[\w.+-]+);base64,([A-Za-z0-9+/=]+)$/

export const extractor = (namespace: string): Extractor => ({
  extractMetadata: () => Promise.resolve(undefined),
  createStreamExtractor: () => {
    const details = new Map<string, Detail>()
    const images: Array<string> = []
    let size = 0
    return {
      processChunk: (chunk) => {
        if (!isChunk(chunk)) return
        for (const detail of chunk.choices[0].delta.reasoning_details ?? []) {
          const key = `${detail["type"]} ${detail["index"]}`
          size += JSON.stringify(detail).length
          if (size <= longest) details.set(key, joined(details.get(key) ?? {}, detail))
        }
        for (const { image_url: { url } } of chunk.choices[0].delta.images ?? []) {
          size += url.length
          if (size <= longest) images.push(url)
        }
      },
      buildMetadata: () => {
        const sealed = [...details.values()]
        return {
          [namespace]: {
            ...(sealed.some(isSealed) && { reasoning_details: sealed.map((detail) => ({ ...detail })) }),
            ...(images.length > 0 && { images })
          }
        }
      }
    }
  }
})

/** The images that came with the answer's end. */
export const filesOf: Exclude<Dialect["filesOf"], undefined> = ({ images }: JsonObject) =>
  Array.isArray(images)
    ? images.flatMap((url: unknown) => {
      const [, media_type, data] = dataUrl.exec(String(url)) ?? []
      return media_type === undefined || data === undefined ? [] : [{ media_type, data }]
    })
    : []
