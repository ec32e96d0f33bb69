/** The `X-User-ID` header: it says who asks, and nothing proves it. For loopback, or behind a proxy that sets it. */
import { Effect, Layer, Schema } from "effect"
import { Unauthenticated } from "../../domain/Errors.ts"
import { UserId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/Principal.ts"
import { Auth, type Presented } from "../../services/Auth.ts"

export interface HeaderOptions {
  /** Whether the header is believed at all. */
  readonly trusted: boolean
}

const refuse = (detail: string) => Effect.fail(new Unauthenticated({ detail }))

const isUserId = Schema.is(UserId)

/** The header's value as a user. */
export const readUserId = (user_id: string): Effect.Effect<UserId, Unauthenticated> =>
  isUserId(user_id)
    ? Effect.succeed(user_id)
    : refuse("X-User-ID must be 1 to 128 letters, digits, dots, dashes, underscores or @.")

export const make = ({ trusted }: HeaderOptions) => {
  const authenticate = ({ user_id }: Presented): Effect.Effect<Principal, Unauthenticated> => {
    if (!trusted) {
      return refuse(
        "X-User-ID is not trusted here: send an API key as `Authorization: Bearer <key>`, " +
          "or set STOA_TRUST_USER_HEADER=true if a proxy in front of this server sets X-User-ID itself."
      )
    }
    if (user_id === undefined || user_id === "") return refuse("X-User-ID header is required.")
    return Effect.map(readUserId(user_id), (user_id) => ({ user_id, scopes: ["read", "write", "chat"], key_id: null }))
  }
  return Auth.of({ authenticate, holds: () => Effect.succeed(true) })
}

export const layer = (options: HeaderOptions): Layer.Layer<Auth> => Layer.succeed(Auth, make(options))
