import { Schema } from "effect"
import { Timestamp, UserId } from "./Ids.ts"

/**
 * A key that a client gave to a request, and what was answered. Written together
 * with what the request made: either both are there or neither is.
 */
export const Claim = Schema.Struct({
  /** A keyed hash of the owner and the key. */
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** A keyed hash of the method, the path and the body. */
  digest: Schema.String,
  /** JSON; sealed when it holds a secret. */
  answer: Schema.String,
  is_sealed: Schema.Boolean
})
export interface Claim extends Schema.Schema.Type<typeof Claim> {}
