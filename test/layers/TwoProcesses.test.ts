/** Two processes on one PostgreSQL, and on one memory as if it were one; and what is so of PostgreSQL alone. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Client } from "pg"
import * as Host from "../../src/layers/Host.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import type { ModelCall } from "../../src/services/Models.ts"
import { has, isGapless, reply, slow, twoProcessesContract, typesOf, until } from "../contracts/TwoProcessesContract.ts"
import { modelsAsked } from "../support/asked.ts"
import { conversation, say, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"
import { processOnMemory } from "../support/peers.ts"
import { freshDatabase, startPostgres } from "../support/Postgres.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

class Database extends Context.Tag("test/Database")<Database, string>() {}

/** A host with connections of its own. `end` is sudden: its runs stay as they are. */
const process = Effect.gen(function*() {
  const url = yield* Database
  const asked: Array<ModelCall> = []
  const models = modelsAsked(asked)
  const parts = models.pipe(
    Layer.provideMerge(Layer.merge(Layer.fresh(Host.postgres({ url: Redacted.make(url), maxConnections: 4 })), vault))
  )
  const scope = yield* Scope.make()
  const host = yield* Layer.buildWithScope(Host.engine(parts, { trusted: true }), scope)
  const end = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => end)
  return { do: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, host), end, asked }
})

const cutListeners = Effect.flatMap(Database, (connectionString) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString })
    await client.connect()
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like '%listen%' and pid <> pg_backend_pid()"
    )
    await client.end()
  }))

const two = Effect.all([process, process])

const database = Layer.effect(Database, Effect.promise(() => freshDatabase()))

twoProcessesContract("PostgreSQL", database, process)

twoProcessesContract("Memory", Host.memory, processOnMemory)

layer(database, { timeout: patience(60_000), excludeTestServices: true })("Two processes on one PostgreSQL", (it) => {
  it.scoped("miss nothing and take nothing over while the connections that listen are cut", () =>
    Effect.gen(function*() {
      const [a, b] = yield* two
      const session = yield* a.do(conversation("demo-script", slow()))
      const seen = yield* b.do(watch(session, { after: 0 }))
      const accepted = yield* a.do(say(session, "repeat 400 word "))
      for (let i = 0; i < 4; i++) {
        yield* until(seen, has("TEXT_BLOCK_DELTA", 20 * (i + 1)))
        yield* cutListeners
      }
      yield* b.do(reply(session, accepted))
      yield* until(seen, has("REPLY_END"))
      isGapless(seen)
      assert.notInclude(typesOf(seen), "run_resumed")
    }))

  it.scoped("go on by themselves when the database was restarted", () =>
    Effect.gen(function*() {
      const postgres = yield* Effect.acquireRelease(
        Effect.promise(() => startPostgres()),
        (server) => Effect.promise(() => server.stop())
      )
      const url = yield* Effect.promise(() => freshDatabase(postgres))
      const [a, b] = yield* Effect.provideService(two, Database, url)
      const session = yield* a.do(conversation("demo-script", slow(20)))
      const seen = yield* b.do(watch(session, { after: 0 }))
      yield* a.do(say(session, "repeat 150 word "))
      yield* until(seen, has("TEXT_BLOCK_DELTA", 3))
      yield* Effect.promise(() => postgres.restart())
      yield* until(seen, has("REPLY_END"))
      isGapless(seen)
    }))
})
