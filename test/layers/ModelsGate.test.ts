/** What stands before a credential's calls: its breaker, and its limits. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, FastCheck, Fiber, FiberId, TestClock, TestContext } from "effect"
import type { Credential } from "../../src/domain/Credential.ts"
import type { Timestamp } from "../../src/domain/Ids.ts"
import { bounds, within } from "../../src/layers/Models/Bounds.ts"
import * as Breaker from "../../src/layers/Models/Breaker.ts"
import { type Gate, Refused } from "../../src/layers/Models/Gate.ts"
import * as Gates from "../../src/layers/Models/Gates.ts"
import * as Limits from "../../src/layers/Models/Limits.ts"
import { type EmitPart, type ModelErrorType, ModelFailed, type ModelPart } from "../../src/services/Models.ts"
import { credentialOf, freshOwner } from "../support/fixtures.ts"

const failing = (type: ModelErrorType) => new ModelFailed({ type, message: "No.", retryable: true })

const never = () => false
const always = () => true

/** What became of a call: `ok`, the type of its failure, or `refused` when nothing was asked. */
const through = (gate: Gate, attempt: Effect.Effect<void, ModelFailed>, hasBegun = never) =>
  Effect.match(gate(attempt, hasBegun), {
    onFailure: (error) => error._tag === "Refused" ? "refused" : error.type,
    onSuccess: () => "ok"
  })

const fails = (type: ModelErrorType) => Effect.fail(failing(type))
const works = Effect.void

const repeat = (n: number, effect: Effect.Effect<string>) => Effect.replicateEffect(effect, n)

describe("A circuit breaker", () => {
  const { cooldown, failures, window } = Breaker.options

  it.effect("refuses calls after so many failures in a row, until the cool-down is over", () =>
    Effect.gen(function*() {
      const gate = Breaker.make(Breaker.options)
      yield* repeat(failures - 1, through(gate, fails("upstream")))
      assert.strictEqual(yield* through(gate, fails("connection")), "connection")
      const error = yield* Effect.flip(gate(works, never))
      assert.deepInclude(error._tag === "Refused" && error.failed, {
        type: "connection",
        retryable: true,
        retry_after: Duration.toSeconds(cooldown)
      })
      yield* TestClock.adjust(Duration.subtract(cooldown, "1 millis"))
      assert.strictEqual(yield* through(gate, works), "refused")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* through(gate, works), "ok")
      assert.strictEqual(yield* through(gate, fails("upstream")), "upstream")
    }))

  it.effect("lets one call try after the cool-down; when that fails, it stays open as long again", () =>
    Effect.gen(function*() {
      const gate = Breaker.make(Breaker.options)
      yield* repeat(failures, through(gate, fails("authentication")))
      yield* TestClock.adjust(cooldown)
      const outcome = yield* Deferred.make<void, ModelFailed>()
      const probe = yield* Effect.fork(through(gate, Deferred.await(outcome)))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* through(gate, works), "refused")
      yield* Deferred.fail(outcome, failing("authentication"))
      assert.strictEqual(yield* Fiber.join(probe), "authentication")
      assert.strictEqual(yield* through(gate, works), "refused")
      yield* TestClock.adjust(cooldown)
      assert.strictEqual(yield* through(gate, works), "ok")
    }))

  it.effect("stays open as long again when the call that tried failed late, whatever the others did before", () =>
    Effect.gen(function*() {
      const gate = Breaker.make(Breaker.options)
      yield* repeat(failures, through(gate, fails("upstream")))
      yield* TestClock.adjust(cooldown)
      const outcome = yield* Deferred.make<void, ModelFailed>()
      const probe = yield* Effect.fork(through(gate, Deferred.await(outcome)))
      // Longer than the failures before it count.
      yield* TestClock.adjust(Duration.sum(window, "1 seconds"))
      yield* Deferred.fail(outcome, failing("connection"))
      assert.strictEqual(yield* Fiber.join(probe), "connection")
      const error = yield* Effect.flip(gate(works, never))
      assert.deepInclude(error._tag === "Refused" && error.failed, {
        type: "connection",
        retry_after: Duration.toSeconds(cooldown)
      })
      yield* TestClock.adjust(Duration.subtract(cooldown, "1 millis"))
      assert.strictEqual(yield* through(gate, works), "refused")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* through(gate, works), "ok")
    }))

  it.effect("stays closed when a later call was answered before the one that tried first failed", () =>
    Effect.gen(function*() {
      const gate = Breaker.make(Breaker.options)
      yield* repeat(failures, through(gate, fails("upstream")))
      yield* TestClock.adjust(cooldown)
      const outcome = yield* Deferred.make<void, ModelFailed>()
      const probe = yield* Effect.fork(through(gate, Deferred.await(outcome)))
      // The one that tries keeps the others waiting for so long, and no longer.
      yield* TestClock.adjust(Duration.subtract(cooldown, "1 millis"))
      assert.strictEqual(yield* through(gate, works), "refused")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* through(gate, works), "ok")
      yield* Deferred.fail(outcome, failing("upstream"))
      assert.strictEqual(yield* Fiber.join(probe), "upstream")
      assert.strictEqual(yield* through(gate, works), "ok")
    }))

  it.effect("lets the next call try when the one that tried was interrupted", () =>
    Effect.gen(function*() {
      const gate = Breaker.make(Breaker.options)
      yield* repeat(failures, through(gate, fails("upstream")))
      yield* TestClock.adjust(cooldown)
      const probe = yield* Effect.fork(through(gate, Effect.never))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* through(gate, works), "ok")
    }))

  it.effect("stays closed for failures that say nothing against the provider, are far apart, or came late", () =>
    Effect.gen(function*() {
      for (const type of ["rate_limit", "invalid_request", "context_length", "permission", "setup"] as const) {
        const gate = Breaker.make(Breaker.options)
        yield* repeat(failures * 2, through(gate, fails(type)))
        assert.strictEqual(yield* through(gate, works), "ok", type)
      }
      const slow = Breaker.make(Breaker.options)
      yield* repeat(failures * 2, Effect.delay(through(slow, fails("upstream")), window)).pipe(
        Effect.fork,
        Effect.zipLeft(TestClock.adjust(Duration.times(window, failures * 2))),
        Effect.flatMap(Fiber.join)
      )
      assert.strictEqual(yield* through(slow, works), "ok")
      const cut = Breaker.make(Breaker.options)
      yield* repeat(failures * 2, through(cut, fails("upstream"), always))
      assert.strictEqual(yield* through(cut, works), "ok")
      const mixed = Breaker.make(Breaker.options)
      for (let i = 0; i < failures * 2; i++) yield* through(mixed, i % 2 === 0 ? fails("upstream") : works)
      assert.strictEqual(yield* through(mixed, works), "ok")
    }))
})

