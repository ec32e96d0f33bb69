/** A stream whose reader asks the source itself behaves like any other stream. */
import { assert, describe, it } from "@effect/vitest"
import * as Direct from "../../src/layers/Models/incoming/Direct.ts"

const source = (texts: ReadonlyArray<string>) => {
  const left = [...texts]
  const cancelled: Array<unknown> = []
  const stream = Direct.make({
    read: () => {
      const next = left.shift()
      if (next === "broken") return Promise.reject(new Error(next))
      return Promise.resolve(
        next === undefined ? { done: true, value: undefined } : { done: false, value: Buffer.from(next) }
      )
    },
    cancel: (reason) => Promise.resolve(void cancelled.push(reason))
  })
  return { stream, cancelled }
}

const ways: Readonly<Record<string, (stream: ReadableStream<Uint8Array>) => Promise<string>>> = {
  "a reader": async (stream) => {
    const reader = stream.getReader()
    let all = ""
    // oxlint-disable-next-line no-await-in-loop -- a stream is read piece after piece
    for (let next = await reader.read(); !next.done; next = await reader.read()) all += Buffer.from(next.value)
    return all
  },
  "a loop": async (stream) => {
    let all = ""
    for await (const piece of stream) all += Buffer.from(piece)
    return all
  },
  "a pipe": async (stream) => {
    let all = ""
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) all += piece
    return all
  },
  "a response": (stream) => new Response(stream).text()
}

describe("A direct stream", () => {
  for (const [name, way] of Object.entries(ways)) {
    it(`gives all of it to ${name}`, async () => {
      assert.strictEqual(await way(source(["a", "b", "c"]).stream), "abc")
    })
  }

  it("is locked by its reader, tells of what breaks, and passes on a cancel", async () => {
    const { cancelled, stream } = source(["a", "broken"])
    const reader = stream.getReader()
    assert.throws(() => stream.getReader())
    await reader.read()
    assert.include(String(await reader.read().catch((error: unknown) => error)), "broken")
    await reader.cancel("enough")
    assert.deepStrictEqual(cancelled, ["enough"])
  })
})
