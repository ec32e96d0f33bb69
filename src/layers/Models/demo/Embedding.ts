/**
 * Vectors without a model: the words of a text and the pieces of each word,
 * every one thrown by its hash onto a few of the dimensions. Texts that share
 * words or parts of them are near to each other; meaning is not understood.
 */
import { Effect } from "effect"
import { setImmediate } from "node:timers/promises"
import type { Embedded } from "../../../services/Models.ts"

const defaultDimensions = 256

/** Dimensions that one feature touches. */
const touched = 8

/** Pieces of a word, in characters with a mark at either end. */
const shortest = 3
const longest = 5

/** What a whole word counts beside one of its pieces. */
const wordWeight = 3

/** Characters after which others get their turn. */
const turn = 50_000

/** FNV-1a of 32 bits. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** Adds a feature: a sign for each of some dimensions, drawn from its hash. */
const add = (vector: Float64Array, feature: string, weight: number) => {
  let state = hash(feature) || 1
  for (let i = 0; i < touched; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const drawn = state >>> 0
    vector[drawn % vector.length]! += (drawn & 0x8000_0000) === 0 ? weight : -weight
  }
}

const features = (text: string): Map<string, number> => {
  const counts = new Map<string, number>()
  const count = (feature: string, weight: number) => counts.set(feature, (counts.get(feature) ?? 0) + weight)
  for (const [word] of text.normalize("NFKC").toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    count(word, wordWeight)
    const marked = `<${word}>`
    for (let size = shortest; size <= longest; size++) {
      for (let at = 0; at + size <= marked.length; at++) count(`${size}${marked.slice(at, at + size)}`, 1)
    }
  }
  return counts
}

/** Of length 1. What is repeated counts less each time; a text without words points somewhere too. */
export const embed = (text: string, dimensions = defaultDimensions): ReadonlyArray<number> => {
  const vector = new Float64Array(dimensions)
  for (const [feature, weight] of features(text)) add(vector, feature, 1 + Math.log(weight))
  const norm = Math.hypot(...vector)
  if (norm === 0) return Array.from(vector, (_, i) => i === 0 ? 1 : 0)
  return Array.from(vector, (x) => x / norm)
}

/** About four bytes a token. */
const tokensOf = (text: string) => Math.ceil(Buffer.byteLength(text) / 4)

export const embedAll = (input: ReadonlyArray<string>, dimensions?: number): Effect.Effect<Embedded> =>
  Effect.promise(async (signal) => {
    const embeddings: Array<ReadonlyArray<number>> = []
    let since = 0
    for (const text of input) {
      embeddings.push(embed(text, dimensions))
      since += text.length
      if (since < turn) continue
      since = 0
      // oxlint-disable-next-line no-await-in-loop -- others get their turn
      await setImmediate()
      if (signal.aborted) break
    }
    return { embeddings, usage: { input_tokens: input.reduce((sum, text) => sum + tokensOf(text), 0) } }
  })
