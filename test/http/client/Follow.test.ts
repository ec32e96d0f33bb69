import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream, TestClock } from "effect"
import { connect } from "../../../src/cli/Connection.ts"
import { Env } from "../../../src/cli/Env.ts"
import { follow } from "../../../src/http/client/Follow.ts"
import { ended, framesOf, started } from "../../cli/Records.ts"

const bytes = new TextEncoder()

/** A server behind no socket, so that time is the test's: each request gets the next body. */
const following = (bodies: ReadonlyArray<Stream.Stream<Uint8Array>>) =>
  Effect.gen(function*() {
    let requests = 0
    const client = HttpClient.make((request) =>
      Effect.sync(() => {
        const body = bodies[requests++] ?? Stream.empty
        return HttpClientResponse.fromWeb(
          request,
          new Response(Stream.toReadableStream(body), { headers: { "content-type": "text/event-stream" } })
        )
      })
    )
    const connection = yield* connect({ url: Option.none(), key: Option.none(), user: Option.none() }).pipe(
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(Env, {})
    )
    const seen: Array<number> = []
    let lost = 0
    const fiber = yield* Effect.fork(Effect.either(follow(connection, {
      session: "s1",
      after: Option.none(),
      isExpected: false,
      onLost: Effect.sync(() => void lost++),
      onEvent: ({ event, seq }) =>
        Effect.sync(() => {
          seen.push(seq)
          return Option.exists(event, ({ type }) => type === "REPLY_END")
        })
    })))
    return { fiber, seen, requests: () => requests, lost: () => lost }
  })

/** Lets time pass in steps, with room for what happens between two of them. */
const pass = (steps: number) =>
  Effect.forEach(Array.from({ length: steps }), () => Effect.zipRight(TestClock.adjust("5 seconds"), settle), {
    discard: true
  })

const settle = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

describe("follow", () => {
  it.effect("gives up after a bounded number of attempts that bring nothing", () =>
    Effect.gen(function*() {
      const { fiber, lost, requests } = yield* following([])
      yield* settle
      yield* pass(12)
      const result = yield* Fiber.join(fiber)
      assert.propertyVal(
        Option.getOrThrow(Option.liftPredicate(result, (r) => r._tag === "Left")).left,
        "_tag",
        "Unreachable"
      )
      assert.strictEqual(requests(), 9)
      assert.strictEqual(lost(), 1)
    }))

  it.effect("makes a connection again that has fallen silent", () =>
    Effect.gen(function*() {
      const silent = Stream.concat(Stream.make(bytes.encode(framesOf(started))), Stream.never)
      const { fiber, requests, seen } = yield* following([
        silent,
        Stream.make(bytes.encode(framesOf([ended()], 3)))
      ])
      yield* settle
      yield* pass(8)
      assert.strictEqual(requests(), 1)
      yield* pass(4)
      assert.isTrue((yield* Fiber.join(fiber))._tag === "Right")
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))
})
