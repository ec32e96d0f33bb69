/** The bytes of a body as they come, made text a piece at a time: the end of a large one is no long work then. */

/** Bytes that are made text in one turn of the event loop. */
const decodedAtOnce = 1024 * 1024

const decoder = new TextDecoder("utf-8", { fatal: true })
/** For what is not the beginning, where a mark of the byte order is a character like others. */
const laterDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Where a text may be cut: not inside of a character, whose later bytes begin with the bits 10. */
const cutOf = (bytes: Uint8Array): number => {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1]! & 0xc0) === 0x80) end--
  return end > 0 && bytes[end - 1]! >= 0xc0 ? end - 1 : bytes.length
}

export interface BodyText {
  /** Throws when it is not UTF-8. */
  readonly add: (chunk: Uint8Array) => void
  /** The whole text; throws when it is not UTF-8. */
  readonly end: () => string
}

export const make = (): BodyText => {
  let waiting: Array<Uint8Array> = []
  let size = 0
  const parts: Array<string> = []
  const decode = (bytes: Uint8Array) => {
    parts.push((parts.length === 0 ? decoder : laterDecoder).decode(bytes))
  }
  const taken = () => waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting)
  return {
    add: (chunk) => {
      waiting.push(chunk)
      size += chunk.length
      if (size < decodedAtOnce) return
      const bytes = taken()
      const end = cutOf(bytes)
      decode(bytes.subarray(0, end))
      waiting = end === bytes.length ? [] : [bytes.subarray(end)]
      size = bytes.length - end
    },
    end: () => {
      decode(taken())
      return parts.length === 1 ? parts[0]! : parts.join("")
    }
  }
}
