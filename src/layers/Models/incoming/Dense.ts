/**
 * JSON that takes long to read: of little but brackets and commas, a megabyte takes a second, in which nobody else is
 * served. No provider's answer is like that.
 */
import * as JsonScan from "../../../domain/JsonScan.ts"
import * as Failure from "../aisdk/Failure.ts"

/** Shorter texts are read at once, in characters. */
const short = 8 * 1024

/** Deepest event, and most openings and commas in it. */
const maxDepth = 128
const maxMarks = 20_000

/** The same of answers that are read whole: a list of models, and vectors, whose numbers are many. */
const marksOf = { event: maxMarks, list: 100_000, vectors: 500_000 } as const

export type Whole = keyof typeof marksOf

export const isDense = (text: string): boolean =>
  text.length > short && JsonScan.make(maxDepth, maxMarks).take(Buffer.from(text)) !== undefined

/** The same of bytes. */
export const areDense = (bytes: Uint8Array): boolean =>
  bytes.length > short && JsonScan.make(maxDepth, maxMarks).take(bytes) !== undefined

/** Takes the pieces of an answer that is read whole. Fails when it gets too dense. */
export const whole = (what: Whole) => {
  const scan = JsonScan.make(maxDepth, marksOf[what])
  return (piece: Uint8Array): void => {
    if (scan.take(piece) !== undefined) throw Failure.garbage()
  }
}
