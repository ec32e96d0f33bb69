/** A cut answer never looks complete. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { ModelPart } from "../../../src/services/Models.ts"
import * as FakeProvider from "../../support/wires/FakeProvider.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import type { Subject } from "../../support/wires/Subject.ts"
import type { Talk } from "../../support/wires/Talk.ts"
import type { Streamed } from "../../support/wires/Wire.ts"
import { rich, tools } from "./Answers.ts"
import type { Case } from "./Case.ts"

const { callsIn, finishOf, textIn } = Messages

/**
 * Cuts an answer after each of its chunks. Before it says that it is whole, the
 * call fails; after that, it fails or says all of it.
 */
const cutEverywhere = ({ ask, server }: Talk, { chunks, content_type, whole }: Streamed, ending: FakeProvider.Ending) =>
  Effect.gen(function*() {
    const answer = { content_type, chunks }
    server.answer(answer)
    const complete = yield* ask({ tools })
    for (let n = 0; n < chunks.length; n++) {
      server.answer({ content_type, chunks: chunks.slice(0, n), ending })
      const parts: Array<ModelPart> = []
      const exit = yield* Effect.either(ask({ tools }, parts))
      if (exit._tag === "Left") {
        assert.include(["upstream", "connection"], exit.left.type, `cut after ${n} of ${chunks.length}`)
        assert.isTrue(exit.left.retryable)
        assert.notInclude(parts.map(({ type }) => type), "finish")
      } else {
        assert.isAtLeast(n, whole, `cut after ${n} of ${chunks.length}, and looks complete`)
        assert.deepStrictEqual([textIn(parts), callsIn(parts).map(({ args }) => args)], [
          textIn(complete),
          callsIn(complete).map(({ args }) => args)
        ])
        assert.strictEqual(finishOf(parts).reason, finishOf(complete).reason)
      }
    }
  })

const text = Say.say(Say.text("Half ", "of ", "it."))

const cut = (ending: FakeProvider.Ending) => (talk: Talk, { wire }: Subject) =>
  Effect.zipRight(cutEverywhere(talk, wire.say(text), ending), cutEverywhere(talk, wire.say(rich), ending))

export const cuts: ReadonlyArray<Case> = [
  { title: "an answer whose connection breaks after any chunk never looks complete", run: cut("cut") },
  { title: "an answer that just ends after any chunk never looks complete", run: cut("end") },
  {
    title: "an answer that just ends inside a chunk never looks complete",
    run: (talk, { wire }) => {
      const { whole, ...answer } = wire.say(text)
      const size = 37
      const fine = FakeProvider.split(answer, size)
      const before = Buffer.concat(answer.chunks.slice(0, whole - 1)).length
      return cutEverywhere(talk, { ...fine, whole: Math.ceil((before + 1) / size) }, "end")
    }
  }
]
