/** Apart from Sse.test.ts, because `layer` with `excludeTestServices` takes the TestClock from a whole file. */
import { HttpServerRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { CurrentPrincipal } from "../../src/domain/Principal.ts"
import { followed, Sse } from "../../src/http/Sse.ts"
import type { WireResponse } from "../../src/http/Wire.ts"
import * as AuthHeader from "../../src/layers/Auth/Header.ts"
import * as ReadinessLocal from "../../src/layers/Readiness/Local.ts"
import { Readiness } from "../../src/services/Readiness.ts"
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
    get destroyed() {
      return fake.isDestroyed
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

const ready = Layer.provideMerge(
  Layer.effectDiscard(Effect.flatMap(Readiness, ({ set }) => set(true))),
  ReadinessLocal.layer
)

const sse = Sse.layer.pipe(Layer.provide(AuthHeader.layer({ trusted: true })), Layer.provideMerge(ready))

const principal = { user_id: UserId.make("ada"), scopes: [], key_id: null }

/** Opens a stream on a fake response, and keeps it open in a fiber of its own. */
const opened = Effect.gen(function*() {
  const { respond } = yield* Sse
  const { fake, response } = fakeResponse()
  const sink = yield* Deferred.make<Sink>()
  const request = { method: "GET", response } as unknown as HttpServerRequest.HttpServerRequest
  const fiber = yield* respond((given) => Deferred.succeed(sink, given)).pipe(
    Effect.flatMap((answer) => followed(answer)!),
    Effect.provideService(HttpServerRequest.HttpServerRequest, request),
    Effect.provideService(CurrentPrincipal, principal),
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
        assert.strictEqual(fake.text, `: ok\n${": \n".repeat(beats)}`)
        fake.read()
      }
    }).pipe(Effect.provide(sse)))

  it.scoped("is not written to while it is not read", () =>
    Effect.gen(function*() {
      const { fake } = yield* opened
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(fake.text, ": ok\n")
    }).pipe(Effect.provide(sse)))

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
    }).pipe(Effect.provide(sse)))

  it.scoped("leaves its connection for the next request, and takes it along only when the server stops", () =>
    Effect.gen(function*() {
      const { set } = yield* Readiness
      const proper = yield* opened
      proper.sink.end()
      void (yield* Fiber.join(proper.fiber))
      assert.deepInclude(proper.fake, { isEnded: true, isClosed: false })
      const deleted = yield* opened
      deleted.sink.end("session deleted")
      deleted.sink.end("session deleted")
      deleted.sink.write(bytes(1))
      void (yield* Fiber.join(deleted.fiber))
      assert.deepInclude(deleted.fake, { isEnded: true, isClosed: false, text: ": ok\n: session deleted\n" })
      const stopped = yield* opened
      yield* set(false)
      stopped.sink.end("stopping")
      void (yield* Fiber.join(stopped.fiber))
      assert.deepInclude(stopped.fake, { isEnded: true, isClosed: true, text: ": ok\n: stopping\n" })
    }).pipe(Effect.provide(sse)))

  it.scoped("is given up when a replay waits for a reader that reads nothing for 30 seconds", () =>
    Effect.gen(function*() {
      const { fake, sink } = yield* opened
      sink.write(bytes(300_000))
      const waiting = yield* Effect.fork(sink.drained)
      yield* TestClock.adjust("20 seconds")
      fake.unread = 200_000
      yield* TestClock.adjust("20 seconds")
      assert.isNull(waiting.unsafePoll())
      assert.isFalse(fake.isDestroyed)
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(waiting)))
      assert.isTrue(fake.isDestroyed)
      // Whoever replays after that stops as well, instead of reading on for nobody.
      assert.isTrue(Exit.isInterrupted(yield* Effect.exit(sink.drained)))
    }).pipe(Effect.provide(sse)))

  it.scoped("stops a replay that waits when something else ends the stream", () =>
    Effect.gen(function*() {
      const { fake, sink } = yield* opened
      sink.write(bytes(300_000))
      const waiting = yield* Effect.fork(sink.drained)
      yield* Effect.yieldNow()
      sink.end("key no longer valid")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(waiting)))
      assert.isTrue(fake.isEnded)
    }).pipe(Effect.provide(sse)))

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
    }).pipe(Effect.provide(sse)))

  it.scoped("begins with its first frame, so that a failure before can be a problem document", () =>
    Effect.gen(function*() {
      const { respond } = yield* Sse
      const { fake, response } = fakeResponse()
      const request = { method: "GET", response } as unknown as HttpServerRequest.HttpServerRequest
      const failure = yield* respond(() => Effect.fail("too late")).pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, request),
        Effect.provideService(CurrentPrincipal, principal),
        Effect.scoped,
        Effect.flip
      )
      assert.strictEqual(failure, "too late")
      assert.deepInclude(fake, { heads: 0, text: "", isEnded: false })
    }).pipe(Effect.provide(sse)))
})
