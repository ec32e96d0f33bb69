/** Base64 as people send it, and as it leaves. Node's own decoder skips what it does not know, so the length is the check. */

/** Bytes that a well-formed text of so many characters holds. */
const sizeOf = (text: string): number => {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  return Math.floor((text.length - padding) * 3 / 4)
}

const blank = /\s/

/** The bytes; undefined when it is not base64. Line breaks, the URL alphabet and missing padding are put right. */
export const decode = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  if (bytes.length === sizeOf(text)) return isWhole(text) ? bytes : undefined
  if (!blank.test(text)) return undefined
  const bare = text.replace(/\s+/g, "")
  const again = Buffer.from(bare, "base64")
  return again.length === sizeOf(bare) && isWhole(bare) ? again : undefined
}

/** One character alone in the last group holds no byte. */
const isWhole = (text: string) => text.replace(/={1,2}$/, "").length % 4 !== 1

export const encode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

/** What a `data:` URL holds. */
export interface DataUrl {
  /** As the URL says it; empty when it says none. */
  readonly media_type: string
  /** Undefined when the URL's data cannot be read. */
  readonly bytes: Buffer | undefined
}

/** Longest head of a `data:` URL, in characters. */
const maxHead = 1024

export const isDataUrl = (url: string): boolean => /^data:/i.test(url)

/** Reads a `data:` URL, in base64 or percent-encoded (RFC 2397). */
export const readDataUrl = (url: string): DataUrl => {
  const comma = url.slice(0, maxHead).indexOf(",")
  if (comma < 0) return { media_type: "", bytes: undefined }
  const [media_type = "", ...parameters] = url.slice("data:".length, comma).split(";")
  const data = url.slice(comma + 1)
  if (parameters.at(-1)?.trim().toLowerCase() === "base64") {
    return { media_type, bytes: decode(data.includes("%") ? unescaped(data) ?? "%" : data) }
  }
  const text = unescaped(data)
  return { media_type, bytes: text === undefined ? undefined : Buffer.from(text) }
}

const unescaped = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
