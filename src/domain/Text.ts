/** Ways to cut a text in one pass over it. Regular expressions for them would take quadratic time: they start again at each character. */

/** The text without the repetitions of a character at its end. */
export const withoutTrailing = (text: string, character: string): string => {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end--
  return text.slice(0, end)
}

/** The first word of a text and what follows the blanks behind it; empty where there is none. */
export const firstWord = (text: string): readonly [word: string, rest: string] => {
  const begun = text.trimStart()
  const blank = begun.search(/\s/)
  return blank < 0 ? [begun, ""] : [begun.slice(0, blank), begun.slice(blank).trimStart()]
}

/** At most so many characters of a text, cut between two and never inside of one. */
export const cut = (text: string, most: number): string => {
  if (text.length <= most) return text
  const end = most - 1
  const isInside = text.charCodeAt(end - 1) >= 0xd800 && text.charCodeAt(end - 1) < 0xdc00
  return `${text.slice(0, isInside ? end - 1 : end)}…`
}

/** What can be seen of a text: neither white space nor characters that show nothing, such as a zero width space. */
const visible = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\x1c-\x1f]/u

/** Whether a text shows nothing. */
export const isBlank = (text: string): boolean => !visible.test(text)

/**
 * Whether a text has characters that nobody sees or that turn what stands around them: controls, ends of lines, marks of
 * direction. Those that join letters are part of some languages' words.
 */
export const hasHidden = (text: string): boolean => /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u.test(text)

/** Edits between two words: insert, remove, replace, or swap two neighbours. */
export const distance = (a: string, b: string): number => {
  const rows: Array<Array<number>> = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number) => rows[i]?.[j] ?? Infinity
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let j = 1; j <= b.length; j++) {
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      rows[i]![j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped)
    }
  }
  return at(a.length, b.length)
}
