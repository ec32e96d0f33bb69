/** Reads a command's options. What is not listed makes the whole reading `odd`, so that a new flag of a program is asked about. */
import type { Word } from "./Part.ts"

export interface Spec {
  /** Letters without a value, and those with one. */
  readonly flags?: string
  readonly values?: string
  /** Letters whose value, if they have one, is in the same word. */
  readonly glued?: string
  /** Long names without a value, and those with one. */
  readonly long?: ReadonlyArray<string>
  readonly longValues?: ReadonlyArray<string>
  /** No option of the program does harm: others are taken for options without a value. */
  readonly any?: boolean
  /** The first operand ends the options, since another command begins there. */
  readonly stop?: boolean
}

export interface Options {
  readonly operands: ReadonlyArray<Word>
  /** Values by their option; an empty list for an option without one. */
  readonly given: ReadonlyMap<string, ReadonlyArray<Word>>
  /** There is an option that is not listed, or a word that may be one. */
  readonly odd: boolean
}

export const options = (args: ReadonlyArray<Word>, spec: Spec): Options => {
  const given = new Map<string, Array<Word>>()
  const operands: Array<Word> = []
  let odd = false
  let at = 0
  const add = (name: string) => {
    const values = given.get(name) ?? []
    given.set(name, values)
    return values
  }
  /** The value is the rest of the word, or the next word. */
  const addValue = (name: string, rest: string | undefined) => {
    if (rest === undefined && at >= args.length) odd = true
    add(name).push(rest ?? args[at++])
  }
  const long = (word: string) => {
    const [name, ...rest] = word.slice(2).split("=")
    if (spec.longValues?.includes(name!)) return addValue(name!, rest.length > 0 ? rest.join("=") : undefined)
    if (!spec.any && !(rest.length === 0 && spec.long?.includes(name!))) odd = true
    add(name!)
  }
  const short = (word: string) => {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]!
      if (spec.values?.includes(letter)) return addValue(letter, i + 1 < word.length ? word.slice(i + 1) : undefined)
      if (spec.glued?.includes(letter)) {
        if (i + 1 < word.length) addValue(letter, word.slice(i + 1))
        else add(letter)
        return
      }
      if (!spec.any && !spec.flags?.includes(letter)) odd = true
      add(letter)
    }
  }
  while (at < args.length) {
    const word = args[at++]
    if (word === "--") {
      operands.push(...args.slice(at))
      break
    }
    if (word === undefined || !word.startsWith("-") || word === "-") {
      if (word === undefined) odd = true
      operands.push(word)
      if (spec.stop) {
        operands.push(...args.slice(at))
        break
      }
    } else if (word.startsWith("--")) long(word)
    else short(word)
  }
  return { operands, given, odd }
}

/** A word that GNU programs may take for the option: they complete long names that are cut. */
export const mayMean = (word: Word, option: string): boolean => {
  if (word === undefined) return true
  const name = word.split("=", 1)[0]!
  return word.startsWith("--") && name.length > 2 && option.startsWith(name)
}
