/** How much a server may say: one message, one answer over HTTP, and all that comes without having been asked for. */
import * as JsonScan from "../../domain/JsonScan.ts"

/** Longest message, in bytes: a picture in base64 has room in it. */
export const maxMessage = 8 * 1024 * 1024

/** Deepest message, and most objects, lists and commas in one: reading it is one stretch of work. */
const maxDepth = 64
const maxMarks = 15_000

/** Bytes that a request entitles the server to, and most that it may have saved up. */
const perRequest = 16 * 1024 * 1024
const maxCredit = 32 * 1024 * 1024

/** Messages that are handled in one stretch, while others wait. */
export const perTurn = 50

/** Longest time for one stretch, in milliseconds. */
export const turnTime = 10

/** Says why bytes may not go on, as the message that they are part of grows. Parsing what it lets through is quick. */
export const messageBound = () => {
  let scan = JsonScan.make(maxDepth, maxMarks)
  let size = 0
  return {
    take: (bytes: Uint8Array): string | undefined => {
      size += bytes.length
      if (size > maxMessage) return `It sent a message of more than ${maxMessage} bytes.`
      const excess = scan.take(bytes)
      return excess === undefined ? undefined : "It sent a message that is too large or too deep to be read."
    },
    next: () => {
      scan = JsonScan.make(maxDepth, maxMarks)
      size = 0
    }
  }
}

/** Counts what a server says against what it was asked. */
export const credit = () => {
  let left = maxCredit
  return {
    ask: () => {
      left = Math.min(maxCredit, left + perRequest)
    },
    /** Whether it has said more than anybody asked for. */
    spend: (bytes: number): boolean => (left -= bytes) < 0
  }
}
