/** API keys: `Authorization: Bearer stoa_…`. */
import { Effect, Layer } from "effect"
import { Unauthenticated } from "../../domain/Errors.ts"
import type { Principal } from "../../domain/Principal.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { Auth } from "../../services/Auth.ts"
import { readUserId } from "./Header.ts"

const bearer = /^bearer +([^ ]+) *$/i

const refuse = (detail: string) => Effect.fail(new Unauthenticated({ detail }))

/**
 * The tenant that a key speaks for here. A key with the scope `admin` may act
 * for any tenant, named by `X-User-ID`; with any other key that header may only
 * repeat the key's own user.
 */
const actingFor = (principal: Principal, user_id: string): Effect.Effect<Principal, Unauthenticated> =>
  Effect.flatMap(readUserId(user_id), (user_id) =>
    user_id === principal.user_id || principal.scopes.includes("admin")
      ? Effect.succeed({ ...principal, user_id })
      : refuse("The API key belongs to another user than X-User-ID names: leave X-User-ID out."))

const verified = (keys: typeof ApiKeys.Service, authorization: string | undefined) => {
  if (authorization === undefined) return refuse("An API key is required: `Authorization: Bearer <key>`.")
  const key = bearer.exec(authorization)?.[1]
  return key === undefined ? refuse("The Authorization header must be `Bearer <key>`.") : keys.verify(key)
}

export const make = Effect.map(ApiKeys, (keys) =>
  Auth.of({
    authenticate: Effect.fnUntraced(function*({ authorization, session, user_id }) {
      const principal = yield* authorization === undefined && session !== undefined
        ? keys.principalOf(session)
        : verified(keys, authorization)
      return user_id === undefined ? principal : yield* actingFor(principal, user_id)
    }),
    holds: ({ key_id }) => key_id === null ? Effect.succeed(false) : keys.isUsable(key_id)
  }))

export const layer: Layer.Layer<Auth, never, ApiKeys> = Layer.effect(Auth, make)
