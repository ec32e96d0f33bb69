/**
 * What a client's tool answered, as the text that models read, and back. A text that is JSON by chance is quoted, so that
 * the client gets back exactly what it has sent.
 */
import type { ToolOutput } from "../../../domain/Message.ts"

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

export const textOf = (output: unknown): string =>
  typeof output === "string" && parsed(output) === undefined ? output : JSON.stringify(output) ?? ""

/** A file as its parts show it. */
export const fileOf = (mediaType: string, source: {
  readonly data?: string | undefined
  readonly url?: string | undefined
}) => ({
  type: "file" as const,
  mediaType,
  url: source.url ?? `data:${mediaType};base64,${source.data ?? ""}`
})

/** The value that a client's tool gave. What holds files is a list of parts. */
export const valueOf = (output: ToolOutput): unknown => {
  if (typeof output === "string") {
    const read = parsed(output)
    return read === undefined ? output : read.value
  }
  return output.map((block) =>
    block.type === "text"
      ? { type: "text", text: block.text }
      : fileOf(
        block.source.media_type,
        block.source.type === "url" ? { url: block.source.url } : { data: block.source.data }
      )
  )
}

/** A text for a reader, where no value can be. */
export const wordsOf = (output: ToolOutput): string =>
  typeof output === "string" ? output : output.map((block) => block.type === "text" ? block.text : "").join("")
