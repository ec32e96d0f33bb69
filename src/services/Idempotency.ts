import { Context, type Effect, type Schema } from "effect"
import type { Claim } from "../domain/Claim.ts"
import type { Invalid, Malformed } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"

/** A request that a client may repeat, and that must have its effect only once. */
export interface Asked<A, I> {
  readonly owner: UserId
  /** The key as the client sent it; without one the request is done each time. */
  readonly key: string | undefined
  /** Method and path: `POST /agent`. */
  readonly request: string
  readonly body: unknown
  readonly answer: Schema.Schema<A, I>
  /** The answer holds a secret. */
  readonly isSecret?: boolean
}

/** The ways to write a request's effect and the claim on its key in one transaction. */
export interface Once<A> {
  /** Runs `write`, which answers the request, in one transaction with the claim. */
  readonly keep: <E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Makes the claim for a caller that writes it itself; undefined without a key. Do not use it for secrets. */
  readonly claim: ((answer: A) => Claim) | undefined
}

/** `Idempotency-Key`: one effect and one answer for a key of an owner, for 24 hours. */
export class Idempotency extends Context.Tag("stoa/services/Idempotency")<Idempotency, {
  /**
   * The answer of `work`, which is done once for the key, however often and from
   * wherever it is asked at once. `Invalid` when the key came with another
   * request before. Failures are not kept. With a key, `work` goes on when
   * whoever asked has left.
   */
  readonly once: <A, I, E, R>(
    asked: Asked<A, I>,
    work: (once: Once<A>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Malformed | Invalid, R>
  /**
   * Remembers that what a request made, by its id, was deleted, for at least as long as any key of that request is known.
   * To be written in one transaction with the deletion.
   */
  readonly withdraw: (owner: UserId, made: string) => Effect.Effect<void>
  /** Whether it was deleted: a repeated request must not make it again. */
  readonly isWithdrawn: (owner: UserId, made: string) => Effect.Effect<boolean>
}>() {}
