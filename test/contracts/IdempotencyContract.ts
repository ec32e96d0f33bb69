/** What keys of requests promise, over every Storage and EventLog. */
import { assert, layer } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Schema, TestClock, TestContext } from "effect"
import { Accepted } from "../../src/domain/Chat.ts"
import { Conflict, NotFound } from "../../src/domain/Errors.ts"
import type { AgentId, Timestamp, UserId } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import * as IdempotencyStored from "../../src/layers/Idempotency/Stored.ts"
import * as PeersMemory from "../../src/layers/Peers/Memory.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Files } from "../../src/services/Files.ts"
import { Idempotency, type Once } from "../../src/services/Idempotency.ts"
import { JobStore } from "../../src/services/JobStore.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { Models } from "../../src/services/Models.ts"
import { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { TaskStore } from "../../src/services/TaskStore.ts"
import { Tenants } from "../../src/services/Tenants.ts"
import { Vault } from "../../src/services/Vault.ts"
import { agentOf, freshId, freshOwner, pageOf, runOf, sessionOf, strangeTexts, time } from "../support/fixtures.ts"
import { conversation } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

const Answer = Schema.Struct({ id: Schema.String, secret: Schema.optional(Schema.String) })
type Answer = typeof Answer.Type

const asked = (owner: UserId, key: string | undefined, body: unknown = { a: 1 }, request = "POST /agent") => ({
  owner,
  key,
  request,
  body,
  answer: Answer
})

/** Work that makes an agent, and counts how often it was begun. */
const maker = Effect.map(Storage, ({ agents }) => {
  const owner = freshOwner()
  let begun = 0
  return {
    owner,
    begun: () => begun,
    make: ({ keep }: Once<Answer>) =>
      Effect.suspend(() => {
        begun++
        const agent = agentOf(owner)
        return keep(Effect.as(Effect.orDie(agents.insert(agent)), { id: agent.id }))
      }),
    made: Effect.map(agents.list(owner, { limit: 200, cursor: undefined }), ({ items }) => items.map(({ id }) => id))
  }
})

/** The same in another process over the same storage. */
const another = Effect.map(
  Layer.build(Layer.fresh(IdempotencyStored.layer)),
  (context) => Context.get(context, Idempotency).once
)

/** Another whole process over the same storage. */
const anotherHost = Effect.flatMap(
  Effect.context<
    Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants | Vault | Models
  >(),
  (parts) =>
    Layer.build(Layer.fresh(Host.engine(
      Layer.merge(
        Layer.succeedContext(
          Context.pick(Storage, EventLog, Files, Ledger, ScheduleStore, JobStore, TaskStore, Tenants, Vault, Models)(
            parts
          )
        ),
        PeersMemory.layer
      ),
      { trusted: true }
    )))
)

const mismatch = { _tag: "Invalid", code: "idempotency_mismatch" } as const

export const idempotencyContract = <E>(name: string, backend: Layer.Layer<Host.Memories, E>): void =>
  layer(Host.over(backend), { timeout: patience(120_000), excludeTestServices: true })(
    `Idempotency contract: ${name}`,
    (it) => {
      it.effect("does it each time without a key, and once with one", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { begun, made, make, owner } = yield* maker
          yield* once(asked(owner, undefined), make)
          yield* once(asked(owner, undefined), make)
          assert.strictEqual((yield* made).length, 2)
          const first = yield* once(asked(owner, "k"), make)
          assert.deepStrictEqual(yield* once(asked(owner, "k"), make), first)
          assert.strictEqual((yield* made).length, 3)
          assert.strictEqual(begun(), 3)
          assert.include(yield* made, first.id as AgentId)
        }))

      it.effect("does it once for fifty at once, in two processes too", () =>
        Effect.gen(function*() {
          const one = (yield* Idempotency).once
          const { made, make, owner } = yield* maker
          const two = yield* another
          for (const key of ["first", "second", "third"]) {
            const answers = yield* Effect.forEach(
              Array.from({ length: 50 }),
              (_, i) => (i % 2 === 0 ? one : two)(asked(owner, key), make),
              { concurrency: "unbounded" }
            )
            for (const answer of answers) assert.deepStrictEqual(answer, answers[0])
          }
          assert.strictEqual((yield* made).length, 3)
        }).pipe(Effect.scoped))

      it.effect("refuses the key with another body or path, also while the first is under way", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { made, make, owner } = yield* maker
          const gate = yield* Deferred.make<void>()
          const first = yield* Effect.fork(
            once(asked(owner, "k"), (how) => Effect.zipRight(Deferred.await(gate), make(how)))
          )
          yield* Effect.sleep("20 millis")
          const refused = Effect.gen(function*() {
            assert.deepInclude(yield* Effect.flip(once(asked(owner, "k", { a: 2 }), make)), mismatch)
            assert.deepInclude(yield* Effect.flip(once(asked(owner, "k", { a: 1 }, "POST /chat"), make)), mismatch)
          })
          yield* refused
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(first)
          yield* refused
          assert.strictEqual((yield* made).length, 1)
        }))

      it.effect("knows a body by what it says, not by the order of its keys", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { made, make, owner } = yield* maker
          const values = strangeTexts.map((text, i) => ({ [`k${i}`]: text, list: [1, { b: null, a: [text] }] }))
          const turned = values.map((value, i) => ({
            list: [1, { a: [strangeTexts[i]], b: null }],
            [`k${i}`]: strangeTexts[i]
          }))
          const answer = yield* once(asked(owner, "k", values), make)
          assert.deepStrictEqual(yield* once(asked(owner, "k", turned), make), answer)
          assert.deepInclude(yield* Effect.flip(once(asked(owner, "k", values.toReversed()), make)), mismatch)
          assert.strictEqual((yield* made).length, 1)
        }))

      it.effect("keeps owners apart", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const [ada, bob] = [yield* maker, yield* maker]
          const hers = yield* once(asked(ada.owner, "k"), ada.make)
          const his = yield* once(asked(bob.owner, "k", { a: 2 }), bob.make)
          assert.notStrictEqual(hers.id, his.id)
          assert.deepStrictEqual<ReadonlyArray<ReadonlyArray<string>>>([yield* ada.made, yield* bob.made], [[hers.id], [
            his.id
          ]])
        }))

      it.effect("takes 1 to 255 printable ASCII characters as a key", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { make, owner } = yield* maker
          for (const key of ["", "x".repeat(256), "é", "a\tb", "a\nb", "\u007f", "\0"]) {
            const refused = yield* Effect.flip(once(asked(owner, key), make))
            assert.deepInclude(refused, { _tag: "Malformed", code: "invalid_idempotency_key" } as const)
          }
          for (const key of ["x", "x".repeat(255), " ~\"'\\;--", "0190-…".slice(0, 5)]) {
            yield* once(asked(owner, key), make)
          }
        }))

      it.effect("keeps no failure, and gives the same to all who waited for it", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { begun, made, make, owner } = yield* maker
          const gone = NotFound.of("Agent", "x")
          const failures = yield* Effect.forEach(
            Array.from({ length: 10 }),
            () =>
              Effect.flip(
                once(asked(owner, "k"), (how) => Effect.zipRight(make(how), Effect.fail(gone)).pipe(how.keep))
              ),
            { concurrency: "unbounded" }
          )
          for (const failure of failures) assert.deepInclude(failure, { _tag: "NotFound", detail: gone.detail })
          assert.strictEqual(begun(), 1)
          assert.deepStrictEqual(yield* made, [])
          yield* once(asked(owner, "k", { a: "corrected" }), make)
          assert.strictEqual((yield* made).length, 1)
        }))

      it.effect("answers with what was done although whoever did it broke afterwards", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { made, make, owner } = yield* maker
          const { id } = yield* once(
            asked(owner, "k"),
            (how) => Effect.zipRight(make(how), Effect.dieMessage("connection lost"))
          )
          assert.deepStrictEqual<ReadonlyArray<string>>(yield* made, [id])
          const broken = yield* Effect.exit(once(asked(owner, "other"), () => Effect.dieMessage("before")))
          assert.isTrue(Exit.isFailure(broken) && Cause.isDie(broken.cause))
        }))

      it.effect("goes on when whoever asked has left", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { begun, made, make, owner } = yield* maker
          const gate = yield* Deferred.make<void>()
          const leaving = yield* Effect.fork(
            once(asked(owner, "k"), (how) => Effect.zipRight(Deferred.await(gate), make(how)))
          )
          yield* Effect.sleep("20 millis")
          yield* Fiber.interrupt(leaving)
          const again = yield* Effect.fork(once(asked(owner, "k"), () => Effect.dieMessage("twice")))
          yield* Effect.sleep("20 millis")
          yield* Deferred.succeed(gate, undefined)
          const { id } = yield* Fiber.join(again)
          assert.strictEqual(begun(), 1)
          assert.deepStrictEqual<ReadonlyArray<string>>(yield* made, [id])
        }))

      it.effect("keeps a secret answer sealed, and gives it again", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { claims } = yield* Storage
          const owner = freshOwner()
          const answer = { id: "1", secret: "sk-planted-77" }
          const secretly = { ...asked(owner, "my-key"), isSecret: true }
          const work = ({ keep }: Once<Answer>) => keep(Effect.succeed(answer))
          yield* once(secretly, work)
          const { items } = yield* claims.list(owner, { limit: 10, cursor: undefined })
          assert.strictEqual(items.length, 1)
          assert.notInclude(JSON.stringify(items), answer.secret)
          assert.notInclude(JSON.stringify(items), "my-key")
          assert.deepStrictEqual(yield* once(secretly, () => Effect.dieMessage("twice")), answer)
        }))

      it.effect("gives nobody a sealed answer that was put into the place of another", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const { claims } = yield* Storage
          const owner = freshOwner()
          const secretly = (key: string) => ({ ...asked(owner, key), isSecret: true })
          for (const key of ["one", "two"]) {
            yield* once(secretly(key), ({ keep }) => keep(Effect.succeed({ id: key, secret: `sk-${key}` })))
          }
          const { items: [one, two] } = yield* claims.list(owner, { limit: 10, cursor: undefined })
          yield* claims.modify(owner, one!.id, (claim) => ({ ...claim, answer: two!.answer }))
          yield* claims.modify(owner, two!.id, (claim) => ({ ...claim, answer: one!.answer }))
          for (const key of ["one", "two"]) {
            const told = yield* Effect.exit(once(secretly(key), () => Effect.dieMessage("twice")))
            assert.isTrue(Exit.isFailure(told))
            assert.notInclude(JSON.stringify(told), "sk-")
            assert.notInclude(JSON.stringify(told), "twice")
          }
        }))

      it.effect("forgets a key after 24 hours, not before, and sweeps old ones away in the meantime", () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(Date.UTC(2001, 0, 1))
          const { claims } = yield* Storage
          const once = yield* another
          const { made, make, owner } = yield* maker
          const left = Effect.map(claims.list(owner, { limit: 200, cursor: undefined }), ({ total }) => total)
          const first = yield* once(asked(owner, "k"), make)
          yield* TestClock.adjust("24 hours")
          assert.deepStrictEqual(yield* once(asked(owner, "k"), make), first)
          yield* TestClock.adjust("1 millis")
          const second = yield* once(asked(owner, "k", { a: "new" }), make)
          assert.notStrictEqual(second.id, first.id)
          assert.strictEqual((yield* made).length, 2)
          yield* once(asked(owner, "k2"), make)
          assert.strictEqual(yield* left, 2)
          yield* TestClock.adjust("24 hours")
          for (let i = 0; i < 100 && (yield* left) > 0; i++) {
            yield* TestClock.adjust("5 minutes")
            yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
          }
          assert.strictEqual(yield* left, 0)
        }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext)))

      it.effect("removes old claims in bounded batches, the oldest first", () =>
        Effect.gen(function*() {
          const { claims, forgetClaims } = yield* Storage
          const owner = freshOwner()
          const days = [3, 1, 2, 4].map((day) => `1999-01-0${day}T00:00:00.000Z` as Timestamp)
          for (const at of days) yield* claims.insert(claimOf(owner, at))
          const left = Effect.map(
            claims.list(owner, { limit: 9, cursor: undefined }),
            ({ items }) => items.map(({ created_at }) => created_at.slice(9, 10)).toSorted().join("")
          )
          assert.strictEqual(yield* forgetClaims("1999-01-04T00:00:00.000Z" as Timestamp, 2), 2)
          assert.strictEqual(yield* left, "34")
          assert.strictEqual(yield* forgetClaims("1999-01-04T00:00:00.000Z" as Timestamp, 2), 1)
          assert.strictEqual(yield* forgetClaims("1999-01-04T00:00:00.000Z" as Timestamp, 2), 0)
          assert.strictEqual(yield* left, "4")
        }))

      it.effect("writes a claim with the events of its input, or neither", () =>
        Effect.gen(function*() {
          const log = yield* EventLog
          const { agents, claims, runs, sessions } = yield* Storage
          const session = yield* Effect.flatMap(
            agents.insert(agentOf(freshOwner())),
            (agent) => sessions.insert(sessionOf(agent))
          )
          const [one, two] = [runOf(session), runOf(session)]
          const claim = claimOf(session.user_id, time)
          yield* log.append({ pages: [pageOf(session, 1, 1)], runs: [one], messages: [], claims: [claim] })
          assert.deepStrictEqual(yield* claims.get(session.user_id, claim.id), claim)
          const taken = {
            pages: [pageOf(session, 2, 2)],
            runs: [two],
            messages: [],
            claims: [claimOf(session.user_id, time), claim]
          }
          assert.strictEqual((yield* Effect.flip(log.append(taken))).reason, "fenced")
          assert.strictEqual((yield* log.range(session.id)).last, 1)
          assert.strictEqual((yield* Effect.flip(runs.get(session.user_id, two.id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(claims.get(session.user_id, taken.claims[0]!.id)))._tag, "NotFound")
        }))

      it.effect("gives the same run for an input that two processes take at once", () =>
        Effect.gen(function*() {
          const { runs } = yield* Storage
          const session = yield* conversation("demo-chat", { parameters: { delay_ms: 0 } })
          const payload = {
            agent_id: session.agent_id,
            session_id: session.id,
            input: null,
            on_busy: "enqueue",
            tools: []
          } as const
          // Both have looked for the claim before either writes it.
          const started = yield* Deferred.make<void>()
          let looking = 0
          const send = (host: Context.Context<Idempotency | SessionHub>) =>
            Context.get(host, Idempotency).once(
              { ...asked(session.user_id, "k"), answer: Accepted },
              ({ claim }) =>
                Effect.sync(() => ++looking === 2).pipe(
                  Effect.flatMap((both) => both ? Deferred.succeed(started, undefined) : Deferred.await(started)),
                  Effect.zipRight(Context.get(host, SessionHub).send(session.user_id, payload, claim))
                )
            )
          const [one, two] = [yield* Effect.context<Idempotency | SessionHub>(), yield* anotherHost]
          const [a, b] = yield* Effect.all([send(one), send(two)], { concurrency: "unbounded" })
          assert.deepStrictEqual(a, b)
          const { items } = yield* runs.list(session.user_id, { limit: 10, cursor: undefined })
          assert.deepStrictEqual(items.map(({ id }) => id), [a.run_id])
        }).pipe(Effect.scoped))

      it.effect("fails as it failed when there is no claim", () =>
        Effect.gen(function*() {
          const { once } = yield* Idempotency
          const conflict = new Conflict({ code: "session_busy", detail: "Busy." })
          assert.strictEqual(yield* Effect.flip(once(asked(freshOwner(), "k"), () => Effect.fail(conflict))), conflict)
        }))
    }
  )

const claimOf = (user_id: UserId, at: Timestamp) => ({
  id: freshId(),
  user_id,
  created_at: at,
  updated_at: at,
  digest: "d",
  answer: "{}",
  is_sealed: false
})
