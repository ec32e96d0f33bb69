import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Layer, Option, Redacted, TestClock } from "effect"
import { randomBytes } from "node:crypto"
import type { ApiKey, ApiKeyDraft } from "../../src/domain/ApiKey.ts"
import { Unauthenticated } from "../../src/domain/Errors.ts"
import { KeyId, UserId } from "../../src/domain/Ids.ts"
import type { Principal } from "../../src/domain/Principal.ts"
import * as ApiKeysStored from "../../src/layers/ApiKeys/Stored.ts"
import * as AuthComposite from "../../src/layers/Auth/Composite.ts"
import * as AuthHeader from "../../src/layers/Auth/Header.ts"
import * as AuthKeys from "../../src/layers/Auth/Keys.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Auth } from "../../src/services/Auth.ts"
import { timestampOf } from "../../src/services/Now.ts"
import { type Driver, fromDriver, type Row, Storage } from "../../src/services/Storage.ts"

const ada = UserId.make("ada")
const bob = UserId.make("bob")

/** Rows in a map, and how often they were asked for and changed. */
const makeStore = () => {
  const rows = new Map<string, Row>()
  const counts = { finds: 0, modifies: 0 }
  const slow = { modify: Effect.void as Effect.Effect<void> }
  const driver: Driver = {
    find: (_, id) => Effect.sync(() => (counts.finds++, rows.get(id))),
    list: () => Effect.succeed([]),
    page: () => Effect.succeed({ rows: [], more: false }),
    look: () => Effect.succeed({ rows: [], last: undefined, bytes: 0, count: 0, more: false }),
    count: () => Effect.succeed(0),
    insert: (_, row) => Effect.sync(() => (rows.set(row.id, row), "inserted")),
    modify: (_, id, f) =>
      Effect.gen(function*() {
        counts.modifies++
        yield* slow.modify
        const row = rows.get(id)
        const changed = row === undefined ? undefined : yield* f(row)
        if (changed !== undefined) rows.set(id, changed)
        return changed
      }),
    remove: () => Effect.succeed(false),
    removeBefore: () => Effect.succeed(0),
    owners: () => Effect.succeed([]),
    transaction: (effect) => effect
  }
  return { rows, counts, slow, layer: Layer.effect(Storage, fromDriver(driver, Duration.hours(1))) }
}

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(randomBytes(32)))] }))

const keysOver = (store: ReturnType<typeof makeStore>) =>
  ApiKeysStored.layer.pipe(Layer.provideMerge(Layer.merge(store.layer, vault)))

const draft = (draft: Partial<ApiKeyDraft> = {}): ApiKeyDraft => ({
  user_id: ada,
  name: "",
  scopes: ["read", "write", "chat"],
  expires_at: null,
  ...draft
})

const change = (id: string, changed: Partial<ApiKey>) =>
  Effect.flatMap(Storage, ({ keys }) => keys.host.modify(id, (key) => ({ ...key, ...changed })))

const lastUsed = (id: string) =>
  Effect.flatMap(Storage, ({ keys }) => Effect.map(keys.host.get(id), (key) => key.last_used_at))

/** Lets background work go on. */
const settle = TestClock.adjust(0)

