/** Which session a client's own key stands for: the id of a conversation, a thread or a chat, as a channel gets it. */
import { Schema } from "effect"
import { SessionId, Timestamp, UserId } from "./Ids.ts"

/** Longest key, in characters. */
const maxKey = 256

/** Printable text without blanks at its ends: what a header can carry too. */
export const ClientKey = Schema.String.pipe(
  Schema.pattern(/^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/, {
    message: () => `Expected 1 to ${maxKey} printable ASCII characters without blanks at the ends`
  })
)

/**
 * Its id is made of owner, channel and key, so that a key has one session at a
 * time, whoever asks for it first. One without a key belongs to a session that
 * was made for a single request, and says that it may be removed.
 */
export const SessionKey = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  /** When the key was used last, as far as anybody asks. */
  updated_at: Timestamp,
  channel: Schema.String,
  key: Schema.NullOr(Schema.String),
  session_id: SessionId
})
export interface SessionKey extends Schema.Schema.Type<typeof SessionKey> {}