/** A call that can be ended, and whether it has begun. */
const calling = (gate: Gate) =>
  Effect.gen(function*() {
    const end = yield* Deferred.make<void>()
    let begun = false
    const attempt = Effect.zipRight(Effect.sync(() => begun = true), Deferred.await(end))
    const fiber = yield* Effect.fork(Effect.either(gate(attempt, never)))
    yield* Effect.yieldNow()
    return { begun: () => begun, end: Deferred.succeed(end, undefined), fiber }
  })

const none = { max_concurrency: undefined, requests_per_minute: undefined }

describe("A credential's limits", () => {
  it.effect("let so many calls go on at the same time, and the others in their order", () =>
    Effect.gen(function*() {
      const gate = Limits.make({ ...none, max_concurrency: 2 })
      const calls = yield* Effect.all(Array.from({ length: 4 }, () => calling(gate)))
      const begun = () => calls.map((call) => call.begun())
      assert.deepStrictEqual(begun(), [true, true, false, false])
      yield* calls[1]!.end
      yield* Fiber.join(calls[1]!.fiber)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(begun(), [true, true, true, false])
      yield* Fiber.interrupt(calls[0]!.fiber)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(begun(), [true, true, true, true])
    }))

  it.effect("refuse as rate_limit what waited half a minute, and lose no place by that", () =>
    Effect.gen(function*() {
      const gate = Limits.make({ ...none, max_concurrency: 1 })
      const first = yield* calling(gate)
      const late = yield* calling(gate)
      const gone = yield* calling(gate)
      yield* Fiber.interrupt(gone.fiber)
      yield* TestClock.adjust("30 seconds")
      const outcome = yield* Fiber.join(late.fiber)
      assert.isTrue(outcome._tag === "Left" && outcome.left instanceof Refused)
      assert.deepInclude(outcome._tag === "Left" && outcome.left._tag === "Refused" && outcome.left.failed, {
        type: "rate_limit",
        retryable: true
      })
      assert.isFalse(late.begun())
      yield* first.end
      yield* Fiber.join(first.fiber)
      const next = yield* calling(gate)
      assert.isTrue(next.begun())
      assert.isFalse((yield* calling(gate)).begun())
    }))

  it.effect("lose no place to a call that is stopped in the moment in which its turn comes", () =>
    Effect.gen(function*() {
      const gate = Limits.make({ ...none, max_concurrency: 1 })
      const end = yield* Deferred.make<void>()
      let waits: Fiber.RuntimeFiber<unknown> | undefined
      const stop = Effect.sync(() => waits?.unsafeInterruptAsFork(FiberId.none))
      const first = yield* Effect.fork(gate(Effect.zipRight(Deferred.await(end), stop), never))
      yield* Effect.yieldNow()
      const second = yield* calling(gate)
      waits = second.fiber
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(first)
      yield* Fiber.await(second.fiber)
      assert.isTrue((yield* calling(gate)).begun())
    }))

  it.effect("let so many calls begin in any minute", () =>
    Effect.gen(function*() {
      const gate = Limits.make({ ...none, requests_per_minute: 3 })
      const at: Array<number> = []
      const call = Effect.fork(
        through(gate, Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => void at.push(now))))
      )
      yield* call
      yield* TestClock.adjust("40 seconds")
      yield* Effect.replicateEffect(call, 2)
      const waits = yield* call
      const refused = yield* call
      yield* Effect.yieldNow()
      assert.strictEqual(yield* Fiber.join(refused), "refused")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(waits), "ok")
      assert.deepStrictEqual(at, [0, 40_000, 40_000, 60_000])
    }))

  it("never let more go on, or begin in a minute, than they say; and end with every place free", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.integer({ min: 1, max: 3 }),
        FastCheck.integer({ min: 1, max: 5 }),
        FastCheck.array(
          FastCheck.record({
            wait: FastCheck.nat(20),
            takes: FastCheck.nat(40),
            stops: FastCheck.option(FastCheck.nat(60), { nil: undefined })
          }),
          { maxLength: 20 }
        ),
        (max_concurrency, requests_per_minute, courses) =>
          Effect.gen(function*() {
            const gate = Limits.make({ max_concurrency, requests_per_minute })
            let running = 0
            let most = 0
            const began: Array<number> = []
            const attempt = (seconds: number) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => {
                began.push(now)
                most = Math.max(most, ++running)
                return Effect.ensuring(Effect.sleep(Duration.seconds(seconds)), Effect.sync(() => running--))
              })
            const fibers: Array<Fiber.RuntimeFiber<unknown>> = []
            for (const { stops, takes, wait } of courses) {
              yield* TestClock.adjust(Duration.seconds(wait))
              const fiber = yield* Effect.fork(Effect.exit(gate(attempt(takes), never)))
              fibers.push(fiber)
              if (stops !== undefined) {
                yield* Effect.fork(Effect.delay(Fiber.interrupt(fiber), Duration.seconds(stops)))
              }
            }
            yield* TestClock.adjust("1 hour")
            yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
            assert.isAtMost(most, max_concurrency)
            assert.strictEqual(running, 0)
            began.forEach((at, i) => {
              const before = began[i - requests_per_minute]
              if (before !== undefined) assert.isAtLeast(at - before, 60_000)
            })
            const after = yield* Effect.all(Array.from({ length: max_concurrency }, () => calling(gate)))
            yield* TestClock.adjust("1 hour")
            const free = after.filter((call) => call.begun()).length
            assert.strictEqual(free, Math.min(max_concurrency, requests_per_minute, after.length))
          }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext), Effect.runPromise)
      ),
      { numRuns: 40 }
    ))

  it("are taken out of a credential's fields, and held to their bounds", () => {
    assert.deepStrictEqual(Limits.split({ base_url: "x", max_concurrency: 2, requests_per_minute: null }), {
      rest: { base_url: "x" },
      limits: { max_concurrency: 2 },
      problems: []
    })
    for (const wrong of [0, -1, 1.5, 1001, "2", true, {}]) {
      assert.strictEqual(Limits.split({ max_concurrency: wrong }).problems[0]?.path, "max_concurrency", String(wrong))
    }
  })
})

