/** Apart from Sse.test.ts, because `layer` with `excludeTestServices` takes the TestClock from a whole file. */
import { HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, TestClock } from "effect"
import { followed, Sse } from "../../src/http/Sse.ts"
import type { WireResponse } from "../../src/http/Wire.ts"
import type { Sink } from "../../src/services/Rooms.ts"

/** A response that keeps what is written until it is read. */
const fakeResponse = () => {
  const drains = new Set<() => void>()
  const fake = {
    text: "",
    unread: 0,
    heads: 0,
    isEnded: false,
    isDestroyed: false,
    isClosed: false,
    read: () => {
      fake.unread = 0
      for (const drain of drains) drain()
      drains.clear()
    }
  }
  const write = (bytes: Uint8Array | string) => {
    const text = typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)
    assert.isFalse(fake.isEnded, `written after the end: ${text}`)
    fake.text += text
    fake.unread += text.length
    return false
  }
  const response: WireResponse = {
    socket: {
      writable: true,
      write,
      once: (_, listener) => drains.add(listener),
      off: (_, listener) => drains.delete(listener),
      destroySoon: () => {
        fake.isClosed = true
      }
    },
    chunkedEncoding: false,
    get writableLength() {
      return fake.unread
    },
    get writableFinished() {
      return fake.isEnded && fake.unread === 0
    },
    writeHead: () => fake.heads++,
    write,
    end: (finished) => {
      fake.isEnded = true
      finished?.()
    },
    destroy: () => {
      fake.isDestroyed = true
    },
    once: (_, listener) => drains.add(listener),
    off: (_, listener) => drains.delete(listener)
  }
  return { fake, response }
}

/** Opens a stream on a fake response, and keeps it open in a fiber of its own. */
const opened = Effect.gen(function*() {
  const { respond } = yield* Sse
  const { fake, response } = fakeResponse()
  const sink = yield* Deferred.make<Sink>()
  const request = { method: "GET", response } as unknown as HttpServerRequest.HttpServerRequest
  const fiber = yield* respond((given) => Deferred.succeed(sink, given)).pipe(
    Effect.flatMap((answer) => followed(answer)!),
    Effect.provideService(HttpServerRequest.HttpServerRequest, request),
    Effect.scoped,
    Effect.fork
  )
  return { fake, fiber, sink: yield* Deferred.await(sink) }
})

const bytes = (length: number) => new TextEncoder().encode("x".repeat(length))

describe("A stream's response", () => {
  it.scoped("is kept alive by a comment every 15 seconds", () =>
    Effect.gen(function*() {
      const { fake } = yield* opened
      fake.read()
      for (const beats of [1, 2, 3]) {
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual(fake.text, `: ok\n\n${": \n\n".repeat(beats)}`)
        fake.read()
      }
    }).pipe(Effect.provide(Sse.layer)))

  it.scoped("is not written to while it is not read", () =>
    Effect.gen(function*() {
      const { fake } = yield* opened
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(fake.text, ": ok\n\n")
    }).pipe(Effect.provide(Sse.layer)))

  it.scoped("lets a replay go on when it has been read", () =>
    Effect.gen(function*() {
      const { fake, sink } = yield* opened
      yield* sink.drained
      sink.write(bytes(100_000))
      const waiting = yield* Effect.fork(sink.drained)
      yield* TestClock.adjust("1 second")
      assert.isNull(waiting.unsafePoll())
      fake.read()
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(Sse.layer)))

  it.scoped("keeps its connection after the proper end, and loses it when the server ends it", () =>
    Effect.gen(function*() {
      const proper = yield* opened
      proper.sink.end()
      void (yield* Fiber.join(proper.fiber))
      assert.deepInclude(proper.fake, { isEnded: true, isClosed: false })
      const cut = yield* opened
      cut.sink.end("lagging")
      cut.sink.end("lagging")
      cut.sink.write(bytes(1))
      void (yield* Fiber.join(cut.fiber))
      assert.deepInclude(cut.fake, { isEnded: true, isClosed: true, text: ": ok\n\n: lagging\n\n" })
    }).pipe(Effect.provide(Sse.layer)))

  it.scoped("is cut when what was written before the end is not read for 30 seconds", () =>
    Effect.gen(function*() {
      const { fake, sink } = yield* opened
      sink.write(bytes(300_000))
      sink.end("lagging")
      yield* TestClock.adjust("20 seconds")
      assert.isFalse(fake.isDestroyed)
      fake.unread = 100_000
      yield* TestClock.adjust("20 seconds")
      assert.isFalse(fake.isDestroyed)
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(fake.isDestroyed)
    }).pipe(Effect.provide(Sse.layer)))

  it.scoped("begins with its first frame, so that a failure before can be a problem document", () =>
    Effect.gen(function*() {
      const { respond } = yield* Sse
      const { fake, response } = fakeResponse()
      const request = { method: "GET", response } as unknown as HttpServerRequest.HttpServerRequest
      const failure = yield* respond(() => Effect.fail("too late")).pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request),
        Effect.scoped,
        Effect.flip
      )
      assert.strictEqual(failure, "too late")
      assert.deepInclude(fake, { heads: 0, text: "", isEnded: false })
    }).pipe(Effect.provide(Sse.layer)))
})
