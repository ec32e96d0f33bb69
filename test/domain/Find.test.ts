/** How texts are found: by what they say, whatever a database does with letters. */
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { alsoAscii, anchorOf, fold, isIn, textOf } from "../../src/domain/Find.ts"
import { strangeTexts } from "../support/fixtures.ts"

const found = (sought: string, text: string) => isIn(Either.getOrThrow(textOf(sought, "q")), text)

/** What the database asks of a document. */
const mayHold = (document: string, anchor: string) =>
  document.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).includes(anchor) ||
  alsoAscii.some((character) => document.includes(character))

describe("A text", () => {
  it("is found in capitals or not, in any alphabet, and with blanks around it", () => {
    assert.isTrue(found("stoa", "In the STOA"))
    assert.isTrue(found(" ΟΔΟΣ ", "η οδός ή οδος"))
    assert.isTrue(found("οδοσ", "ΟΔΟΣΗ"))
    assert.isTrue(found("柱廊", "在柱廊里"))
    assert.isTrue(found("100% \"_\\", "it is 100% \"_\\ sure"))
    assert.isFalse(found("stoa", "s toa"))
  })

  it("is refused when it shows nothing", () => assert.isTrue(Either.isLeft(textOf(" \n", "q"))))

  it("is in no document that a database would leave out", () => {
    const text = FastCheck.oneof(
      FastCheck.string({ unit: "binary", maxLength: 30 }),
      FastCheck.string({
        unit: FastCheck.constantFrom(
          "a",
          "K",
          "\u212a",
          "\u0130",
          "i",
          "\u0307",
          "ς",
          "\"",
          "\\",
          "\0",
          "é",
          "É",
          "\ud83d",
          "\udc00",
          "柱"
        ),
        maxLength: 30
      }),
      FastCheck.constantFrom(...strangeTexts)
    )
    FastCheck.assert(
      FastCheck.property(text, FastCheck.nat(30), FastCheck.integer({ min: 1, max: 10 }), (text, from, length) => {
        const folded = fold(text).slice(from, from + length)
        assert.isTrue(mayHold(JSON.stringify({ text }), anchorOf(folded)), JSON.stringify([text, folded]))
      }),
      { numRuns: 3000 }
    )
  })

  it("each character of Unicode stands in a document as the database looks for it", () => {
    for (let point = 0; point <= 0x10ffff; point++) {
      const character = String.fromCodePoint(point)
      const anchor = anchorOf(fold(character))
      if (!mayHold(JSON.stringify(character), anchor)) assert.fail(`U+${point.toString(16)}`)
    }
  })
})
