/** Checks whether a credential works: it asks the provider, within bounds, and reports no secrets. */
import { Duration, Effect } from "effect"
import { type Credential, type CredentialCheck, maxCheckedModels } from "../../domain/Credential.ts"
import { LimitReached } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { ModelFailed } from "../../services/Models.ts"
import { monotonicMillis } from "../../services/Now.ts"
import type { Provider } from "./Provider.ts"

const timeout = Duration.seconds(10)

/** Most checks that an owner may run at the same time. */
const maxAtOnce = 4

/** Longest name of a model that is passed on, in characters. */
const maxName = 256

/** Shortest secret that is looked for in what a provider answers, in characters. */
const leastSecret = 4

const unknownType = new ModelFailed({
  type: "setup",
  message: "Credentials of this type are not served here.",
  retryable: false
})

const slow = new ModelFailed({
  type: "connection",
  message: `The provider did not answer within ${Duration.toSeconds(timeout)} seconds.`,
  retryable: true
})

const broken = new ModelFailed({
  type: "unknown",
  message: "The check failed because of an internal error.",
  retryable: false
})

const busy = new LimitReached({
  code: "too_many_tests",
  detail: `Only ${maxAtOnce} credentials are tested at once: wait until one is done.`,
  retry_after: 1
})

/** A provider may say anything, also the key that it was given. */
const tellable = (secrets: ReadonlyArray<string>) => (name: string) =>
  name.length <= maxName && secrets.every((secret) => !name.includes(secret))

export interface Testing {
  readonly fetch: typeof globalThis.fetch
  /** Settings and secrets. */
  readonly open: (credential: Credential) => Effect.Effect<JsonObject, ModelFailed>
  readonly providers: ReadonlyMap<string, Provider>
}

export const tested = ({ fetch, open, providers }: Testing) => {
  const underWay = new Map<string, number>()

  const modelsOf = Effect.fnUntraced(function*(credential: Credential) {
    const provider = providers.get(credential.type)
    if (provider === undefined) return yield* unknownType
    const fields = yield* open(credential)
    const secrets = credential.secrets.map((name) => String(fields[name])).filter(({ length }) => length >= leastSecret)
    const { models } = yield* provider.check({ credential: fields, fetch })
    return models.filter(tellable(secrets)).slice(0, maxCheckedModels)
  })

  const check = (credential: Credential): Effect.Effect<CredentialCheck> =>
    Effect.gen(function*() {
      const started = yield* monotonicMillis
      const found = yield* Effect.either(
        modelsOf(credential).pipe(
          Effect.catchAllDefect((defect) =>
            Effect.zipRight(Effect.logError("A model provider broke", defect), Effect.fail(broken))
          ),
          Effect.disconnect,
          Effect.timeoutFail({ duration: timeout, onTimeout: () => slow })
        )
      )
      const latency_ms = Math.round((yield* monotonicMillis) - started)
      return found._tag === "Right"
        ? { ok: true, latency_ms, models: found.right, error: null }
        : { ok: false, latency_ms, models: [], error: { type: found.left.type, message: found.left.message } }
    })

  const enter = (owner: UserId) =>
    Effect.suspend(() => {
      const now = underWay.get(owner) ?? 0
      if (now >= maxAtOnce) return Effect.fail(busy)
      underWay.set(owner, now + 1)
      return Effect.void
    })

  const leave = (owner: UserId) =>
    Effect.sync(() => {
      const left = (underWay.get(owner) ?? 0) - 1
      if (left > 0) underWay.set(owner, left)
      else underWay.delete(owner)
    })

  return (credential: Credential): Effect.Effect<CredentialCheck, LimitReached> =>
    Effect.acquireUseRelease(enter(credential.user_id), () => check(credential), () => leave(credential.user_id))
}
