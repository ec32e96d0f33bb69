/** Tokens that stand for who asks in the address of one file, for a short time. */
import { Clock, Effect, Either, Option, Schema } from "effect"
import * as Encoding from "effect/Encoding"
import { SessionId, UserId } from "../domain/Ids.ts"
import type { Vault } from "../services/Vault.ts"

/** How long a token is good for, in seconds. */
const lifetime = 300

/** The route whose addresses take tokens. */
export const route = { method: "GET", path: "/workspace/files" } as const

/** All tokens are sealed for the same, because nobody knows yet whose one is. */
const sealedFor = { owner: UserId.make("downloads"), record: "workspace/files" }

const Token = Schema.parseJson(Schema.Struct({
  user_id: UserId,
  session_id: SessionId,
  path: Schema.String,
  expires_at: Schema.Int
}))

export interface File {
  readonly user_id: UserId
  readonly session_id: SessionId
  /** As the address has it. */
  readonly path: string
}

export const tokenOf = Effect.fnUntraced(function*({ seal }: typeof Vault.Service, file: File) {
  const expires_at = Math.floor((yield* Clock.currentTimeMillis) / 1000) + lifetime
  const text = Schema.encodeSync(Token)({ ...file, expires_at })
  return { token: Encoding.encodeBase64Url(yield* seal(text, sealedFor)), expires_at }
})

/** Whose file it is, when the token of the address is for this very file and still good. */
export const ownerIn = Effect.fnUntraced(function*({ open }: typeof Vault.Service, url: string) {
  const params = new URL(url, "http://localhost").searchParams
  const sealed = Encoding.decodeBase64UrlString(params.get("token") ?? "")
  if (Either.isLeft(sealed) || sealed.right === "") return undefined
  const token = yield* Effect.option(Effect.flatMap(open(sealed.right, sealedFor), Schema.decode(Token)))
  if (Option.isNone(token)) return undefined
  const { expires_at, path, session_id, user_id } = token.value
  const now = (yield* Clock.currentTimeMillis) / 1000
  return now < expires_at && path === params.get("path") && session_id === params.get("session_id")
    ? user_id
    : undefined
})
