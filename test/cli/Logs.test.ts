import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { encodings } from "../../src/embed/Logs.ts"

const told = (log: Effect.Effect<void>, format: "json" | "logfmt" = "json") => {
  const lines: Array<string> = []
  const logger = Logger.map(encodings[format], (line) => void lines.push(line))
  return Effect.as(Effect.provide(log, Logger.replace(Logger.defaultLogger, logger)), lines)
}

describe("logs", () => {
  it.effect("are one line of JSON each, with date and zone, level, ids and the stack as fields", () =>
    Effect.gen(function*() {
      const broken = Effect.logError("It broke", new Error("a\nb")).pipe(
        Effect.annotateLogs({ request_id: "q1", session_id: "s1", level: "none of yours" })
      )
      const cause = Effect.catchAllCause(Effect.die(new Error("bug")), (cause) => Effect.logError("A bug", cause))
      const [first, second] = yield* told(Effect.zipRight(broken, cause))
      const one = JSON.parse(first!)
      assert.deepInclude(one, { level: "error", message: "It broke a\nb", request_id: "q1", session_id: "s1" })
      assert.match(one.time, /Z$/)
      assert.notInclude(first, "\n")
      const two = JSON.parse(second!)
      assert.deepInclude(two, { message: "A bug", error: "bug" })
      assert.include(two.stack, "Logs.test.ts")
    }))

  it.effect("are logfmt on request, quoted where that is needed", () =>
    Effect.gen(function*() {
      const log = Effect.annotateLogs(Effect.logWarning("two words"), { n: 1, text: "a=\"b\"\n", plain: "x" })
      const [line] = yield* told(log, "logfmt")
      assert.match(line!, /^time=\S+Z level=warn(ing)? message="two words"/)
      for (const part of ["n=1", "plain=x", "text=\"a=\\\"b\\\"\\n\""]) assert.include(line, part)
    }))
})