describe("ApiKeys Stored", () => {
  it.scoped("issues a key that speaks for its user, and keeps only a hash of it", () => {
    const store = makeStore()
    return Effect.gen(function*() {
      const keys = yield* ApiKeys
      const issued = yield* keys.issue(draft({ scopes: ["read"] }))
      assert.match(issued.key, /^stoa_[0-9a-f]{32}_[\w-]{43}$/)
      assert.notProperty(issued, "hash")
      assert.deepStrictEqual(yield* keys.verify(issued.key), { user_id: ada, scopes: ["read"], key_id: issued.id })
      const stored = JSON.stringify([...store.rows.values()])
      assert.notInclude(stored, issued.key.slice(-43))
      assert.include(stored, issued.id)
    }).pipe(Effect.provide(keysOver(store)))
  })

  it.scoped("answers the same to an unknown, wrong, expired, revoked and malformed key", () =>
    Effect.gen(function*() {
      const keys = yield* ApiKeys
      const [good, expired, revoked] = [
        yield* keys.issue(draft()),
        yield* keys.issue(draft()),
        yield* keys.issue(draft())
      ]
      const millis = yield* Clock.currentTimeMillis
      yield* change(expired.id, { expires_at: timestampOf(millis) })
      yield* change(revoked.id, { revoked_at: timestampOf(millis) })
      const secret = good.key.slice(-43)
      const wrong = [
        `stoa_${"0".repeat(32)}_${secret}`,
        `stoa_${expired.id}_${secret}`,
        good.key.slice(0, -1) + (good.key.endsWith("A") ? "B" : "A"),
        expired.key,
        revoked.key,
        "",
        secret,
        `${good.key}A`,
        ` ${good.key}`
      ]
      const errors = yield* Effect.forEach(wrong, (key) => Effect.flip(keys.verify(key)))
      assert.strictEqual(new Set(errors.map((error) => JSON.stringify(error))).size, 1)
      assert.strictEqual(errors[0]!._tag, "Unauthenticated")
      yield* keys.verify(good.key)
    }).pipe(Effect.provide(keysOver(makeStore()))))

  it.scoped("takes a key until the moment it expires", () =>
    Effect.gen(function*() {
      const keys = yield* ApiKeys
      const millis = yield* Clock.currentTimeMillis
      const issued = yield* keys.issue(draft({ expires_at: timestampOf(millis + 1000) }))
      yield* TestClock.adjust(999)
      yield* keys.verify(issued.key)
      yield* TestClock.adjust(1)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(keys.verify(issued.key))))
    }).pipe(Effect.provide(keysOver(makeStore()))))

  it.scoped("looks nothing up for a malformed key", () => {
    const store = makeStore()
    return Effect.gen(function*() {
      const keys = yield* ApiKeys
      const bad = [
        "x",
        "stoa__",
        "stoa_a_b",
        `stoa_../x_${"a".repeat(43)}`,
        `stoa_${"a".repeat(65)}_${"a".repeat(43)}`,
        "s".repeat(1e6)
      ]
      for (const key of bad) yield* Effect.flip(keys.verify(key))
      assert.strictEqual(store.counts.finds, 0)
    }).pipe(Effect.provide(keysOver(store)))
  })

  it.scoped("asks the database once for a key that is used again and again", () => {
    const store = makeStore()
    return Effect.gen(function*() {
      const keys = yield* ApiKeys
      const millis = yield* Clock.currentTimeMillis
      const issued = yield* keys.issue(draft())
      yield* change(issued.id, { last_used_at: timestampOf(millis) })
      store.counts.finds = 0
      for (let i = 0; i < 50; i++) yield* keys.verify(issued.key)
      assert.strictEqual(store.counts.finds, 1)
    }).pipe(Effect.provide(keysOver(store)))
  })

  it.scoped("notes the last use at most once a minute, in the background", () => {
    const store = makeStore()
    return Effect.gen(function*() {
      const keys = yield* ApiKeys
      const issued = yield* keys.issue(draft())
      const use = Effect.repeatN(Effect.zipRight(keys.verify(issued.key), settle), 9)
      yield* use
      assert.strictEqual(store.counts.modifies, 1)
      assert.strictEqual(yield* lastUsed(issued.id), timestampOf(yield* Clock.currentTimeMillis))
      yield* TestClock.adjust("59 seconds")
      yield* use
      assert.strictEqual(store.counts.modifies, 1)
      yield* TestClock.adjust("1 second")
      yield* use
      assert.strictEqual(store.counts.modifies, 2)
      assert.strictEqual(yield* lastUsed(issued.id), timestampOf(yield* Clock.currentTimeMillis))
    }).pipe(Effect.provide(keysOver(store)))
  })

  for (const [how, modify] of [["hangs", Effect.never], ["breaks", Effect.die("database away")]] as const) {
    it.scoped(`lets a request through at once when noting its use ${how}`, () => {
      const store = makeStore()
      store.slow.modify = modify
      return Effect.gen(function*() {
        const keys = yield* ApiKeys
        const issued = yield* keys.issue(draft())
        assert.strictEqual((yield* keys.verify(issued.key)).user_id, ada)
        yield* settle
        assert.strictEqual(store.counts.modifies, 1)
        assert.strictEqual((yield* keys.verify(issued.key)).user_id, ada)
      }).pipe(Effect.provide(keysOver(store)))
    })
  }
})

const authenticate = (presented: { readonly authorization?: string; readonly user_id?: string }) =>
  Effect.flatMap(
    Auth,
    (auth) => auth.authenticate({ authorization: presented.authorization, user_id: presented.user_id })
  )

const detail = (presented: Parameters<typeof authenticate>[0]) =>
  Effect.map(Effect.flip(authenticate(presented)), (error) => error.detail)

