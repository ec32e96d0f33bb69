import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { type Frame, frames, FrameTooLong, Parser } from "../../../src/http/client/Sse.ts"
import { patience } from "../../support/Patience.ts"

const bytes = new TextEncoder()

/** Cuts at any byte, also inside a character. */
const chunksOf = (whole: Uint8Array, cuts: ReadonlyArray<number>) => {
  const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...places].map((from, i) => whole.subarray(from, places[i] ?? whole.length))
}

const parse = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Frame> => {
  const parser = new Parser()
  return chunks.flatMap((chunk) => [...parser.push(chunk)])
}

const line = FastCheck.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replace(/[\r\n\0]/g, ""))
const ending = FastCheck.constantFrom("\n", "\r", "\r\n")
const cuts = FastCheck.array(FastCheck.nat(2000), { maxLength: 40 })

/** Frames, and one way to write them. */
const written = FastCheck.array(
  FastCheck.record({
    id: FastCheck.option(FastCheck.nat().map(String), { nil: undefined }),
    event: FastCheck.constantFrom("message", "ping"),
    data: FastCheck.array(line, { minLength: 1, maxLength: 3 }),
    comment: line,
    ending
  }),
  { maxLength: 8 }
).map((parts) => {
  let id: string | undefined
  let text = ""
  const expected: Array<Frame> = []
  for (const part of parts) {
    const lines = [
      `:${part.comment}`,
      ...part.id === undefined ? [] : [`id: ${part.id}`],
      ...part.event === "message" ? [] : [`event:${part.event}`],
      ...part.data.map((data) => `data: ${data}`),
      ""
    ]
    text += lines.map((line) => line + part.ending).join("")
    id = part.id ?? id
    expected.push({ id, event: part.event, data: part.data.join("\n") })
  }
  return { text, expected }
})

describe("Sse", () => {
  it("reads the same frames however the stream is cut", () => {
    FastCheck.assert(FastCheck.property(written, cuts, ({ expected, text }, cuts) => {
      assert.deepStrictEqual(parse(chunksOf(bytes.encode(text), cuts)), expected)
    }))
  })

  it("gives any bytes the same frames, whole or byte by byte", () => {
    const noise = FastCheck.array(FastCheck.constantFrom("\r", "\n", ":", "data", "id", " ", "é", "\u{1f600}", "x"), {
      maxLength: 60
    })
    FastCheck.assert(FastCheck.property(noise, (pieces) => {
      const whole = bytes.encode(pieces.join(""))
      assert.deepStrictEqual(parse([...whole].map((byte) => Uint8Array.of(byte))), parse([whole]))
    }))
  })

  it("drops a frame that the end cuts off, and a byte order mark", () => {
    assert.deepStrictEqual(parse([bytes.encode("\ufeffid: 1\ndata: a\n\ndata: b\n")]), [
      { id: "1", event: "message", data: "a" }
    ])
  })

  it("keeps the last id for frames without one, and needs data for a frame", () => {
    assert.deepStrictEqual(parse([bytes.encode("id: 7\n\ndata: a\n\ndata\n\n")]), [
      { id: "7", event: "message", data: "a" },
      { id: "7", event: "message", data: "" }
    ])
  })

  it("refuses lines and frames beyond the bound", async () => {
    assert.throws(() => new Parser(10).push(bytes.encode("data: 123456")))
    assert.throws(() => new Parser(10).push(bytes.encode("data: 123\ndata: 123\ndata: 123\n")))
    let isLeft = false
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(120)),
      cancel: () => {
        isLeft = true
      }
    })
    const error = await frames(endless, patience(10_000)).next().then(() => undefined, (error: unknown) => error)
    assert.instanceOf(error, FrameTooLong)
    assert.isTrue(isLeft, "the connection is given back")
  })

  it("rejects when the stream falls silent", async () => {
    const silent = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.encode("data: a\n\n"))
    })
    const read = frames(silent, 10)
    assert.propertyVal((await read.next()).value, "data", "a")
    const error = await read.next().then(() => undefined, (error: unknown) => error)
    assert.instanceOf(error, Error)
  })
})
