/**
 * API keys, sessions that they began, and the `X-User-ID` header for requests without one. A request with
 * an Authorization header is decided by that alone: a wrong key never falls
 * back to what the other header claims.
 */
import { Effect, Layer } from "effect"
import type { ApiKeys } from "../../services/ApiKeys.ts"
import { Auth } from "../../services/Auth.ts"
import * as Header from "./Header.ts"
import * as Keys from "./Keys.ts"

export const make = (options: Header.HeaderOptions) =>
  Effect.map(Keys.make, (keys) => {
    const header = Header.make(options)
    return Auth.of({
      authenticate: (presented) =>
        (presented.authorization === undefined && presented.session === undefined ? header : keys).authenticate(
          presented
        ),
      holds: (principal) => (principal.key_id === null ? header : keys).holds(principal)
    })
  })

export const layer = (options: Header.HeaderOptions): Layer.Layer<Auth, never, ApiKeys> =>
  Layer.effect(Auth, make(options))
