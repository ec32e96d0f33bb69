/** Base64 as people send it, and as it leaves. Node's own decoder skips what it does not know, so the length is the check. */
import { Effect } from "effect"
import { nextTurn } from "./NextTurn.ts"

/** Blanks, tabs and line breaks, over which the decoder passes too. */
const isBlank = new Uint8Array(256)
for (const code of [9, 10, 11, 12, 13, 32]) isBlank[code] = 1

/** A pattern would take longer than all the rest. */
const blanksIn = (text: string): number => {
  const bytes = Buffer.from(text, "latin1")
  let count = 0
  for (let i = 0; i < bytes.length; i++) count += isBlank[bytes[i]!]!
  return count
}

/** Whether a text of so many characters, without its padding, holds these bytes. One character alone in the last group holds none. */
const holds = (characters: number, bytes: Buffer) =>
  characters % 4 !== 1 && Math.floor(characters * 3 / 4) === bytes.length

/** Without the blanks at its end, and up to two `=` before them. */
const withoutPadding = (text: string): string => {
  const bare = text.trimEnd()
  const padded = bare.endsWith("==") ? 2 : bare.endsWith("=") ? 1 : 0
  return bare.slice(0, bare.length - padded)
}

/** The bytes; undefined when it is not base64. Line breaks, the URL alphabet and missing padding are put right. */
export const decode = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  const bare = withoutPadding(text)
  return holds(bare.length, bytes) || holds(bare.length - blanksIn(bare), bytes) ? bytes : undefined
}

/** Characters that are looked through in one turn of the event loop. */
const countedAtOnce = 4 * 1024 * 1024

/** The same for a text that may be very long: others are served in between. */
export const decodeLong = Effect.fnUntraced(function*(text: string) {
  yield* nextTurn
  const bytes = Buffer.from(text, "base64")
  const bare = withoutPadding(text)
  if (holds(bare.length, bytes)) return bytes
  let blanks = 0
  for (let at = 0; at < bare.length; at += countedAtOnce) {
    yield* nextTurn
    blanks += blanksIn(bare.slice(at, at + countedAtOnce))
  }
  return holds(bare.length - blanks, bytes) ? bytes : undefined
})

export const encode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

/** Longest head of a `data:` URL, and longest data that are percent-encoded, in characters: reading those is slow. */
const maxHead = 1024
const maxEscaped = 1024 * 1024

export const isDataUrl = (url: string): boolean => /^data:/i.test(url)

/** What stands in a `data:` URL (RFC 2397), percent-encoding undone; undefined when that cannot be read. */
export const readDataUrl = (url: string): { readonly data: string; readonly isBase64: boolean } | undefined => {
  const comma = url.slice(0, maxHead).indexOf(",")
  if (comma < 0) return undefined
  const isBase64 = /;\s*base64\s*$/i.test(url.slice(0, comma))
  const given = url.slice(comma + 1)
  if (isBase64 && !given.slice(0, maxEscaped).includes("%")) return { data: given, isBase64 }
  const data = unescaped(given)
  return data === undefined ? undefined : { data, isBase64 }
}

const unescaped = (text: string): string | undefined => {
  if (text.length > maxEscaped) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** The bytes of a `data:` URL; undefined when they cannot be read. */
export const decodeDataUrl = (url: string): Buffer | undefined => {
  const read = readDataUrl(url)
  return read === undefined ? undefined : read.isBase64 ? decode(read.data) : Buffer.from(read.data)
}
