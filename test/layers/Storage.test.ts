import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Storage } from "../../src/services/Storage.ts"
import { storageContract } from "../contracts/StorageContract.ts"
import { agentOf, freshOwner, pageOf, sessionOf } from "../support/fixtures.ts"
import { freshDatabase } from "../support/Postgres.ts"

const database = Effect.promise(() => freshDatabase())

const postgres = (url: string) => Host.postgres({ url: Redacted.make(url) })

storageContract("Memory", Host.memory)

storageContract("PGlite", Host.pglite({ dataDir: undefined }))

storageContract("PostgreSQL", Layer.unwrapEffect(Effect.map(database, postgres)))

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
