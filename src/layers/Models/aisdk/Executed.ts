/** What a tool that the provider ran has answered, as a text and files. */
import type { LanguageModelV3ToolResult } from "@ai-sdk/provider"

/** Longest text of one result that is kept, in characters, and deepest value that is looked into. */
const maxText = 64 * 1024
const maxDepth = 16

interface File {
  readonly media_type: string
  readonly data: string
}

/** What only the provider can read, and what comes as a file of its own. */
const unreadable = new Set(["encryptedContent", "encrypted_content", "encryptedIndex", "encrypted_index"])

/** The first characters of images in base64. */
const images: ReadonlyArray<readonly [string, string]> = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["UklGR", "image/webp"],
  ["R0lGOD", "image/gif"]
]

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

const fileOf = (text: string, media_type?: string): File | undefined => {
  if (text.startsWith("data:")) {
    const comma = text.indexOf(",")
    const [type, encoding] = text.slice("data:".length, comma).split(";")
    return comma > 0 && encoding === "base64" && type !== undefined && base64.test(text.slice(comma + 1))
      ? { media_type: type, data: text.slice(comma + 1) }
      : undefined
  }
  const type = media_type ?? images.find(([beginning]) => text.startsWith(beginning))?.[1]
  return type !== undefined && text.length > 8 && base64.test(text) ? { media_type: type, data: text } : undefined
}

const typeIn = (value: object): string | undefined => {
  const { media_type, mediaType, mimeType } = value as Readonly<Record<string, unknown>>
  return [mediaType, media_type, mimeType].find((type): type is string =>
    typeof type === "string" && type.includes("/") && !type.startsWith("text/")
  )
}

/** The value without its files, which are put into the list. */
const without = (value: unknown, files: Array<File>, depth: number, media_type?: string): unknown => {
  if (typeof value === "string") {
    const file = fileOf(value, media_type)
    if (file === undefined) return value
    files.push(file)
    return `[${file.media_type}]`
  }
  if (typeof value !== "object" || value === null) return value
  if (depth > maxDepth) return "…"
  if (Array.isArray(value)) return value.map((one) => without(one, files, depth + 1))
  const type = typeIn(value)
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) =>
      unreadable.has(key) ? [] : [[key, without(one, files, depth + 1, key === "data" ? type : undefined)]]
    )
  )
}

/** Texts of a list of parts, as servers of MCP answer; undefined for anything else. */
const textsIn = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length > 0 &&
    value.every((one) => typeof one === "object" && one !== null && one.type === "text" && typeof one.text === "string")
    ? value.map(({ text }: { readonly text: string }) => text).join("\n")
    : undefined

const bounded = (text: string) =>
  text.length <= maxText
    ? text
    : `${text.slice(0, maxText).replace(/[\uD800-\uDBFF]$/, "")}\n[cut: ${text.length} characters in all]`

export const resultOf = ({ isError, result }: Pick<LanguageModelV3ToolResult, "isError" | "result">) => {
  const files: Array<File> = []
  const shown = without(result, files, 0)
  const text = typeof shown === "string" ? shown : textsIn(shown) ?? JSON.stringify(shown)
  // An image alone needs no words.
  const isImage = files.length === 1 &&
    JSON.stringify(shown) === JSON.stringify({ result: `[${files[0]!.media_type}]` })
  return { text: isImage ? "" : bounded(text), files, state: isError === true ? "error" : "success" } as const
}
