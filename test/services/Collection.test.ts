import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Schema } from "effect"
import { Session } from "../../src/domain/Session.ts"
import { makeCollection } from "../../src/services/Collection.ts"
import { type Driver, type Row, tables } from "../../src/services/Storage.ts"
import { agentOf, freshOwner, sessionOf } from "../support/fixtures.ts"

const owner = freshOwner()

const rowOf = (data: object, id: string): Row => ({
  id,
  owner,
  created_at: "2026-01-31T09:30:00.000Z",
  updated_at: "2026-01-31T09:30:00.000Z",
  columns: {},
  data
})

const good = Array.from({ length: 4 }, () => sessionOf(agentOf(owner)))
const readable = good.map((session) => rowOf(Schema.encodeSync(Session)(session), session.id))

/** Rows as a database has them after a bug or a hand: the last of each page is broken. */
const rows = [
  readable[0]!,
  rowOf({ user_id: owner, api_key: "sk-secret" }, `${good[0]!.id}-broken`),
  readable[1]!,
  readable[2]!,
  rowOf({ ...readable[2]!.data, created_at: 1e300 }, `${good[2]!.id}-broken`),
  readable[3]!
]

const driver: Driver = {
  find: (_, id) => Effect.succeed(rows.find((row) => row.id === id)),
  list: (_, __, { after, limit }) =>
    Effect.succeed(rows.filter(({ id }) => after === undefined || id > after).slice(0, limit)),
  page: (_, __, { after, limit }) =>
    Effect.sync(() => {
      const later = rows.filter(({ id }) => after === undefined || id > after)
      return { rows: later.slice(0, limit), more: later.length > limit }
    }),
  look: () => Effect.succeed({ rows: [], last: undefined, bytes: 0, count: 0, more: false }),
  count: () => Effect.succeed(rows.length),
  insert: () => Effect.succeed("taken"),
  modify: () => Effect.succeed(undefined),
  remove: () => Effect.succeed(false),
  removeBefore: () => Effect.succeed(0),
  owners: () => Effect.succeed([]),
  transaction: (effect) => effect
}

const sessions = makeCollection(driver, undefined, {
  noun: "Session",
  table: tables.sessions,
  schema: Session,
  columns: () => ({})
})

const ids = (items: ReadonlyArray<{ readonly id: string }>) => items.map(({ id }) => id)

describe("One record that cannot be read", () => {
  it.effect("hides no other from a list, whatever the size of a page, and the list goes on behind it", () =>
    Effect.gen(function*() {
      for (const limit of [1, 2, 3, 100]) {
        const found: Array<string> = []
        let cursor: string | undefined
        do {
          const page = yield* sessions.list(owner, { limit, cursor })
          found.push(...ids(page.items))
          cursor = page.next_cursor ?? undefined
        } while (cursor !== undefined)
        assert.deepStrictEqual(found, ids(good))
      }
    }))

  it.effect("hides none from those who look at all records", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(ids(yield* sessions.holding(owner, "{}", 100)), ids(good))
      const found: Array<string> = []
      let after: string | undefined
      do {
        const batch: Effect.Effect.Success<ReturnType<typeof sessions.host.scan>> = yield* sessions.host.scan(after, 2)
        found.push(...ids(batch.items))
        after = batch.next
      } while (after !== undefined)
      assert.deepStrictEqual(found, ids(good))
    }))

  it.effect("is logged by its name and what is wrong with it, without its values", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* Effect.provide(
        sessions.list(owner, { limit: 100 }),
        Logger.replace(Logger.defaultLogger, logger)
      )
      assert.strictEqual(lines.length, 2)
      assert.include(lines[1], `'${good[2]!.id}-broken'`)
      assert.include(lines[1], "created_at")
      assert.notInclude(lines.join(), "sk-secret")
    }))
})
