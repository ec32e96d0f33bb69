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

/** Most characters of a text that count, after they have been made alike: some become eighteen. */
const longestText = 100_000

/** Characters that are made alike at a time. */
const slice = 4_096

/** Features after which others get their turn. */
const stepsAtATime = 10_000

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

/** The words of a text, a slice at a time: no text of few characters becomes a long one at once. */
function* wordsOf(text: string): Generator<string, void> {
  let left = longestText
  for (let at = 0; at < text.length && left > 0;) {
    const end = at + slice
    const alike = text.slice(at, end).normalize("NFKC").toLowerCase().slice(0, left)
    left -= alike.length
    at = end
    for (const [word] of alike.matchAll(/[\p{L}\p{N}]+/gu)) yield word
  }
}

function* featuresOf(text: string): Generator<readonly [feature: string, weight: number], void> {
  for (const word of wordsOf(text)) {
    yield [word, wordWeight]
    const marked = `<${word}>`
    for (let size = shortest; size <= longest; size++) {
      for (let at = 0; at + size <= marked.length; at++) yield [`${size}${marked.slice(at, at + size)}`, 1]
    }
  }
}

/** The vector, with a pause wherever others should get their turn. Of length 1. What is repeated counts less each time. */
function* making(text: string, dimensions: number): Generator<void, ReadonlyArray<number>> {
  const counts = new Map<string, number>()
  let steps = 0
  for (const [feature, weight] of featuresOf(text)) {
    counts.set(feature, (counts.get(feature) ?? 0) + weight)
    if (++steps % stepsAtATime === 0) yield
  }
  const vector = new Float64Array(dimensions)
  for (const [feature, weight] of counts) {
    add(vector, feature, 1 + Math.log(weight))
    if (++steps % stepsAtATime === 0) yield
  }
  let squares = 0
  for (const x of vector) squares += x * x
  const norm = Math.sqrt(squares)
  // A text without words points somewhere too.
  if (norm === 0) vector[0] = 1
  return Array.from(vector, (x) => norm === 0 ? x : x / norm)
}

/** All at once: for texts that are known to be short. */
export const embed = (text: string, dimensions = defaultDimensions): ReadonlyArray<number> => {
  const made = making(text, dimensions)
  for (;;) {
    const { done, value } = made.next()
    if (done === true) return value
  }
}

/** About four bytes a token. */
const tokensOf = (text: string) => Math.ceil(Buffer.byteLength(text) / 4)

export const embedAll = (input: ReadonlyArray<string>, dimensions = defaultDimensions): Effect.Effect<Embedded> =>
  Effect.promise(async (signal) => {
    const embeddings: Array<ReadonlyArray<number>> = []
    let since = 0
    for (const text of input) {
      const made = making(text, dimensions)
      for (let step = made.next();; step = made.next()) {
        if (step.done === true) embeddings.push(step.value)
        since += step.done === true ? text.length + dimensions : stepsAtATime
        if (since >= stepsAtATime) {
          since = 0
          // oxlint-disable-next-line no-await-in-loop -- others get their turn
          await setImmediate()
        }
        if (signal.aborted || step.done === true) break
      }
      if (signal.aborted) break
    }
    return { embeddings, usage: { input_tokens: input.reduce((sum, text) => sum + tokensOf(text), 0) } }
  })
