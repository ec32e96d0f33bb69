/**
 * What servers of the Chat Completions protocol say beside it, and the package passes over: refusals, sources, what
 * a filter found, and the reason of the provider behind a router. It is told with the answer's end.
 */
import type { OpenAICompatibleProviderSettings } from "@ai-sdk/openai-compatible"
import type { JsonObject } from "../../../domain/Json.ts"

type Extractor = Exclude<OpenAICompatibleProviderSettings["metadataExtractor"], undefined>

/** Longest refusal and most sources of one answer. */
const maxRefusal = 256 * 1024
const maxSources = 256

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

interface Details {
  refusal: string
  annotations: Array<unknown>
  /** Addresses, or results of a search; all that were named so far are named again in each chunk. */
  citations: ReadonlyArray<unknown>
  findings: unknown
  native_reason: string | undefined
}

const readChoice = (choice: Fields, details: Details) => {
  const { content_filter_results, delta, native_finish_reason } = choice
  if (content_filter_results !== undefined) details.findings = content_filter_results
  if (typeof native_finish_reason === "string") details.native_reason = native_finish_reason
  if (!isFields(delta)) return
  const { annotations, refusal } = delta
  if (typeof refusal === "string" && details.refusal.length < maxRefusal) details.refusal += refusal
  if (Array.isArray(annotations) && details.annotations.length < maxSources) details.annotations.push(...annotations)
}

export const isDetails = (value: unknown): value is Readonly<Details> =>
  isFields(value) && typeof value["refusal"] === "string" && Array.isArray(value["annotations"])

/** Where `Translate` finds it in the metadata of the answer's end. */
export const key = "said_beside"

/** `other` reads the same chunks for a purpose of its own. */
export const extractor = (namespace: string, other?: Extractor): Extractor => ({
  extractMetadata: () => Promise.resolve(undefined),
  createStreamExtractor: () => {
    const details: Details = {
      refusal: "",
      annotations: [],
      citations: [],
      findings: undefined,
      native_reason: undefined
    }
    const second = other?.createStreamExtractor()
    return {
      processChunk: (chunk) => {
        second?.processChunk(chunk)
        if (!isFields(chunk)) return
        const { choices, citations, search_results = citations } = chunk
        const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
        if (isFields(choice)) readChoice(choice, details)
        if (Array.isArray(search_results)) details.citations = search_results.slice(0, maxSources)
      },
      buildMetadata: () => ({
        [namespace]: {
          ...second?.buildMetadata()?.[namespace],
          // It came as JSON.
          [key]: { ...details } as JsonObject as Record<string, never>
        }
      })
    }
  }
})
