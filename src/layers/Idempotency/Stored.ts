/**
 * Keeps claims in Storage. In this process, requests with the same key wait for the first of
 * them; between processes the claim's id decides, which is written in the same
 * transaction as what the request makes.
 */
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  FiberId,
  Layer,
  Option,
  Predicate,
  Schedule,
  Schema
} from "effect"
import type { Claim } from "../../domain/Claim.ts"
import { Invalid, Malformed, Unavailable } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { type Asked, Idempotency, type Once } from "../../services/Idempotency.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"

/** How long a key keeps its answer. */
const life = Duration.hours(24)

/** Time between two sweeps, and claims that one statement removes at most. */
const sweepEvery = "5 minutes"
const sweepBatch = 1000

/** How long a request that storage did not write waits for the answer of an earlier one. It is short, because the request has waited already. */
const afterthought = Duration.millis(300)

const shape = /^[\x20-\x7e]{1,255}$/

const malformed = new Malformed({
  code: "invalid_idempotency_key",
  detail: "The Idempotency-Key must be 1 to 255 printable ASCII characters."
})

const mismatch = new Invalid({
  code: "idempotency_mismatch",
  detail: "This Idempotency-Key came with another request before. Use a new key for a new request."
})

/** JSON with its keys in a fixed order. */
const canonical = (value: unknown) =>
  JSON.stringify(
    value,
    (_, member: unknown) =>
      Predicate.isRecord(member)
        ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => a < b ? -1 : 1))
        : member
  )

interface UnderWay {
  readonly digest: string
  readonly done: Deferred.Deferred<unknown, unknown>
}

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const vault = yield* Vault
  const scope = yield* Effect.scope
  const underWay = new Map<string, UnderWay>()

  /** The time before which a claim has expired. */
  const horizon = Effect.map(Clock.currentTimeMillis, (now) => timestampOf(now - Duration.toMillis(life)))

  const sweep = Effect.flatMap(
    horizon,
    (before) => Effect.repeat(storage.forgetClaims(before, sweepBatch), { while: (removed) => removed === sweepBatch })
  )

  yield* sweep.pipe(
    Effect.catchAllCause((cause) => Effect.logWarning("Old idempotency keys were not removed", cause)),
    Effect.delay(sweepEvery),
    Effect.repeat(Schedule.forever),
    Effect.forkScoped
  )

  /** Finds a claim that has not expired, and removes an expired one. */
  const find = Effect.fnUntraced(function*(id: string) {
    const found = yield* Effect.option(storage.claims.host.get(id))
    if (Option.isNone(found) || found.value.created_at >= (yield* horizon)) return found
    yield* sweep
    return Option.none<Claim>()
  })

  const attempt = <A, I, E, R>(
    { answer, body, isSecret: is_sealed = false, key, owner, request }: Asked<A, I>,
    work: (once: Once<A>) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Invalid, R> => {
    const id = vault.mac(JSON.stringify(["idempotency key", owner, key]))
    const digest = vault.mac(JSON.stringify(["idempotent request", request, canonical(body)]))
    const sealedFor = { owner, record: `claims/${id}` }
    const json = Schema.parseJson(answer)
    const encode = Schema.encodeSync(json)

    const answered = Effect.flatMap(find(id), (claim): Effect.Effect<Option.Option<A>, Invalid> => {
      if (Option.isNone(claim)) return Effect.succeedNone
      if (claim.value.digest !== digest) return Effect.fail(mismatch)
      const { answer, is_sealed } = claim.value
      return Effect.asSome(Effect.orDie(
        Effect.flatMap(is_sealed ? vault.open(answer, sealedFor) : Effect.succeed(answer), Schema.decode(json))
      ))
    })

    const first = Effect.gen(function*() {
      const before = yield* answered
      if (Option.isSome(before)) return before.value
      const at = timestampOf(yield* Clock.currentTimeMillis)
      const claimOf = (answer: string): Claim => ({
        id,
        user_id: owner,
        created_at: at,
        updated_at: at,
        digest,
        answer,
        is_sealed
      })
      const insert = (answer: A) =>
        (is_sealed ? vault.seal(encode(answer), sealedFor) : Effect.succeed(encode(answer))).pipe(
          Effect.flatMap((text) => storage.claims.insert(claimOf(text))),
          Effect.orDie
        )
      const exit = yield* Effect.exit(work({
        keep: (write) => storage.transaction(Effect.tap(write, insert)),
        claim: (answer) => claimOf(encode(answer))
      }))
      if (Exit.isSuccess(exit)) return exit.value
      // Another process was first, or the database has written it and the confirmation was lost.
      const looking = Effect.catchAllDefect(answered, () => Effect.succeedNone)
      const after = Cause.squash(exit.cause) instanceof Unavailable
        ? yield* Effect.map(Effect.timeoutOption(looking, afterthought), Option.flatten)
        : yield* looking
      return yield* Option.match(after, { onNone: () => exit, onSome: Effect.succeed })
    })

    return Effect.uninterruptibleMask((restore) => {
      const other = underWay.get(id)
      if (other !== undefined) {
        // The same digest is the same request, so its answer has the same type.
        // @effect-diagnostics-next-line unsafeEffectTypeAssertion:off
        return other.digest === digest ? restore(Deferred.await(other.done as Deferred.Deferred<A, E>)) : mismatch
      }
      const done = Deferred.unsafeMake<A, E | Invalid>(FiberId.none)
      underWay.set(id, { digest, done: done as Deferred.Deferred<unknown, unknown> })
      return restore(first).pipe(
        Effect.intoDeferred(done),
        Effect.ensuring(Effect.sync(() => underWay.delete(id))),
        Effect.forkIn(scope),
        Effect.zipRight(restore(Deferred.await(done)))
      )
    })
  }

  const withdrawnId = (owner: UserId, made: string) => vault.mac(JSON.stringify(["withdrawn", owner, made]))

  return Idempotency.of({
    withdraw: Effect.fnUntraced(function*(owner, made) {
      const at = timestampOf(yield* Clock.currentTimeMillis)
      const claim: Claim = {
        id: withdrawnId(owner, made),
        user_id: owner,
        created_at: at,
        updated_at: at,
        digest: "",
        answer: "",
        is_sealed: false
      }
      yield* Effect.catchTag(Effect.asVoid(storage.claims.insert(claim)), "Conflict", () => Effect.void)
    }, Effect.orDie),
    isWithdrawn: (owner, made) => Effect.map(find(withdrawnId(owner, made)), Option.isSome),
    once: (asked, work) => {
      if (asked.key === undefined) return work({ keep: (write) => write, claim: undefined })
      return shape.test(asked.key) ? attempt(asked, work) : Effect.fail(malformed)
    }
  })
})

export const layer: Layer.Layer<Idempotency, never, Storage | Vault> = Layer.scoped(Idempotency, make)
