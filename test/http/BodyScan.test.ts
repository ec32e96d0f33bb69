/** What is counted of a body while it comes, and how its bytes become text, wherever the pieces are cut. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as BodyText from "../../src/http/middleware/BodyText.ts"
import * as JsonScan from "../../src/services/JsonScan.ts"

/** The bytes in pieces of these lengths, and the rest as one. */
const cut = (bytes: Buffer, lengths: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const pieces: Array<Buffer> = []
  let at = 0
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return [...pieces, bytes.subarray(at)].filter(({ length }) => length > 0)
}

const scanned = (text: string, lengths: ReadonlyArray<number>, depth = 64) => {
  const scan = JsonScan.make(depth)
  for (const piece of cut(Buffer.from(text), lengths)) {
    const excess = scan.take(piece)
    if (excess !== undefined) return excess
  }
  return undefined
}

const depthOf = (value: unknown): number =>
  typeof value !== "object" || value === null
    ? 0
    : 1 + Math.max(0, ...Object.values(value).map(depthOf))

const lengths = FastCheck.array(FastCheck.integer({ min: 1, max: 9 }), { maxLength: 60 })

describe("A body that comes in pieces", () => {
  it("is as deep as its objects and lists, whatever its texts hold", () =>
    FastCheck.assert(FastCheck.property(FastCheck.jsonValue(), lengths, (value, lengths) => {
      const text = JSON.stringify(value)
      const depth = depthOf(value)
      assert.isUndefined(scanned(text, lengths, depth))
      if (depth > 0) assert.strictEqual(scanned(text, lengths, depth - 1), "depth")
    })))

  it("may have brackets, commas, quotes and backslashes in its texts, also at the end of a piece", () => {
    const text = JSON.stringify({ "a[{,\"": `${"[{,\\\"".repeat(50_000)}\\` })
    for (const length of [1, 2, 3, 65_536]) {
      assert.isUndefined(scanned(text, Array.from({ length: 3_000 }, () => length), 1))
    }
  })

  it("is stopped at so many members or escaped characters", () => {
    const pieces = Array.from({ length: 20 }, () => 1_000_000)
    assert.strictEqual(scanned(`[${"1,".repeat(50_000)}1]`, []), "members")
    assert.strictEqual(scanned(`["${"\\n".repeat(5_100_000)}"]`, pieces), "members")
  })

  it("is the text that its bytes say, with its marks and its characters of four bytes", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.constantFrom("a", "é", "語", "😀", "\ufeff", "\u0000", "x".repeat(400_000)), {
          maxLength: 12
        }),
        FastCheck.array(FastCheck.integer({ min: 1, max: 700_000 }), { maxLength: 8 }),
        (parts, lengths) => {
          const text = `x${parts.join("")}`
          const reader = BodyText.make()
          for (const piece of cut(Buffer.from(text), lengths)) reader.add(piece)
          assert.isTrue(reader.end() === text)
        }
      ),
      { numRuns: 50 }
    ))

  it("is refused where it is not UTF-8, in its middle and at its end", () => {
    const large = Buffer.alloc(3 * 1024 * 1024, "x")
    const middle = BodyText.make()
    assert.throws(() => {
      middle.add(Buffer.concat([large, Buffer.from([0xff]), large]))
      middle.end()
    })
    const end = BodyText.make()
    assert.throws(() => {
      end.add(Buffer.concat([large, Buffer.from([0xf0, 0x9f])]))
      end.end()
    })
  })
})
