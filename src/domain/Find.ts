/**
 * How a text is found in what people and agents have said: it stands in one block of text as it was typed, in capitals or
 * not. There are no words, no stems and no order by relevance, so every storage finds the same. This module decides;
 * a database may only leave out what cannot hold the text.
 */
import { Either, Schema } from "effect"
import { Invalid } from "./Errors.ts"
import type { Message } from "./Message.ts"

/** Longest text that is looked for, in characters. */
const maxSought = 256

/** A text to look for, in the query of a request. */
export const Sought = Schema.String.pipe(
  Schema.minLength(1, { message: () => "Expected a text to look for" }),
  Schema.maxLength(maxSought)
)

/** A text as it is compared. The last sigma of a word is a small sigma like the others. */
export const fold = (text: string): string => text.toLowerCase().replaceAll("\u03c2", "\u03c3")

/** What an ASCII letter may also be made of: the Kelvin sign and the Turkish capital I become `k` and `i` in small letters. */
export const alsoAscii = ["\u212a", "\u0130"] as const

/** Becomes itself in small letters; the dot above is what the Turkish capital I leaves behind. */
const isCaseless = (character: string) =>
  character.toLowerCase() === character && character.toUpperCase() === character && character !== "\u0307"

/**
 * Whether a character of a folded text stands as it is in JSON whose ASCII letters are small, where the text was folded
 * from what stands in it; but for `alsoAscii`.
 */
const isPlain = (character: string) =>
  character < "\u0080"
    ? /[ -~]/.test(character) && character !== "\"" && character !== "\\"
    : isCaseless(character) && !/\p{Cs}/u.test(character)

/**
 * The longest piece of a folded text that a database can look for in a document, so that it need not give out the others;
 * empty when there is none.
 */
export const anchorOf = (folded: string): string => {
  let longest = ""
  let piece = ""
  for (const character of folded) {
    piece = isPlain(character) ? piece + character : ""
    if (piece.length > longest.length) longest = piece
  }
  return longest
}

/** A text that is looked for. */
export interface Text {
  readonly folded: string
  readonly anchor: string
}

/** Fails for one that shows nothing: everything would hold it. */
export const textOf = (sought: string, path: string): Either.Either<Text, Invalid> => {
  const folded = fold(sought.trim())
  return folded === ""
    ? Either.left(
      new Invalid({
        detail: `${path}: Expected a text that is not blank.`,
        errors: [{ path, message: "Expected a text that is not blank." }]
      })
    )
    : Either.right({ folded, anchor: anchorOf(folded) })
}

export const isIn = ({ folded }: Text, text: string): boolean => fold(text).includes(folded)

/** Whether somebody said it: thoughts, hints, calls of tools and their results are not looked at. */
export const isSaidIn = (text: Text, { content }: Message): boolean =>
  content.some((block) => block.type === "text" && isIn(text, block.text))
