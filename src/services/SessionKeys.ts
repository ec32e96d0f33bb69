import { Context, type Duration, type Effect } from "effect"
import type { NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Session } from "../domain/Session.ts"

/** A key of a channel's client. Owners have keys of their own: nobody reaches a session by somebody else's. */
export interface KeyOf {
  readonly owner: UserId
  readonly channel: string
  readonly key: string
}

/** The sessions that the keys of channels' clients stand for: durable, one for a key at a time. */
export class SessionKeys extends Context.Tag("stoa/services/SessionKeys")<SessionKeys, {
  /**
   * The session of the key, and whether it was made now. `make` says what it is to
   * be where there is none; however many ask at once, from any process, it is made
   * once. A key that was not used for `idle` gets a new one; the old one stays as it is.
   */
  readonly of: <E, R>(
    key: KeyOf & { readonly idle?: Duration.Duration | undefined },
    make: Effect.Effect<Session, E, R>
  ) => Effect.Effect<{ readonly session: Session; readonly isNew: boolean }, E | NotFound, R>
  /** The session that the key stands for now; undefined when it has none. Nothing is made or noted. */
  readonly find: (key: KeyOf) => Effect.Effect<Session | undefined>
  /** Makes a session for a single request. It is removed when it is older than `channel_retain_hours`. */
  readonly once: (channel: string, session: Session) => Effect.Effect<Session, NotFound>
  /** Makes a session that stays until somebody removes it. */
  readonly kept: (session: Session) => Effect.Effect<Session, NotFound>
  /** Has a session removed within minutes: nobody can ask for what is in it any more. */
  readonly discard: (channel: string, session: Session) => Effect.Effect<void, NotFound>
  /** The key's next use makes a new session; the old one stays. Answers whether the key had one. */
  readonly reset: (key: KeyOf) => Effect.Effect<boolean>
}>() {}
