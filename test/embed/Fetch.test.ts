/** Requests that are answered over a pipe inside of the process. */
import { assert, describe, it } from "@effect/vitest"
import * as Fetch from "../../src/embed/Fetch.ts"

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const bytesOf = async (body: ReadableStream<Uint8Array>) => {
  let count = 0
  for (const reader = body.getReader();;) {
    const { done, value } = await reader.read()
    if (done) return count
    count += value.length
  }
}

describe("A web request answered by a handler of Node's", () => {
  it("keeps the whole answer for a reader that is late", async () => {
    const over = Fetch.make((_, response) => {
      response.writeHead(200, { "content-type": "text/plain" }).end("a".repeat(200_000))
    })
    const answer = await over.fetch(new Request("http://localhost/"), "/", () => {})
    await pause(50)
    assert.strictEqual(await bytesOf(answer.body!), 200_000)
    await pause(20)
    assert.strictEqual(over.count(), 0)
    over.close()
  })

  it("takes no more of a body once it has been answered", async () => {
    const over = Fetch.make((_, response) => {
      response.writeHead(413).end("too much")
    })
    let taken = 0
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        taken++
        await pause(1)
        controller.enqueue(new Uint8Array(1_000))
      }
    })
    const asked = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit)
    const answer = await over.fetch(asked, "/", () => {})
    assert.strictEqual(await answer.text(), "too much")
    await pause(50)
    const before = taken
    await pause(50)
    assert.strictEqual(taken, before)
    assert.strictEqual(over.count(), 0)
  })
})
