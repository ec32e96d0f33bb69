/** How much text messages hold. */
import { written } from "../../domain/Tokens.ts"
import * as Totals from "../../domain/Totals.ts"

interface Size {
  readonly messages: number
  readonly chars: number
  readonly words: number
}

/** Runs of characters between blanks. */
export const words = (text: string): number => {
  let count = 0
  let inside = false
  for (let i = 0; i < text.length; i++) {
    const blank = text.charCodeAt(i) <= 32
    if (inside && blank) inside = false
    else if (!inside && !blank) {
      inside = true
      count++
    }
  }
  return count
}

/** Characters and words of the messages' text, thinking, hints, calls' arguments and results; empty messages do not count. */
export const measure = Totals.make<Size>(
  { messages: 0, chars: 0, words: 0 },
  ({ content }) => {
    const texts = content.map(written)
    return {
      messages: content.length === 0 ? 0 : 1,
      chars: texts.reduce((sum, text) => sum + text.length, 0),
      words: texts.reduce((sum, text) => sum + words(text), 0)
    }
  },
  (before, own) => ({
    messages: before.messages + own.messages,
    chars: before.chars + own.chars,
    words: before.words + own.words
  })
)
