/** Where a provider says that a text comes from: its packages tell sources apart from the text, and places with its end. */
import type { LanguageModelV3Source } from "@ai-sdk/provider"
import type { Annotation } from "../../../domain/Message.ts"

/** Most sources of one answer, and longest fields of one, in characters. What is longer is cut; a longer address is left out. */
const maxSources = 256
const maxUrl = 4096
const maxText = 2048

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value.slice(0, maxText) : undefined

const place = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined

const defined = <A extends object>(fields: A): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A

const url = (address: unknown, more: Omit<Annotation, "type" | "url">): Annotation | undefined =>
  typeof address === "string" && address.length <= maxUrl && /^https?:\/\//i.test(address)
    ? defined({ type: "url_citation", url: address, ...more } as const)
    : undefined

/** A citation as OpenAI, OpenRouter and Anthropic write them; undefined for what is none. */
const annotationOf = (given: unknown): Annotation | undefined => {
  // A list of addresses is what Perplexity and xAI give.
  if (typeof given === "string") return url(given, {})
  if (!isFields(given)) return undefined
  const inner = isFields(given["url_citation"]) ? given["url_citation"] : given
  const more = defined({
    title: text(inner["title"]),
    cited_text: text(inner["cited_text"] ?? inner["content"]),
    start_index: place(inner["start_index"]),
    end_index: place(inner["end_index"])
  })
  if (inner["url"] !== undefined) return url(inner["url"], more)
  const file_id = text(inner["file_id"])
  const title = text(inner["filename"] ?? inner["document_title"] ?? inner["title"])
  return file_id === undefined && title === undefined
    ? undefined
    : defined({ type: "file_citation", ...more, title, file_id } as const)
}

export const annotationsIn = (list: unknown): ReadonlyArray<Annotation> =>
  Array.isArray(list) ? list.slice(0, maxSources).flatMap((one) => annotationOf(one) ?? []) : []

export const sourceOf = (source: LanguageModelV3Source): Annotation | undefined => {
  const [own = {}] = Object.values(source.providerMetadata ?? {})
  const cited_text = text(own["citedText"])
  return source.sourceType === "url"
    ? url(source.url, defined({ title: text(source.title), cited_text }))
    : defined(
      {
        type: "file_citation",
        title: text(source.filename ?? source.title),
        file_id: text(own["fileId"]),
        cited_text
      } as const
    )
}

const keyOf = ({ cited_text, file_id, start_index, title, type, url }: Annotation) =>
  JSON.stringify([type, url, url === undefined ? [file_id, title] : 0, cited_text, start_index])

const nameOf = ({ file_id, title, url }: Annotation) => url ?? file_id ?? title ?? ""

/** Says no more than the address. */
const isBare = ({ cited_text, start_index }: Annotation) => cited_text === undefined && start_index === undefined

/** Gathers the sources of an answer until a text takes them. */
export const make = () => {
  let waiting: Array<Annotation> = []
  let kept = 0
  return {
    add: (annotations: ReadonlyArray<Annotation>) => {
      for (const one of annotations) if (kept < maxSources && ++kept > 0) waiting.push(one)
    },
    isEmpty: () => waiting.length === 0,
    /** All so far, each once: where a source is named with its place in the text, not without it too. */
    take: (): ReadonlyArray<Annotation> => {
      const placed = new Set(waiting.filter((one) => !isBare(one)).map(nameOf))
      const all = new Map(
        waiting.filter((one) => !isBare(one) || !placed.has(nameOf(one))).map((one) => [keyOf(one), one])
      )
      waiting = []
      return [...all.values()]
    }
  }
}
