/** Paths of a program's own: nothing is open that nobody has said to be, and a stream's errors are told. */
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware } from "@effect/platform"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { NotFound, Unauthenticated } from "../../../src/domain/Errors.ts"
import { CurrentPrincipal, type Scope } from "../../../src/domain/Principal.ts"
import * as Endpoints from "../../../src/http/channels/Endpoints.ts"
import { Sse } from "../../../src/http/Sse.ts"
import { hostWith, objectsOf } from "../../support/agentapp.ts"
import { eventually } from "../../support/live.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const endpoint = HttpApiEndpoint.get("go", "/go").addSuccess(Schema.String)

const annotated = (scope: Scope | null) => endpoint.annotateContext(Endpoints.operation({ scope, summary: "Go" }))

/** One that says nothing of who asks. */
class Other extends HttpApiMiddleware.Tag<Other>()("stoa/test/http/channels/Endpoints/Other") {}

/** Its handlers are never reached. */
const attempt = <E, R>(group: HttpApiGroup.HttpApiGroup<"own", typeof endpoint, E, R>) => () =>
  Endpoints.make({ name: "own", mount: "/own", api: HttpApi.make("own").add(group), handlers: () => assert.fail() })

describe("Paths of a program's own", () => {
  it("stop the start when they are neither guarded nor said to be open", () => {
    const own = HttpApiGroup.make("own")
    assert.throws(attempt(own.add(endpoint)), /GET \/go of own must say which scope it needs/)
    assert.throws(attempt(own.add(annotated("read"))), /must say which scope/)
    assert.throws(attempt(own.add(annotated("read")).middleware(Other)), /must say which scope/)
    assert.throws(attempt(own.add(annotated(null)).middleware(Endpoints.Authentication)), /must say which scope/)
    assert.doesNotThrow(attempt(own.add(annotated(null)).middleware(Other)))
    assert.doesNotThrow(attempt(own.add(annotated("read")).middleware(Endpoints.Authentication)))
    assert.doesNotThrow(attempt(own.add(annotated(null))))
  })
})

const left: Array<string> = []

const api = HttpApi.make("streams").add(
  HttpApiGroup.make("streams").add(
    HttpApiEndpoint.get("stream", "/:kind").setPath(Schema.Struct({ kind: Schema.String }))
      .addSuccess(Endpoints.EventStream)
      .annotateContext(Endpoints.operation({ scope: "read", summary: "Stream" }))
  ).middleware(Endpoints.Authentication)
)

const waiting = async function*() {
  yield 1
  await new Promise(() => {})
}

const streams: Record<string, () => Stream.Stream<unknown, unknown> | AsyncIterable<unknown>> = {
  waiting,
  fine: () => Stream.make(1, "two", { three: 3 }),
  known: () => Stream.concat(Stream.make(1), Stream.fail(NotFound.of("Thing", "x"))),
  broken: () => Stream.concat(Stream.make(1), Stream.fail("a secret")),
  defect: () => Stream.concat(Stream.make(1), Stream.die(new Error("a secret"))),
  endless: () =>
    Stream.concat(Stream.make(1), Stream.never).pipe(Stream.ensuring(Effect.sync(() => left.push("endless"))))
}

const channel = Endpoints.make({
  name: "streams",
  mount: "/streams",
  api,
  handlers: (api) =>
    HttpApiBuilder.group(
      api,
      "streams",
      (handlers) =>
        handlers.handle("stream", ({ path }) =>
          Effect.zipRight(
            Effect.addFinalizer(() => Effect.sync(() => left.push(`request ${path.kind}`))),
            Endpoints.stream(streams[path.kind]!())
          ))
    )
})

layer(hostWith({ endpoints: [channel] }), { excludeTestServices: true })("A stream of a program's own", (it) => {
  it.scoped("is frames of JSON, tells an error as its last one and no secret, and ends when its reader leaves", () =>
    Effect.gen(function*() {
      const { call, watch } = yield* Host
      const read = (kind: string) =>
        Effect.map(call("GET", `/streams/${kind}`, { user: "ada" }), ({ text }) => objectsOf(text))
      assert.deepStrictEqual(yield* read("fine"), [1, "two", { three: 3 }])
      const message = "Error in streaming generator"
      assert.deepStrictEqual(yield* read("known"), [1, {
        error: "Thing 'x' not found.",
        error_type: "NotFound",
        message
      }])
      const error = "The stream failed; the cause is in the server's log."
      for (const kind of ["broken", "defect"]) {
        assert.deepStrictEqual(yield* read(kind), [1, { error, error_type: "Internal", message }])
      }
      assert.deepInclude(yield* call("GET", "/streams/fine"), { status: 401 })
      const watching = yield* watch("GET", "/streams/endless", { user: "ada" })
      yield* watching.until((text) => text.includes("data: 1"))
      watching.leave()
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => left.length > 0 })
    }))

  it.scoped("does not wait for an iterator that does not hear that its reader has left", () =>
    Effect.gen(function*() {
      const { watch } = yield* Host
      const watching = yield* watch("GET", "/streams/waiting", { user: "ada" })
      yield* watching.until((text) => text.includes("data: 1"))
      watching.leave()
      yield* eventually(
        "the request is over",
        Effect.sync(() => left),
        (left) => left.includes("request waiting")
      )
    }))

  it.effect("ends when the key of its reader is no longer valid", () =>
    Effect.gen(function*() {
      const revoked = yield* Effect.makeLatch(false)
      const principal = { user_id: "ada" } as typeof CurrentPrincipal.Service
      const seen: Array<unknown> = []
      const { body } = yield* Endpoints.stream(Stream.concat(Stream.make(1), Stream.never)).pipe(
        Effect.provideService(CurrentPrincipal, principal),
        Effect.provideService(Sse, {
          respond: () => Effect.die("It is not asked"),
          whileValid: () =>
            Effect.flatMap(CurrentPrincipal, (asked) => {
              seen.push(asked)
              return Effect.zipRight(revoked.await, Effect.fail(new Unauthenticated({ detail: "Revoked." })))
            })
        })
      )
      const text = body._tag === "Stream"
        ? yield* body.stream.pipe(
          Stream.tap(() => revoked.open),
          Stream.decodeText(),
          Stream.mkString
        )
        : ""
      assert.isTrue(text.startsWith(": ok"))
      assert.deepStrictEqual(seen, [principal])
    }))
})
