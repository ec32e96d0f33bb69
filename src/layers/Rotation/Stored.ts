/**
 * Seals again what Storage holds: credentials, secrets of MCP servers and their tokens, addresses of notifications and of
 * updates of tasks, of agents elsewhere, what users tell personal agents, and answers that are kept for idempotency. Records are compared before
 * they are replaced, so that a change that comes between wins; a change by a process that has not seen the new key yet is
 * found by the next pass.
 */
import { Clock, Effect, Layer } from "effect"
import { Conflict } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { VaultRotation, VaultStatus } from "../../domain/Vault.ts"
import { timestampOf } from "../../services/Now.ts"
import { Rotation } from "../../services/Rotation.ts"
import { type Collection, type Owned, Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"

/** How many records are read together, and the pause after them. */
const batch = 100
const gap = "2 millis"

/** Most passes until nothing is sealed with an older key. */
const maxPasses = 5

/** A sealed text of a record, and how to replace it if it has not changed. */
interface Sealed {
  readonly owner: UserId
  readonly record: string
  readonly text: string
  readonly replace: (by: string) => Effect.Effect<void>
}

/** The sealed texts of some records, and where to continue. */
interface Batch {
  readonly found: ReadonlyArray<Sealed>
  readonly last: string | undefined
}

export const make = Effect.gen(function*() {
  const { a2aPushes, agentConfigs, claims, credentials, mcpAuthorizations, mcpServers, notifications, remoteAgents } =
    yield* Storage
  const vault = yield* Vault
  const scope = yield* Effect.scope
  const mutex = Effect.unsafeMakeSemaphore(1)
  let rotation: VaultRotation | null = null

  const inRecords = <A extends Owned & { readonly sealed: string | null }, Columns extends string>(
    table: string,
    { host }: Collection<A, Columns>
  ) =>
  (after: string | undefined): Effect.Effect<Batch> =>
    Effect.map(host.scan(after, batch), ({ items, next }) => ({
      last: next,
      found: items.flatMap(({ id, sealed, user_id }) =>
        sealed === null ? [] : [{
          owner: user_id,
          record: `${table}/${id}`,
          text: sealed,
          replace: (by: string) =>
            Effect.ignore(host.modify(id, (now) => now.sealed === sealed ? { ...now, sealed: by } : now))
        }]
      )
    }))
  const inCredentials = inRecords("credentials", credentials)
  const inMcpServers = inRecords("mcp_servers", mcpServers)
  const inMcpAuthorizations = inRecords("mcp_authorizations", mcpAuthorizations)
  const inNotifications = inRecords("notifications", notifications)
  const inA2aPushes = inRecords("a2a_pushes", a2aPushes)
  const inRemoteAgents = inRecords("remote_agents", remoteAgents)
  const inAgentConfigs = inRecords("agent_configs", agentConfigs)

  const inClaims = (after: string | undefined): Effect.Effect<Batch> =>
    Effect.map(claims.host.scan(after, batch), ({ items, next }) => ({
      last: next,
      found: items.flatMap(({ answer, id, is_sealed, user_id }) =>
        is_sealed
          ? [{
            owner: user_id,
            record: `claims/${id}`,
            text: answer,
            replace: (by: string) =>
              Effect.ignore(claims.host.modify(id, (now) => now.answer === answer ? { ...now, answer: by } : now))
          }]
          : []
      )
    }))

  /** Visits everything that is sealed, a batch at a time. */
  const everything = Effect.fnUntraced(function*<A>(visit: (sealed: Sealed) => Effect.Effect<A>) {
    const reads = [
      inCredentials,
      inMcpServers,
      inMcpAuthorizations,
      inNotifications,
      inA2aPushes,
      inRemoteAgents,
      inAgentConfigs,
      inClaims
    ]
    for (const read of reads) {
      let at: string | undefined
      do {
        const { found, last } = yield* read(at)
        yield* Effect.forEach(found, visit, { discard: true })
        at = last
        if (at !== undefined) yield* Effect.sleep(gap)
      } while (at !== undefined)
    }
  })

  /** How many texts are sealed with each key, by its id. */
  const count = Effect.gen(function*() {
    const counts = new Map<string, number>()
    yield* everything(({ text }) =>
      Effect.sync(() => {
        const id = vault.sealedWith(text) ?? ""
        counts.set(id, (counts.get(id) ?? 0) + 1)
      })
    )
    return counts
  })

  const sum = (counts: Iterable<number>) => [...counts].reduce((a, b) => a + b, 0)

  const update = (change: (now: VaultRotation) => Partial<VaultRotation>) =>
    Effect.sync(() => {
      if (rotation !== null) rotation = { ...rotation, ...change(rotation) }
    })

  const reseal = (newest: string) =>
    Effect.fnUntraced(function*({ owner, record, replace, text }: Sealed) {
      yield* update(({ checked }) => ({ checked: checked + 1 }))
      if (vault.sealedWith(text) === newest) return
      const secret = yield* Effect.option(vault.open(text, { owner, record }))
      if (secret._tag === "None") return yield* update(({ unreadable }) => ({ unreadable: unreadable + 1 }))
      yield* replace(yield* vault.seal(secret.value, { owner, record }))
      yield* update(({ resealed }) => ({ resealed: resealed + 1 }))
    })

  /** Visits everything once, and returns how much it sealed again. */
  const pass = Effect.gen(function*() {
    const newest = (yield* vault.keys).ids[0]!
    const before = rotation?.resealed ?? 0
    yield* update(() => ({ checked: 0, unreadable: 0 }))
    yield* everything(reseal(newest))
    return (rotation?.resealed ?? 0) - before
  })

  /** Repeats passes until one finds nothing that is sealed with an older key. */
  const passes = Effect.gen(function*() {
    for (let n = 0; n < maxPasses; n++) {
      if ((yield* pass) === 0) return n
    }
    return yield* Effect.dieMessage("Other processes go on sealing with an older key.")
  })

  const run = Effect.gen(function*() {
    const total = sum((yield* count).values())
    yield* update(() => ({ total }))
    const { source } = yield* vault.keys
    if ((yield* passes) > 0 || source === "settings") return
    yield* vault.rotate
    yield* update(() => ({ fresh_key: true }))
    yield* Effect.logInfo("The vault has a fresh key")
    yield* passes
  })

  const end = (state: "done" | "failed") =>
    Effect.flatMap(Clock.currentTimeMillis, (millis) => update(() => ({ state, ended_at: timestampOf(millis) })))

  const rotate = Effect.gen(function*() {
    if (rotation?.state === "running") return rotation
    const started_at = timestampOf(yield* Clock.currentTimeMillis)
    const begun: VaultRotation = {
      state: "running",
      started_at,
      ended_at: null,
      fresh_key: false,
      total: 0,
      checked: 0,
      resealed: 0,
      unreadable: 0
    }
    rotation = begun
    yield* run.pipe(
      Effect.matchCauseEffect({
        onSuccess: () => end("done"),
        onFailure: (cause) => Effect.zipRight(Effect.logError("The vault's rotation failed", cause), end("failed"))
      }),
      Effect.forkIn(scope)
    )
    return begun
  }).pipe(mutex.withPermits(1), Effect.withSpan("Rotation.rotate"))

  const status: Effect.Effect<VaultStatus> = Effect.gen(function*() {
    const last = rotation
    const counts = last?.state === "running" ? undefined : yield* count
    const { ids, lastHashes, source } = yield* vault.keys
    const known = sum(ids.map((id) => counts?.get(id) ?? 0))
    return {
      source,
      keys: ids.map((id, at) => ({
        id,
        seals: at === 0,
        hashes: lastHashes && at === ids.length - 1,
        secrets: counts === undefined ? null : counts.get(id) ?? 0
      })),
      unreadable: counts === undefined ? null : sum(counts.values()) - known,
      rotation: last
    }
  }).pipe(Effect.withSpan("Rotation.status"))

  const retire = Effect.gen(function*() {
    const { keys, source } = yield* status
    const older = keys.slice(1)
    if (source === "file" && older.some(({ secrets }) => secrets !== 0)) {
      return yield* new Conflict({
        code: "vault_keys_in_use",
        detail: "Something is still sealed with an older key: rotate first, and retire when that is done."
      })
    }
    yield* Effect.mapError(vault.retire(older.map(({ id }) => id)), ({ message, retry_after }) =>
      new Conflict({
        code: "vault_keys_fixed",
        detail: message,
        ...(retry_after !== undefined && { retry_after })
      }))
    return yield* status
  }).pipe(mutex.withPermits(1), Effect.withSpan("Rotation.retire"))

  return Rotation.of({ status, rotate, retire })
})

export const layer: Layer.Layer<Rotation, never, Storage | Vault> = Layer.scoped(Rotation, make)
