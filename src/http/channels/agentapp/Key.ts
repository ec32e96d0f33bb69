/** The session of a request: `session_id` and `user_id` of its body are keys within the owner who was authenticated, and nobody else's. */
import { Either } from "effect"
import type { Malformed } from "../../../domain/Errors.ts"
import { keyOf } from "../Keys.ts"

export interface Key {
  readonly key: string
  /** As the client calls it. */
  readonly session_id: string
  /** As the protocol names what runs there. */
  readonly shown: string
  /** The client has named none: nobody had it before. */
  readonly isFresh: boolean
}

interface Ids {
  readonly session_id?: string | null | undefined
  readonly user_id?: string | null | undefined
}

interface Headers {
  readonly "x-session-id"?: string | undefined
  readonly "x-agent-user-isolation-key"?: string | undefined
  readonly "x-agent-chat-isolation-key"?: string | undefined
}

/** The user of the body is a part of the key as one is that a trusted proxy names. */
const userHeader = "x-agent-user-isolation-key"

/** Without an id the request has a session of its own, under a `fresh` one that the answer names: two who name none are never in one. */
export const keyIn = (
  { session_id, user_id }: Ids,
  headers: Headers,
  { fresh, trusted }: { readonly fresh: () => string; readonly trusted: boolean }
): Either.Either<Key, Malformed> => {
  // Before the body, which anybody can write: behind such a proxy nobody is another user by saying so.
  const user = (trusted ? headers[userHeader] : undefined) ?? user_id ?? undefined
  const named = session_id ?? headers["x-session-id"] ?? (trusted ? headers["x-agent-chat-isolation-key"] : undefined)
  const session = named ?? fresh()
  return Either.map(
    keyOf(session, user === undefined ? {} : { [userHeader]: user }, true),
    (key) => ({
      key: key!,
      session_id: session,
      shown: `${user ?? session}:${session}`,
      isFresh: named === undefined
    })
  )
}

/** As the client calls the session of a key: behind what says which user's it is. */
export const sessionIn = (key: string): string => key.slice(key.indexOf("\n") + 1)
