import { Effect } from "effect"
import { type Asker, CurrentPrincipal } from "../../domain/Principal.ts"

/** Who sent the request. */
export const asker: Effect.Effect<Asker, never, CurrentPrincipal> = Effect.map(
  CurrentPrincipal,
  ({ scopes, user_id }) => ({ user_id, isAdmin: scopes.includes("admin") })
)
