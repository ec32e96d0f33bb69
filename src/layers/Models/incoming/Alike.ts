/**
 * Deltas of text are nearly all of an answer, and differ from each other in the text alone. What stands around it
 * is remembered, and those that are alike are not read as JSON: that would cost more than all else here.
 */
import type { Kind, Seen } from "./Seen.ts"

/** Longest event that is remembered, in characters. */
export const longest = 4096

/** After so many events in a row that were like none before them, no more are remembered: this server's all differ. */
const maxMisses = 32

/** What the text of a delta is the value of, by the protocol. */
const fields: { readonly [kind in Kind]?: string } = { chat: "\"content\":\"", messages: "\"text\":\"" }

const quote = 0x22
const backslash = 0x5c
/** The first character that may stand in a JSON string. */
const space = 0x20

/** From the event's begin to the text, and from the text's end to the end of the event: a character for each byte. */
interface Around {
  readonly before: string
  readonly after: string
}

/** Bytes as characters: they are compared many at a time, and only where they are what is remembered they matter. */
const charactersOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")

/** Where the JSON string ends that goes on at `from`: at its quote, or at the first character that cannot be in it. */
const endOfText = (characters: string, from: number): number => {
  let at = from
  for (let code = characters.charCodeAt(at); code !== quote && code >= space; code = characters.charCodeAt(at)) {
    at += code === backslash ? 2 : 1
  }
  return at
}

/** What is around the text of an event; undefined if it has none. */
const aroundIn = (frame: string, field: string): Around | undefined => {
  const characters = charactersOf(Buffer.from(`${frame}\n`))
  const at = characters.indexOf(field)
  if (at < 0) return undefined
  const from = at + field.length
  const end = endOfText(characters, from)
  return end === from ? undefined : { before: characters.slice(0, from), after: characters.slice(end) }
}

export const make = (seen: Seen) => {
  let around: Around | undefined
  let misses = 0
  /** The bytes that were looked at last, and their characters: what is alike may go on behind what is not. */
  let given: Uint8Array | undefined
  let characters = ""
  return {
    /** Remembers an event that was looked at and passed on as it came: its lines, each with its end. */
    learn: (frame: string | undefined): void => {
      const field = seen.kind && fields[seen.kind]
      // Only while the answer goes on: what an event means for its end is seen in its JSON.
      around = frame === undefined || frame.length > longest || field === undefined || seen.finished ||
          misses >= maxMisses
        ? undefined
        : aroundIn(frame, field)
      misses++
    },
    /** Whether an event may be remembered, or is. */
    isUsed: () => misses < maxMisses,
    /** Where the events end that are alike, one after the other from `start`; `start` if there is none. They are counted. */
    endIn: (bytes: Uint8Array, start: number): number => {
      if (around === undefined) return start
      const { after, before } = around
      if (start === 0 || bytes !== given) {
        given = bytes
        characters = charactersOf(bytes)
      }
      let at = start
      // Slices are compared much faster than `startsWith` compares.
      while (characters.slice(at, at + before.length) === before) {
        const from = at + before.length
        const end = endOfText(characters, from)
        // An empty text may begin or end something: it is looked at.
        if (end === from || characters.slice(end, end + after.length) !== after) break
        at = end + after.length
        misses = 0
        seen.events++
      }
      return at
    }
  }
}