describe("Auth Header", () => {
  it.effect("believes the header where it is trusted", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* authenticate({ user_id: "ada" }), {
        user_id: ada,
        scopes: ["read", "write", "chat"],
        key_id: null
      })
    }).pipe(Effect.provide(AuthHeader.layer({ trusted: true }))))

  it.effect("asks for a header that is missing, in system A's words", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* detail({}), "X-User-ID header is required.")
      assert.strictEqual(yield* detail({ user_id: "" }), "X-User-ID header is required.")
    }).pipe(Effect.provide(AuthHeader.layer({ trusted: true }))))

  it.effect("refuses what is not a user's id", () =>
    Effect.gen(function*() {
      for (const user_id of ["ada, bob", " ada", "ada\n", "a/b", "a".repeat(129), "é"]) {
        assert.include(yield* detail({ user_id }), "X-User-ID must be")
      }
    }).pipe(Effect.provide(AuthHeader.layer({ trusted: true }))))

  it.effect("believes nobody where it is not trusted, and names the fix", () =>
    Effect.gen(function*() {
      for (const presented of [{}, { user_id: "ada" }]) {
        assert.include(yield* detail(presented), "STOA_TRUST_USER_HEADER=true")
      }
    }).pipe(Effect.provide(AuthHeader.layer({ trusted: false }))))
})

/** Keys `ada-key` and `root-key`. */
const fixedKeys = Layer.succeed(
  ApiKeys,
  ApiKeys.of({
    issue: () => Effect.die("not here"),
    verify: (key) => {
      if (key === "ada-key") return Effect.succeed({ user_id: ada, scopes: ["read"], key_id: KeyId.make("1") })
      return key === "root-key"
        ? Effect.succeed({ user_id: UserId.make("root"), scopes: ["admin"], key_id: KeyId.make("2") })
        : Effect.fail(new Unauthenticated({ detail: "No such key." }))
    },
    principalOf: (id) =>
      id === KeyId.make("1")
        ? Effect.succeed({ user_id: ada, scopes: ["read"], key_id: id })
        : Effect.fail(new Unauthenticated({ detail: "No such key." })),
    isUsable: (id) => Effect.succeed(id === KeyId.make("1"))
  })
)

const auths = {
  Keys: AuthKeys.layer,
  Composite: AuthComposite.layer({ trusted: true }),
  "Composite without trust": AuthComposite.layer({ trusted: false })
}

for (const [name, layer] of Object.entries(auths)) {
  describe(`Auth ${name}, given an Authorization header`, () => {
    const provided = Effect.provide(Layer.provide(layer, fixedKeys))

    it.effect("lets a key speak for its user", () =>
      Effect.gen(function*() {
        const expected: Principal = { user_id: ada, scopes: ["read"], key_id: KeyId.make("1") }
        for (const authorization of ["Bearer ada-key", "bearer ada-key", "BEARER  ada-key "]) {
          assert.deepStrictEqual(yield* authenticate({ authorization }), expected)
        }
        assert.deepStrictEqual(yield* authenticate({ authorization: "Bearer ada-key", user_id: "ada" }), expected)
      }).pipe(provided))

    it.effect("never falls back to X-User-ID when the key is wrong", () =>
      Effect.gen(function*() {
        for (
          const authorization of [
            "",
            "Bearer",
            "Bearer ",
            "Bearer nope",
            "Basic ada-key",
            "ada-key",
            "Bearer ada-key ada-key"
          ]
        ) {
          assert.isTrue(
            Exit.isFailure(yield* Effect.exit(authenticate({ authorization, user_id: "ada" }))),
            authorization
          )
        }
      }).pipe(provided))

    it.effect("refuses a key whose user is not the one that X-User-ID names", () =>
      Effect.gen(function*() {
        for (const user_id of ["bob", "", "root", "ada,bob"]) {
          const authorization = "Bearer ada-key"
          assert.isTrue(Exit.isFailure(yield* Effect.exit(authenticate({ authorization, user_id }))), user_id)
        }
      }).pipe(provided))

    it.effect("lets an admin key act for the tenant that X-User-ID names", () =>
      Effect.gen(function*() {
        const authorization = "Bearer root-key"
        assert.strictEqual((yield* authenticate({ authorization })).user_id, "root")
        assert.deepStrictEqual(yield* authenticate({ authorization, user_id: "bob" }), {
          user_id: bob,
          scopes: ["admin"],
          key_id: KeyId.make("2")
        })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(authenticate({ authorization, user_id: "b o b" }))))
      }).pipe(provided))
  })
}

describe("Auth without an Authorization header", () => {
  const userOf = (layer: Layer.Layer<Auth, never, ApiKeys>) =>
    authenticate({ user_id: "ada" }).pipe(
      Effect.option,
      Effect.map(Option.map(({ user_id }) => user_id)),
      Effect.provide(Layer.provide(layer, fixedKeys))
    )

  it.effect("believes X-User-ID only where both the layer and the settings say so", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* userOf(auths.Composite), Option.some(ada))
      assert.deepStrictEqual(yield* userOf(auths["Composite without trust"]), Option.none())
      assert.deepStrictEqual(yield* userOf(auths.Keys), Option.none())
    }))
})
