/** `stoa db`: the versions of a database, without a server. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Settings } from "../../src/domain/Settings.ts"
import * as Host from "../../src/layers/Host.ts"
import { all } from "../../src/layers/Sql/migrations/All.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { stoa } from "./Desk.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-db-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const names = Object.keys(all)
const newest = Number(names.at(-1)!.slice(0, 4))

/** Makes the database of these settings as a server does. */
const made = (settings: object) =>
  Effect.scoped(Layer.build(Host.records(Schema.decodeUnknownSync(Settings)(settings))))

const json = ({ code, err, out }: { readonly code: number; readonly err: string; readonly out: string }) => {
  assert.deepStrictEqual([code, err], [0, ""])
  return JSON.parse(out)
}

describe("db", () => {
  it.scopedLive("makes no database by looking", () =>
    Effect.gen(function*() {
      const data = join(yield* folder, "new")
      for (const verb of ["status", "current", "history", "upgrade", "downgrade"]) {
        const { code, out } = yield* stoa({}, "db", verb, "--data-dir", data)
        assert.strictEqual(code, 0)
        assert.include(out, "There is no database")
      }
    }))

  it.scopedLive(
    "says where an embedded database is, takes a step back, and brings it up again",
    () =>
      Effect.gen(function*() {
        const data = yield* folder
        yield* made({ data_dir: data })
        const run = (...words: ReadonlyArray<string>) => stoa({}, "db", ...words, "--data-dir", data, "-o", "json")
        assert.deepInclude(json(yield* run("current")), { version: newest, pending: 0 })
        assert.deepStrictEqual(json(yield* run("downgrade")), names.slice(-1))
        assert.deepInclude(json(yield* run("current")), { version: Number(names.at(-2)!.slice(0, 4)), pending: 1 })
        const history: ReadonlyArray<{ readonly id: number }> = json(yield* run("history"))
        assert.deepStrictEqual(
          history.map(({ id }) => id),
          names.slice(0, -1).map((name) => Number(name.slice(0, 4))).toReversed()
        )
        assert.strictEqual(json(yield* run("status")).length, names.length)
        assert.deepStrictEqual(json(yield* run("upgrade")), names.slice(-1))
      }),
    patience(120_000)
  )

  it.scopedLive("asks before data is lost, and takes a PostgreSQL back to nothing", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      yield* made({ database_url: url, data_dir: yield* folder })
      const env = { STOA_DATABASE_URL: url }
      const run = (...words: ReadonlyArray<string>) => stoa({ env }, "db", ...words, "-o", "json")
      const unsure = yield* run("downgrade", "--to", "0", "--force")
      assert.strictEqual(unsure.code, 2)
      assert.include(unsure.err, "add --yes")
      assert.strictEqual(json(yield* run("downgrade", "--to", "0", "--force", "--yes")).length, names.length)
      assert.deepInclude(json(yield* run("current")), { version: 0, pending: names.length })
    }), patience(120_000))
})
