import { Context, type Effect } from "effect"
import type { Unauthenticated } from "../domain/Errors.ts"
import type { KeyId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"

/** The parts of a request that may say who asks. */
export interface Presented {
  readonly authorization: string | undefined
  /** The `X-User-ID` header. */
  readonly user_id: string | undefined
  /** The key that began the session of a browser. */
  readonly session?: KeyId | undefined
}

/** Finds the principal of a request. It refuses whatever it cannot verify. */
export class Auth extends Context.Tag("stoa/services/Auth")<Auth, {
  readonly authenticate: (presented: Presented) => Effect.Effect<Principal, Unauthenticated>
  /** Whether the key that authenticated the principal is still valid. It is checked repeatedly while a stream is open. */
  readonly holds: (principal: Principal) => Effect.Effect<boolean>
}>() {}
