/** Receivers of messages that are away, slow or endless, by the clock of the test. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import * as CatalogMemory from "../../src/layers/Catalog/Memory.ts"
import * as Host from "../../src/layers/Host.ts"
import * as JobsWorking from "../../src/layers/Jobs/Working.ts"
import * as MailerOff from "../../src/layers/Mailer/Off.ts"
import * as Delivering from "../../src/layers/Notifier/Delivering.ts"
import * as NotifierLocal from "../../src/layers/Notifier/Local.ts"
import * as Noticing from "../../src/layers/Notifier/Noticing.ts"
import * as Wanting from "../../src/layers/Notifier/Wanting.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { Notifier } from "../../src/services/Notifier.ts"
import { Outbound } from "../../src/services/Outbound.ts"
import { Storage } from "../../src/services/Storage.ts"
import { conversation } from "../support/hub.ts"
import { notify } from "../support/notifications.ts"
import { patience } from "../support/Patience.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

/** What notifications need, and nothing else that goes on; requests go nowhere but to `fetch`. */
const hostWith = (fetch: typeof globalThis.fetch) =>
  Effect.map(
    Layer.build(
      NotifierLocal.layer.pipe(
        Layer.provideMerge(
          Layer.unwrapEffect(Effect.map(Effect.all([Noticing.make([]), Delivering.make]), JobsWorking.layer))
        ),
        Layer.provide(Wanting.layer),
        Layer.provide(Layer.merge(Layer.succeed(Outbound, { fetch, forbids: () => false }), MailerOff.layer)),
        Layer.provideMerge(Layer.mergeAll(Host.memory, vault, CatalogMemory.layer))
      )
    ),
    (context) => ({ do: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context), context })
  )

const tested = Effect.fnUntraced(function*(fetch: typeof globalThis.fetch) {
  const host = yield* hostWith(fetch)
  const session = yield* host.do(conversation())
  const { id, user_id } = yield* host.do(notify(session, { url: "https://hooks.example.com/x" }))
  const { id: delivery } = yield* Context.get(host.context, Notifier).test(user_id, id)
  const { deliveries } = Context.get(host.context, Storage)
  const { run: loop } = Context.get(host.context, Jobs)
  return { delivery: Effect.orDie(deliveries.get(user_id, delivery)), loop }
})

const ok = () => Promise.resolve(new Response(null, { status: 204 }))
const down = () => Promise.reject(new TypeError("fetch failed"))

/** Lets what goes on come to where it waits for time. */
const moment = Effect.repeatN(
  Effect.zipRight(TestClock.adjust("10 millis"), Effect.promise(() => new Promise((resume) => setImmediate(resume)))),
  2
)

/** Lets so much time pass in steps; jobs are done after each, since a loop that looks each second would take long. */
const pass = (loop: Effect.Effect<never>, time: Duration.DurationInput, step: Duration.DurationInput) =>
  Effect.repeatN(
    Effect.gen(function*() {
      yield* TestClock.adjust(step)
      const fiber = yield* Effect.fork(loop)
      yield* moment
      yield* Fiber.interrupt(fiber)
    }),
    Math.ceil(Duration.toMillis(time) / Duration.toMillis(step)) - 1
  )

describe("A receiver", () => {
  it.scoped(
    "that is down for an hour gets the message once it is back, and the log names every attempt",
    () =>
      Effect.gen(function*() {
        let isUp = false
        const sent: Array<number> = []
        const { delivery, loop } = yield* tested(() => {
          if (isUp) sent.push(1)
          return isUp ? ok() : down()
        })
        yield* pass(loop, "1 hours", "2 minutes")
        const before = yield* delivery
        assert.strictEqual(before.status, "pending")
        assert.isAtLeast(before.attempts.length, 4)
        assert.isAtMost(before.attempts.length, 6)
        assert.isTrue(
          before.attempts.every(({ error, status }) =>
            status === null && error === "The receiver could not be reached."
          )
        )
        assert.isAbove(Date.parse(before.next_attempt_at!), yield* Clock.currentTimeMillis)
        isUp = true
        yield* pass(loop, "1 hours", "2 minutes")
        assert.deepInclude(yield* delivery, { status: "delivered", next_attempt_at: null })
        assert.strictEqual(sent.length, 1)
      }),
    patience(60_000)
  )

  it.scoped(
    "that stays down is given up after a bit more than a day, and not asked again",
    () =>
      Effect.gen(function*() {
        let asked = 0
        const { delivery, loop } = yield* tested(() => {
          asked++
          return down()
        })
        yield* pass(loop, "40 hours", "1 hours")
        const last = yield* delivery
        assert.strictEqual(last.status, "failed")
        assert.isNull(last.next_attempt_at)
        assert.strictEqual(last.attempts.length, 10)
        assert.strictEqual(asked, 10)
        const took = Date.parse(last.attempts.at(-1)!.at) - Date.parse(last.created_at)
        assert.isAbove(took, Duration.toMillis("20 hours"))
        assert.isBelow(took, Duration.toMillis("39 hours"))
      }),
    patience(60_000)
  )

  it.scoped("that never answers is left after 15 seconds, and asked again", () =>
    Effect.gen(function*() {
      const signals: Array<AbortSignal> = []
      const { delivery, loop } = yield* tested((_, init) => {
        if (init?.signal != null) signals.push(init.signal)
        return new Promise(() => {})
      })
      yield* Effect.fork(loop)
      yield* TestClock.adjust("30 seconds")
      assert.include((yield* delivery).attempts[0]!.error, "within 15 seconds")
      assert.isTrue(signals[0]!.aborted)
      assert.isAtLeast(signals.length, 2)
    }))

  it.scoped("that answers without end is not read", () =>
    Effect.gen(function*() {
      let pulled = 0
      let isCancelled = false
      const body = () =>
        new ReadableStream({
          pull: (controller) => {
            pulled++
            controller.enqueue(new Uint8Array(65_536))
          },
          cancel: () => void (isCancelled = true)
        })
      const { delivery, loop } = yield* tested(() => Promise.resolve(new Response(body(), { status: 200 })))
      yield* Effect.fork(loop)
      yield* moment
      assert.strictEqual((yield* delivery).status, "delivered")
      assert.isTrue(isCancelled)
      assert.isBelow(pulled, 5)
    }))
})