describe("A credential's gate", () => {
  it.effect("is the same until the credential changes, and refuses before it lets wait", () =>
    Effect.gen(function*() {
      const gates = Gates.make()
      const credential = credentialOf(freshOwner(), { settings: { max_concurrency: 1 } })
      yield* repeat(Breaker.options.failures, through(gates(credential), fails("connection")))
      assert.strictEqual(yield* through(gates(credential), works), "refused")
      assert.strictEqual(yield* through(gates(credentialOf(credential.user_id)), works), "ok")
      const changed: Credential = { ...credential, updated_at: "2026-02-01T00:00:00.000Z" as Timestamp }
      assert.strictEqual(yield* through(gates(changed), works), "ok")
      yield* calling(gates(changed))
      const waits = yield* calling(gates(changed))
      assert.isFalse(waits.begun())
      assert.isTrue(Exit.isSuccess(yield* Fiber.interrupt(waits.fiber)) || !waits.begun())
    }))
})

describe("A call in bounds", () => {
  const text: ModelPart = { type: "text", block: "1", delta: "Hi" }

  it.effect("asks the gate before each attempt, says when it tries again, and not where the gate refuses", () =>
    Effect.gen(function*() {
      let asked = 0
      let retries = 0
      const refused = new Refused({ failed: failing("rate_limit") })
      const gate: Gate = (attempt) => ++asked < 3 ? attempt : Effect.fail(refused)
      const calling = yield* Effect.fork(
        Effect.flip(within(bounds, () => fails("upstream"), () => undefined, gate, () => void retries++))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(calling)).type, "rate_limit")
      assert.deepStrictEqual([asked, retries], [3, 2])
    }))

  it.effect("ends an answer that goes on for longer than the whole may take", () =>
    Effect.gen(function*() {
      const provide = (emit: EmitPart) => Effect.forever(Effect.delay(Effect.sync(() => void emit(text)), "1 seconds"))
      const calling = yield* Effect.fork(
        Effect.flip(within({ ...bounds, total: Duration.seconds(90) }, provide, () => undefined))
      )
      yield* TestClock.adjust("89 seconds")
      assert.isNull(calling.unsafePoll())
      yield* TestClock.adjust("1 seconds")
      const failed = yield* Fiber.join(calling)
      assert.deepInclude(failed, { type: "upstream", retryable: false })
      assert.include(failed.message, "90 seconds")
    }))
})
