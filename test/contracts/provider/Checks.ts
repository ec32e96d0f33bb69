/** The connection check, and embeddings. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { vectors } from "../../support/wires/Subject.ts"
import * as Talk from "../../support/wires/Talk.ts"
import type { Case } from "./Case.ts"

const words = `${Talk.theirWords} ${Talk.planted}`

const answered = [[0.25, -0.5, 1], [0.5, 0.75, -1]]

export const checks: ReadonlyArray<Case> = [
  {
    title: "a check says which models the credential sees",
    needs: "list of models",
    run: ({ check, request, server }, { authenticated, wire }) =>
      Effect.gen(function*() {
        server.answer(wire.models(["model-a", "model-b"]))
        assert.deepStrictEqual(yield* check, ["model-a", "model-b"])
        const { method, path, query } = request()
        assert.strictEqual(method, "GET")
        assert.isTrue(authenticated(request(), Talk.planted), "the request does not bear the secret")
        assert.notInclude(`${path}?${query.toString()}`, Talk.planted)
      })
  },
  {
    title: "a check fails as a call does: refused, unreachable, not understood",
    run: ({ check, failing, server }, subject) =>
      Effect.scoped(Effect.gen(function*() {
        server.answer(subject.wire.refuse("authentication", words))
        assert.strictEqual((yield* failing(check)).type, "authentication")
        server.answer(subject.wire.refuse("failed", words))
        assert.strictEqual((yield* failing(check)).type, "upstream")
        server.answer({ status: 200, body: `<html>${words}` })
        assert.strictEqual((yield* failing(check)).type, "upstream")
        const nowhere = yield* Talk.open(subject, undefined, "http://127.0.0.1:1")
        assert.strictEqual((yield* nowhere.failing(nowhere.check)).type, "connection")
        assert.strictEqual((yield* nowhere.fail()).type, "connection")
      }))
  },
  {
    title: "texts become vectors, one each and in their order",
    needs: "embeddings",
    run: ({ embed, request, server }, { dimensions: taken = 3, embedding, lacks, wire }) =>
      Effect.gen(function*() {
        const wired = wire.embeddings ?? assert.fail("the wire has no embeddings")
        const answer = (...some: typeof answered) => wired.answer(some, 4)
        if (wired.single === true) server.answer(answer(answered[0]!), answer(answered[1]!))
        else server.answer(answer(...answered))
        const dimensions = lacks.dimensions === undefined ? taken : undefined
        const { embeddings } = yield* embed(["one", "two"], dimensions)
        assert.deepStrictEqual(embeddings, answered)
        const asked = server.received.map(wired.read)
        assert.deepStrictEqual(asked.flatMap(({ input }) => input), ["one", "two"])
        assert.strictEqual(asked[0]?.model, embedding ?? vectors)
        assert.strictEqual(asked[0]?.dimensions, dimensions)
        assert.notInclude(request().path, Talk.planted)
      })
  },
  {
    title: "embeddings fail as a call does",
    needs: "embeddings",
    run: ({ embed, failing, server }, { wire }) =>
      Effect.gen(function*() {
        for (const [why, type] of [["authentication", "authentication"], ["failed", "upstream"]] as const) {
          server.answer(wire.refuse(why, words))
          assert.strictEqual((yield* failing(embed(["one"]))).type, type)
        }
      })
  }
]
