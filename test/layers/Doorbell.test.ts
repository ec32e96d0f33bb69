import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Client } from "pg"
import type { RunId, SessionId } from "../../src/domain/Ids.ts"
import * as DoorbellMemory from "../../src/layers/Doorbell/Memory.ts"
import * as DoorbellPg from "../../src/layers/Doorbell/Pg.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import { Doorbell, type Heard, type Ring } from "../../src/services/Doorbell.ts"
import { freshDatabase } from "../support/Postgres.ts"

const session = "s" as SessionId
const pages = (name: string): Ring => ({ type: "pages", session: name as SessionId })

/** A process that writes down what it hears, looks aside. */
const processOn = Effect.fnUntraced(function*(url: string) {
  const scope = yield* Scope.make()
  const end = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => end)
  const layer = DoorbellPg.layer.pipe(
    Layer.provide(Layer.fresh(Pg.layer({ url: Redacted.make(url), maxConnections: 2 })))
  )
  const doorbell = Context.get(yield* Layer.buildWithScope(layer, scope), Doorbell)
  const heard: Array<Heard> = []
  let looks = 0
  yield* doorbell.listen((one) => {
    if (one.type === "look") looks++
    else heard.push(one)
  }).pipe(Scope.extend(scope))
  return { ...doorbell, heard, looks: () => looks, end }
})

const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: (holds) => holds }),
    Effect.timeout("10 seconds")
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

describe("Doorbell in memory", () => {
  it.effect("is alone, hears nothing and lives", () =>
    Effect.gen(function*() {
      const doorbell = yield* Doorbell
      const heard: Array<Heard> = []
      yield* doorbell.listen((one) => void heard.push(one))
      doorbell.ring(pages("s"))
      assert.isTrue(doorbell.alone)
      assert.deepStrictEqual([...yield* doorbell.living], [doorbell.self])
      assert.deepStrictEqual(heard, [])
    }).pipe(Effect.scoped, Effect.provide(DoorbellMemory.layer)))
})

describe("Doorbell on PostgreSQL", () => {
  promise("tells every other process what it rings, and not itself", (url) =>
    Effect.gen(function*() {
      const [a, b, c] = yield* Effect.all([processOn(url), processOn(url), processOn(url)])
      const rings: ReadonlyArray<Ring> = [
        pages("s"),
        { type: "input", session, driver: "12" },
        { type: "interrupt", session, run: "r" as RunId, queue: "drop" },
        { type: "interrupt", session, run: "r" as RunId, queue: "keep" },
        { type: "cancel", session, run: "r" as RunId },
        { type: "forget", session }
      ]
      for (const ring of rings) a.ring(ring)
      yield* eventually(() => b.heard.length === rings.length && c.heard.length === rings.length)
      assert.deepStrictEqual(b.heard, [...rings])
      assert.deepStrictEqual(c.heard, [...rings])
      assert.deepStrictEqual(a.heard, [])
    }))

  promise("takes more at once than one notification holds", (url) =>
    Effect.gen(function*() {
      const [a, b] = yield* Effect.all([processOn(url), processOn(url)])
      const names = Array.from({ length: 2_000 }, (_, i) => String(i).padStart(128, "0"))
      for (const name of names) a.ring(pages(name))
      yield* eventually(() => b.heard.length >= names.length)
      assert.deepStrictEqual(
        b.heard.map((one) => "session" in one ? one.session : ""),
        names.map((name) => name as SessionId)
      )
    }))

  promise("stays inside its own database", (url) =>
    Effect.gen(function*() {
      const elsewhere = yield* Effect.promise(() => freshDatabase())
      const [a, b] = yield* Effect.all([processOn(url), processOn(elsewhere)])
      a.ring({ type: "forget", session })
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(b.heard, [])
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
          a.ring(pages(String(time)))
          yield* eventually(() => b.heard.length === time)
        }
        yield* Effect.sleep("500 millis")
        assert.sameMembers([...yield* a.living], [a.self, b.self])
      })
  )

  promise("has everybody look now and then, although nothing was heard", (url) =>
    Effect.gen(function*() {
      const a = yield* processOn(url)
      const looks = a.looks()
      yield* eventually(() => a.looks() > looks)
    }))
})
