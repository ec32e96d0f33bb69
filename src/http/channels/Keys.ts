/** The key of a client's conversation, from its request. It is one of the owner who was authenticated, whoever sets it. */
import { Either, Schema } from "effect"
import { Malformed } from "../../domain/Errors.ts"
import { ClientKey, keyOfUser } from "../../domain/SessionKey.ts"

/** Headers that may name the conversation; the last two are believed only where a trusted proxy sets them. */
export const keyHeaders = {
  "x-session-id": Schema.optional(Schema.String),
  "x-agent-user-isolation-key": Schema.optional(Schema.String),
  "x-agent-chat-isolation-key": Schema.optional(Schema.String)
}

type Headers = { readonly [Name in keyof typeof keyHeaders]?: string | undefined }

const isKey = Schema.is(ClientKey)

const malformed = new Malformed({
  code: "invalid_session_key",
  detail: "The key of a session must be 1 to 256 printable ASCII characters without blanks at its ends."
})

/**
 * What the body says comes first, then the headers. A user's own part of an owner is a part of the key, behind a character
 * that no key can have: nobody can write the key of another user.
 */
export const keyOf = (
  inBody: string | undefined,
  headers: Headers,
  trusted: boolean
): Either.Either<string | undefined, Malformed> => {
  const user = trusted ? headers["x-agent-user-isolation-key"] : undefined
  const key = inBody ?? headers["x-session-id"] ?? (trusted ? headers["x-agent-chat-isolation-key"] : undefined)
  if (key === undefined) return Either.right(undefined)
  if (!isKey(key) || (user !== undefined && !isKey(user))) return Either.left(malformed)
  return Either.right(keyOfUser(user, key))
}
