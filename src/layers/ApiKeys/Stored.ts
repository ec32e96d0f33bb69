/**
 * Keys whose records are kept in Storage, with a keyed hash in place of the
 * secret. The id inside a key finds its record, which Storage caches, so that
 * verifying asks no database.
 */
import { Clock, Effect, Layer, Option } from "effect"
import { randomBytes, timingSafeEqual } from "node:crypto"
import { type ApiKey, isUsable, presentKey } from "../../domain/ApiKey.ts"
import { Unauthenticated } from "../../domain/Errors.ts"
import { KeyId, type Timestamp } from "../../domain/Ids.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"

const secretBytes = 32
const shape = /^stoa_([A-Za-z0-9-]{1,64})_[\w-]{43}$/

/** `last_used_at` is at most this far behind. */
const markMillis = 60_000

/** Longest time that writing a mark may take before it is abandoned. */
const markTimeout = "10 seconds"

/** Most keys whose last mark is remembered. */
const maxMarks = 10_000

const refused = Effect.fail(
  new Unauthenticated({ detail: "The API key is not valid: it is unknown, expired or revoked." })
)

/** The hash to compare with when the key does not exist, so that the answer takes the same time. */
const noHash = Buffer.alloc(secretBytes).toString("base64url")

const same = (a: string, b: string) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

export const make = Effect.gen(function*() {
  const { keys } = yield* Storage
  const vault = yield* Vault
  const newId = yield* NewId
  const scope = yield* Effect.scope
  const hashOf = (key: string) => vault.mac(`api key ${key}`)

  /** When each key was last marked as used, in milliseconds: a mark may still be on its way to the record. */
  const marks = new Map<string, number>()

  const writeMark = (id: KeyId, at: Timestamp) =>
    keys.host.modify(
      id,
      (key) => key.last_used_at !== null && key.last_used_at >= at ? key : { ...key, last_used_at: at }
    ).pipe(
      Effect.timeout(markTimeout),
      Effect.catchAllCause((cause) => Effect.logDebug("The last use of an API key was not noted", cause)),
      Effect.forkIn(scope),
      Effect.asVoid
    )

  const mark = (key: ApiKey, millis: number) => {
    const before = millis - markMillis
    const fresh = (marks.get(key.id) ?? -Infinity) > before ||
      (key.last_used_at !== null && key.last_used_at > timestampOf(before))
    if (fresh) return Effect.void
    if (marks.size >= maxMarks) marks.clear()
    marks.set(key.id, millis)
    return writeMark(key.id, timestampOf(millis))
  }

  return ApiKeys.of({
    issue: Effect.fn("ApiKeys.issue")(function*(draft) {
      const millis = yield* Clock.currentTimeMillis
      const at = timestampOf(millis)
      const id = KeyId.make(newId.record(millis))
      const key = `stoa_${id}_${randomBytes(secretBytes).toString("base64url")}`
      const record: ApiKey = {
        ...draft,
        id,
        hash: hashOf(key),
        created_at: at,
        updated_at: at,
        last_used_at: null,
        revoked_at: null
      }
      yield* Effect.orDie(keys.insert(record))
      return { ...presentKey(record), key }
    }),
    verify: Effect.fnUntraced(function*(presented) {
      const id = shape.exec(presented)?.[1]
      if (id === undefined) return yield* refused
      const found = yield* Effect.option(keys.host.get(id))
      const millis = yield* Clock.currentTimeMillis
      const right = same(hashOf(presented), Option.match(found, { onNone: () => noHash, onSome: ({ hash }) => hash }))
      if (Option.isNone(found) || !right || !isUsable(found.value, timestampOf(millis))) return yield* refused
      const { id: key_id, scopes, user_id } = found.value
      yield* mark(found.value, millis)
      return { user_id, scopes, key_id }
    }),
    principalOf: Effect.fnUntraced(function*(id) {
      const found = yield* Effect.option(keys.host.get(id))
      const millis = yield* Clock.currentTimeMillis
      if (Option.isNone(found) || !isUsable(found.value, timestampOf(millis))) return yield* refused
      const { id: key_id, scopes, user_id } = found.value
      yield* mark(found.value, millis)
      return { user_id, scopes, key_id }
    }),
    isUsable: Effect.fnUntraced(function*(id) {
      const found = yield* Effect.option(keys.host.get(id))
      const at = timestampOf(yield* Clock.currentTimeMillis)
      return Option.exists(found, (key) => isUsable(key, at))
    })
  })
})

export const layer: Layer.Layer<ApiKeys, never, Storage | Vault> = Layer.scoped(ApiKeys, make)
