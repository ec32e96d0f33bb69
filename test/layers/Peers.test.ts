import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Client } from "pg"
import type { RunId, SessionId } from "../../src/domain/Ids.ts"
import * as PeersMemory from "../../src/layers/Peers/Memory.ts"
import * as PeersPg from "../../src/layers/Peers/Pg.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import { type Notice, Peers, type Received } from "../../src/services/Peers.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const session = "s" as SessionId
const pages = (name: string): Notice => ({ type: "pages", session: name as SessionId })

/** A process that writes down what it hears, looks aside. */
const processOn = Effect.fnUntraced(function*(url: string) {
  const scope = yield* Scope.make()
  const end = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => end)
  const layer = PeersPg.layer.pipe(
    Layer.provide(Layer.fresh(Pg.layer({ url: Redacted.make(url), maxConnections: 2 })))
  )
  const peers = Context.get(yield* Layer.buildWithScope(layer, scope), Peers)
  const received: Array<Received> = []
  let looks = 0
  yield* peers.listen((one) => {
    if (one.type === "look") looks++
    else received.push(one)
  }).pipe(Scope.extend(scope))
  return { ...peers, received, looks: () => looks, end }
})

const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: (holds) => holds }),
    Effect.timeout(patience(10_000))
  )

const execute = (url: string, sql: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query(sql)
    await client.end()
  })

const cutListeners = (url: string) =>
  execute(
    url,
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 1400139617 and database = (select oid from pg_database where datname = current_database())"
  )

const promise = (title: string, body: (url: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.promise(() => freshDatabase()).pipe(Effect.flatMap(body), Effect.scoped), 30_000)

describe("Peers in memory", () => {
  it.effect("is alone, hears nothing and lives", () =>
    Effect.gen(function*() {
      const peers = yield* Peers
      const received: Array<Received> = []
      yield* peers.listen((one) => void received.push(one))
      peers.notify(pages("s"))
      assert.isTrue(peers.alone)
      assert.deepStrictEqual([...yield* peers.living], [peers.self])
      assert.deepStrictEqual(received, [])
    }).pipe(Effect.scoped, Effect.provide(PeersMemory.layer)))
})

describe("Peers on PostgreSQL", () => {
  promise("tells every other process what it notices, and not itself", (url) =>
    Effect.gen(function*() {
      const [a, b, c] = yield* Effect.all([processOn(url), processOn(url), processOn(url)])
      const notices: ReadonlyArray<Notice> = [
        pages("s"),
        { type: "input", session, driver: "12" },
        { type: "interrupt", session, run: "r" as RunId, queue: "drop" },
        { type: "interrupt", session, run: "r" as RunId, queue: "keep" },
        { type: "cancel", session, run: "r" as RunId },
        { type: "forget", session }
      ]
      for (const notice of notices) a.notify(notice)
      yield* eventually(() => b.received.length === notices.length && c.received.length === notices.length)
      assert.deepStrictEqual(b.received, [...notices])
      assert.deepStrictEqual(c.received, [...notices])
      assert.deepStrictEqual(a.received, [])
    }))

  promise("takes more at once than one notification holds", (url) =>
    Effect.gen(function*() {
      const [a, b] = yield* Effect.all([processOn(url), processOn(url)])
      const names = Array.from({ length: 2_000 }, (_, i) => String(i).padStart(128, "0"))
      for (const name of names) a.notify(pages(name))
      yield* eventually(() => b.received.length >= names.length)
      assert.deepStrictEqual(
        b.received.map((one) => "session" in one ? one.session : ""),
        names.map((name) => name as SessionId)
      )
    }))

  promise("stays inside its own database", (url) =>
    Effect.gen(function*() {
      const elsewhere = yield* Effect.promise(() => freshDatabase())
      const [a, b] = yield* Effect.all([processOn(url), processOn(elsewhere)])
      a.notify({ type: "forget", session })
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(b.received, [])
      assert.deepStrictEqual([...yield* a.living], [a.self])
    }))

  promise("knows who lives, and who has gone", (url) =>
    Effect.gen(function*() {
      const [a, b] = yield* Effect.all([processOn(url), processOn(url)])
      assert.sameMembers([...yield* a.living], [a.self, b.self])
      yield* b.end
      assert.sameMembers([...yield* a.living], [a.self])
    }))

  promise(
    "comes back by itself when its connection is lost, says that it may have missed something, and lives again",
    (url) =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([processOn(url), processOn(url)])
        for (let time = 1; time <= 3; time++) {
          const looks = b.looks()
          yield* cutListeners(url)
          yield* eventually(() => b.looks() > looks)
          a.notify(pages(String(time)))
          yield* eventually(() => b.received.length === time)
        }
        yield* Effect.sleep("500 millis")
        assert.sameMembers([...yield* a.living], [a.self, b.self])
      })
  )

  promise("has everybody look now and then, although nothing was said", (url) =>
    Effect.gen(function*() {
      const a = yield* processOn(url)
      const looks = a.looks()
      yield* eventually(() => a.looks() > looks)
    }))
})
