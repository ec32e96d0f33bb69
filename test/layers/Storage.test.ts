import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { type Driver, fromDriver, type Row, Storage } from "../../src/services/Storage.ts"
import { storageContract } from "../contracts/StorageContract.ts"
import { agentOf, freshOwner, pageOf, sessionOf } from "../support/fixtures.ts"
import { freshDatabase } from "../support/Postgres.ts"

const database = Effect.promise(() => freshDatabase())

const postgres = (url: string) => Host.postgres({ url: Redacted.make(url) })

storageContract("Memory", Host.memory)

storageContract("PGlite", Host.pglite({ dataDir: undefined }))

storageContract("PostgreSQL", Layer.unwrapEffect(Effect.map(database, postgres)))

/** Storage whose driver counts how often a row is looked for. */
const counted = Effect.gen(function*() {
  const rows = new Map<string, Row>()
  let finds = 0
  const driver: Driver = {
    find: (_, id) =>
      Effect.sync(() => {
        finds++
        return rows.get(id)
      }),
    insert: (_, row) =>
      Effect.as(Effect.yieldNow(), "inserted" as const).pipe(Effect.tap(() => void rows.set(row.id, row))),
    remove: (_, __, id) => Effect.sync(() => rows.delete(id)),
    list: () => Effect.succeed([]),
    page: () => Effect.succeed({ rows: [], more: false }),
    look: () => Effect.succeed({ rows: [], last: undefined, bytes: 0, count: 0, more: false }),
    count: () => Effect.succeed(0),
    modify: () => Effect.as(Effect.void, undefined),
    removeBefore: () => Effect.succeed(0),
    owners: () => Effect.succeed([]),
    transaction: (effect) => effect
  }
  return { ...yield* fromDriver(driver, Duration.infinity), finds: () => finds }
})

it.effect("A record that this process has just made is not looked for in the database", () =>
  Effect.gen(function*() {
    const { agents, finds, sessions } = yield* counted
    const agent = yield* agents.insert(agentOf(freshOwner()))
    const session = yield* sessions.insert(sessionOf(agent))
    assert.deepStrictEqual(yield* sessions.get(agent.user_id, session.id), session)
    assert.deepStrictEqual(yield* agents.get(agent.user_id, agent.id), agent)
    assert.strictEqual(finds(), 0)
    assert.strictEqual((yield* Effect.flip(agents.get(freshOwner(), agent.id)))._tag, "NotFound")
  }))

it.effect("A record made in a transaction, or removed while it was made, is looked for", () =>
  Effect.gen(function*() {
    const { agents, finds, transaction } = yield* counted
    const owner = freshOwner()
    const unsure = yield* transaction(agents.insert(agentOf(owner)))
    yield* agents.get(owner, unsure.id)
    assert.strictEqual(finds(), 1)
    const other = yield* agents.insert(agentOf(owner))
    const made = agentOf(owner)
    yield* Effect.all([agents.insert(made), agents.remove(owner, other.id)], { concurrency: "unbounded" })
    yield* agents.get(owner, made.id)
    assert.strictEqual(finds(), 2)
  }))

it.scopedLive("Two hosts of one PostgreSQL see each other's changes within a second, and are fenced at once", () =>
  Effect.gen(function*() {
    const url = yield* database
    const host = Effect.map(Layer.build(Layer.fresh(postgres(url))), (context) => ({
      ...Context.get(context, Storage),
      log: Context.get(context, EventLog)
    }))
    const [one, two] = yield* Effect.all([host, host], { concurrency: "unbounded" })
    const agent = yield* one.agents.insert(agentOf(freshOwner()))
    const session = yield* two.sessions.insert(sessionOf(agent))
    const nameAtTwo = Effect.map(two.agents.get(agent.user_id, agent.id), ({ data }) => data.name)
    assert.strictEqual(yield* nameAtTwo, "Zeno")
    yield* one.agents.modify(agent.user_id, agent.id, (old) => ({ ...old, data: { ...old.data, name: "Chrysippus" } }))
    yield* Effect.sleep("1100 millis")
    assert.strictEqual(yield* nameAtTwo, "Chrysippus")

    const first = { pages: [pageOf(session, 1, 3)], runs: [], messages: [] }
    yield* one.log.append(first)
    assert.strictEqual((yield* Effect.flip(two.log.append(first))).reason, "fenced")
    yield* two.log.append({ ...first, pages: [pageOf(session, 4, 4)] })
    assert.deepStrictEqual(yield* one.log.range(session.id), { first: 1, last: 4 })
  }))
