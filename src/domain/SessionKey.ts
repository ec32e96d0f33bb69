/** Which session a client's own key stands for: the id of a conversation, a thread or a chat, as a channel gets it. */
import { Schema } from "effect"
import { ChannelName } from "./Channel.ts"
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

/** No key can have it, so that nobody can write the key of another user of the same owner. */
const afterUser = "\n"

/** The key of one of the users who share an owner, as a trusted proxy tells them apart. */
export const keyOfUser = (user: string | null | undefined, key: string): string =>
  user == null ? key : `${user}${afterUser}${key}`

/** What a client names its conversation by, without what happens to be stored. */
const named = {
  channel: ChannelName,
  key: ClientKey,
  /** Whose key it is, where a trusted proxy parts the users of one owner. */
  user: Schema.NullOr(ClientKey)
}

export const SessionKeyView = Schema.Struct({
  // Rows may have been written under other rules.
  channel: Schema.String,
  key: Schema.String,
  user: Schema.NullOr(Schema.String),
  session_id: SessionId,
  created_at: Timestamp,
  used_at: Timestamp
}).annotations({ identifier: "SessionKey" })

export const SessionKeyReset = Schema.Struct({
  channel: named.channel,
  key: named.key,
  user: Schema.optional(named.user)
}).annotations({ identifier: "SessionKeyReset" })

export const SessionKeyWasReset = Schema.Struct({
  ...SessionKeyReset.fields,
  user: named.user,
  /** False when the key had no session: then there was nothing to do. */
  was_used: Schema.Boolean
}).annotations({ identifier: "SessionKeyWasReset" })

/** A key as its owner sees it. */
export const presentKey = (
  { channel, created_at, key, session_id, updated_at }: SessionKey
): typeof SessionKeyView.Type => {
  const whole = key ?? ""
  const at = whole.indexOf(afterUser)
  return {
    channel,
    key: whole.slice(at + 1),
    user: at < 0 ? null : whole.slice(0, at),
    session_id,
    created_at,
    used_at: updated_at
  }
}
