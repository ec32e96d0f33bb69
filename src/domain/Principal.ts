import { Context, Schema } from "effect"
import { KeyId, UserId } from "./Ids.ts"

/** `read` sees, `write` makes and changes records, `chat` sends inputs, stops runs and asks for embeddings, `admin` manages keys. */
export const Scope = Schema.Literal("read", "write", "chat", "admin")
export type Scope = typeof Scope.Type

/** The caller: its tenant, what it may do, and the key that it used. */
export const Principal = Schema.Struct({
  user_id: UserId,
  scopes: Schema.Array(Scope),
  key_id: Schema.NullOr(KeyId)
})
export type Principal = typeof Principal.Type

/** Who asks, where an admin may do more. */
export interface Asker {
  readonly user_id: UserId
  readonly isAdmin: boolean
}

/** Provided by the authentication middleware to every handler behind it. */
export class CurrentPrincipal
  extends Context.Tag("stoa/domain/Principal/CurrentPrincipal")<CurrentPrincipal, Principal>()
{}
