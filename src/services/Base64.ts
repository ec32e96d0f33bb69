/** Base64 as people send it, and as it leaves. Node's own decoder skips what it does not know, so the length is the check. */

/** Blanks, tabs and line breaks. */
const isBlank = new Uint8Array(256)
for (const code of [9, 10, 11, 12, 13, 32]) isBlank[code] = 1

/** How many there are; the decoder passes over them. A pattern would take longer than all the rest. */
const blanksIn = (text: string): number => {
  const bytes = Buffer.from(text, "latin1")
  let count = 0
  for (let i = 0; i < bytes.length; i++) count += isBlank[bytes[i]!]!
  return count
}

/** Whether a text of so many characters, its padding not counted, holds these bytes. One character alone in the last group holds none. */
const holds = (characters: number, bytes: Buffer) =>
  characters % 4 !== 1 && Math.floor(characters * 3 / 4) === bytes.length

/** The bytes; undefined when it is not base64. Line breaks, the URL alphabet and missing padding are put right. */
export const decode = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  const [padding] = /={0,2}\s*$/.exec(text.slice(-maxTail))!
  const characters = text.length - padding.length
  if (holds(characters, bytes)) return bytes
  return holds(characters - blanksIn(text.slice(0, characters)), bytes) ? bytes : undefined
}

/** Where the padding is looked for: the last characters. */
const maxTail = 64

export const encode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

/** What a `data:` URL holds. */
export interface DataUrl {
  /** As the URL says it; empty when it says none. */
  readonly media_type: string
  /** Undefined when the URL's data cannot be read. */
  readonly bytes: Buffer | undefined
}

/** Longest head of a `data:` URL, and longest data that are percent-encoded, in characters: reading those is slow. */
const maxHead = 1024
const maxEscaped = 1024 * 1024

export const isDataUrl = (url: string): boolean => /^data:/i.test(url)

/** Reads a `data:` URL, in base64 or percent-encoded (RFC 2397). */
export const readDataUrl = (url: string): DataUrl => {
  const comma = url.slice(0, maxHead).indexOf(",")
  if (comma < 0) return { media_type: "", bytes: undefined }
  const [media_type = "", ...parameters] = url.slice("data:".length, comma).split(";")
  const data = url.slice(comma + 1)
  if (parameters.at(-1)?.trim().toLowerCase() === "base64") {
    return { media_type, bytes: decode(/%/.test(data.slice(0, maxEscaped)) ? unescaped(data) ?? "%" : data) }
  }
  const text = unescaped(data)
  return { media_type, bytes: text === undefined ? undefined : Buffer.from(text) }
}

const unescaped = (text: string): string | undefined => {
  if (text.length > maxEscaped) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
