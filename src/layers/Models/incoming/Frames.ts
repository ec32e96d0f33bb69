/**
 * The binary frames of `application/vnd.amazon.eventstream` on their way to the
 * package that reads them. Whole ones are passed on, so that the end of the last
 * one is seen.
 * https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
 */
import * as Failure from "../aisdk/Failure.ts"
import * as Dense from "./Dense.ts"
import { type Filter, isPage } from "./Events.ts"
import type { Seen } from "./Seen.ts"

/** Longest frame in bytes, and shortest. AWS allows longer ones, which hold more than an answer may have. */
const longest = 8 * 1024 * 1024
const shortest = 16

/** Length, length of the headers, and their sum. */
const prelude = 12

/** The type of a header's value that is a text. */
const text = 7

/** `messageStop`, say; undefined for an exception, and for what cannot be read. */
const eventTypeOf = (frame: Buffer): string | undefined => {
  const end = Math.min(frame.length, prelude + frame.readUInt32BE(4))
  for (let at = prelude; at < end;) {
    const nameEnd = at + 1 + frame[at]!
    if (nameEnd + 3 > end || frame[nameEnd] !== text) return undefined
    const valueEnd = nameEnd + 3 + frame.readUInt16BE(nameEnd + 1)
    if (frame.toString("latin1", at + 1, nameEnd) === ":event-type") {
      return frame.toString("latin1", nameEnd + 3, Math.min(end, valueEnd))
    }
    at = valueEnd
  }
  return undefined
}

export const make = (seen: Seen): Filter => {
  let held: Array<Uint8Array> = []
  let length = 0
  /** Bytes that the first frame in `held` needs. */
  let needed = shortest

  const look = (frame: Buffer) => {
    seen.events++
    const type = eventTypeOf(frame)
    if (type === "messageStop") seen.finished = true
    // What the answer cost is said last.
    if (type === "metadata" && seen.finished) seen.over = true
  }

  return {
    take: (bytes) => {
      held.push(bytes)
      length += bytes.length
      if (length < needed) return undefined
      const all = held.length === 1 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat(held)
      if (seen.events === 0 && isPage(all.toString("latin1", 0, 256))) throw Failure.webPage()
      let at = 0
      needed = shortest
      while (all.length - at >= shortest && !seen.over) {
        const size = all.readUInt32BE(at)
        if (size < shortest || size > longest) throw Failure.garbage()
        if (all.length - at < size) {
          needed = size
          break
        }
        const frame = all.subarray(at, at + size)
        if (Dense.areDense(frame.subarray(Math.min(size, prelude + frame.readUInt32BE(4))))) throw Failure.garbage()
        look(frame)
        at += size
      }
      const rest = all.subarray(at)
      held = rest.length === 0 ? [] : [rest]
      length = rest.length
      return at === 0 ? undefined : all.subarray(0, at)
    },
    end: () => undefined
  }
}
