import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { maxFiles, maxOutput, within } from "../../src/layers/AgentRunner/ToolCall.ts"
import type { ToolPart } from "../../src/services/Toolbox.ts"

type State = "success" | "error" | "denied"
type Tool = (emit: (part: ToolPart) => void) => Effect.Effect<State>

const outcome = (tool: Tool) =>
  Effect.gen(function*() {
    const parts: Array<ToolPart> = []
    const fiber = yield* Effect.fork(within(10, tool, (part) => parts.push(part)))
    yield* TestClock.adjust("1 minute")
    const state = yield* Fiber.join(fiber)
    return { state, parts, text: parts.map((part) => part.type === "text" ? part.delta : "<data>").join("") }
  })

const says = (...texts: ReadonlyArray<string>): Tool => (emit) =>
  Effect.sync(() => {
    for (const delta of texts) emit({ type: "text", delta })
    return "success" as const
  })

describe("A tool call", () => {
  it.effect("ends as its toolbox says, with its output as it came", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* outcome(says("a", "b")), { state: "success", text: "ab" })
      for (const state of ["error", "denied"] as const) {
        assert.deepInclude(yield* outcome(() => Effect.succeed(state)), { state, parts: [] })
      }
    }))

  it.effect("that takes too long is given up, even if it does not stop, and keeps what it said", () =>
    Effect.gen(function*() {
      for (const hang of [Effect.never, Effect.uninterruptible(Effect.never)]) {
        const { state, text } = yield* outcome((emit) => Effect.zipRight(says("half")(emit), hang))
        assert.strictEqual(state, "error")
        assert.strictEqual(
          text,
          "half\nThe tool did not end within 10 seconds and was given up; its outcome is unknown."
        )
      }
      const { text } = yield* outcome(() => Effect.never)
      assert.match(text, /^The tool did not end/)
    }))

  it.effect("that breaks is an error with a sentence that shows nothing", () =>
    Effect.gen(function*() {
      const bugs: ReadonlyArray<Tool> = [
        () => Effect.die(new Error("sk-planted")),
        () => {
          throw new Error("sk-planted")
        },
        () => Effect.interrupt
      ]
      for (const bug of bugs) {
        assert.deepInclude(yield* outcome(bug), {
          state: "error",
          text: "The tool failed because of an internal error."
        })
      }
    }))

  it.effect("is cut after 1 MiB, however it comes, with a note and no half character", () =>
    Effect.gen(function*() {
      const whole = "x".repeat(maxOutput)
      assert.strictEqual((yield* outcome(says(whole))).text, whole)
      const emoji = `x${"😀".repeat(maxOutput)}`
      const { state, text } = yield* outcome(says(emoji))
      assert.strictEqual(state, "success")
      assert.isTrue(!/[\uD800-\uDBFF](?![\uDC00-\uDFFF])/.test(text))
      assert.match(text, /\[cut: the first 1048575 of 2097153 characters are shown\]$/)
      assert.isBelow(text.length, maxOutput + 100)
      const { parts, text: flood } = yield* outcome(
        says(...Array.from({ length: 50 }, () => "y".repeat(1024 * 1024 - 1)))
      )
      assert.isAtMost(parts.length, 3)
      assert.match(flood, /\[cut: the first 1048576 of 52428750 characters are shown\]$/)
    }))

  it.effect("keeps whole files or none", () =>
    Effect.gen(function*() {
      const file = (size: number): ToolPart => ({
        type: "data",
        block: "b",
        media_type: "image/png",
        data: "A".repeat(size)
      })
      const { parts, text } = yield* outcome((emit) =>
        Effect.sync(() => {
          emit(file(100))
          emit(file(50 * 1024 * 1024))
          emit({ type: "text", delta: "behind" })
          return "success"
        })
      )
      assert.deepStrictEqual(parts[0], file(100))
      assert.match(text, /^<data>\n\[cut: the first 100 of \d+ characters are shown\]$/)
    }))

  it.effect("shares what is left of its reply with the other calls of its round", () =>
    Effect.gen(function*() {
      const budget = { left: 5 }
      const told: Array<ToolPart> = []
      const of = (tool: Tool) => within(10, tool, (part) => told.push(part), budget)
      yield* of(says("abc"))
      assert.strictEqual(budget.left, 2)
      yield* of(says("de"))
      assert.strictEqual(budget.left, 0)
      yield* of(says("f"))
      assert.strictEqual(
        told.map((part) => part.type === "text" ? part.delta : "").join(""),
        "abcde[cut: the first 0 of 1 characters are shown]"
      )
    }))

  it.effect("gives so many files, and no more", () =>
    Effect.gen(function*() {
      const files = (n: number): Tool => (emit) =>
        Effect.sync(() => {
          for (let i = 0; i < n; i++) emit({ type: "data", block: `${i}`, media_type: "image/png", data: "AAAA" })
          return "success" as const
        })
      const some = yield* outcome(files(maxFiles))
      assert.lengthOf(some.parts, maxFiles)
      const more = yield* outcome(files(maxFiles + 1))
      assert.lengthOf(more.parts, maxFiles + 1)
      assert.include(more.text, "[cut: ")
    }))

  it.effect("says nothing after its end, and can be interrupted", () =>
    Effect.gen(function*() {
      let late: (part: ToolPart) => void = () => {}
      const keep: Tool = (emit) => {
        late = emit
        return says("all")(emit)
      }
      const { parts } = yield* outcome(keep)
      late({ type: "text", delta: "later" })
      assert.lengthOf(parts, 1)
      const hanging = yield* Effect.fork(within(10, (emit) => {
        late = emit
        return Effect.uninterruptible(Effect.never)
      }, (part) => parts.push(part)))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(hanging)))
      late({ type: "text", delta: "later" })
      assert.lengthOf(parts, 1)
    }))
})
