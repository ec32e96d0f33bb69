import { assert, describe, it } from "@effect/vitest"
import type { PGlite } from "@electric-sql/pglite"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { databaseEnded } from "../../src/domain/ExitCode.ts"
import { PgliteSession } from "../../src/layers/Sql/pglite/Session.ts"

const pgliteModule = new URL("../../src/layers/Sql/pglite/Pglite.ts", import.meta.url).href

/** A process with a watched database, which then does `act`. */
const watched = (act: string) =>
  Effect.async<{ readonly code: number | null; readonly signal: string | null; readonly said: string }>((resume) => {
    const script = `
import { Effect } from "effect"
import { SqlClient } from "@effect/sql"
import * as Pglite from ${JSON.stringify(pgliteModule)}
await Effect.runPromise(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql\`select 1\`
  process.stderr.write("open ")
  ${act}
}).pipe(
  Effect.provide(Pglite.layer({ dataDir: undefined, watchdog: { seconds: 2, longSeconds: 600 } }))
))
process.exit(3)
`
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      cwd: new URL("../..", import.meta.url),
      stdio: ["ignore", "ignore", "pipe"]
    })
    let said = ""
    child.stderr.on("data", (chunk) => said += chunk.toString())
    child.once("close", (code, signal) => resume(Effect.succeed({ code, signal, said })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("A watched process", () => {
  it.live("ends with its exit code and a sentence when its database loops without end", () =>
    Effect.gen(function*() {
      const { code, said } = yield* watched(
        "yield* sql`select count(*) from generate_series(1, ${1e9}::bigint) a, generate_series(1, 1000) b where a * b = 7`"
      )
      assert.strictEqual(code, databaseEnded, said)
      assert.match(said, /^open stoa: The server has not moved for 2 seconds .*start stoa again/m)
    }), 120_000)

  it.live("ends when its own code loops without end", () =>
    Effect.gen(function*() {
      const { code, said } = yield* watched("for (;;);")
      assert.strictEqual(code, databaseEnded, said)
    }), 120_000)

  it.live("goes on while a statement works that may take long, and through quiet times", () =>
    Effect.gen(function*() {
      const { code, said } = yield* watched(`
  yield* sql\`create table many as select i from generate_series(1, 1000) as i\`
  const until = Date.now() + 5000
  yield* sql.unsafe("do $$ declare t timestamptz := clock_timestamp(); begin while clock_timestamp() < t + interval '5 seconds' loop end loop; end $$")
  if (Date.now() < until) throw new Error("too quick")
  yield* Effect.sleep(4000)`)
      assert.deepStrictEqual([code, said], [3, "open "])
    }), 120_000)
})

describe("A database that has aborted", () => {
  const failing = (cause: unknown) => {
    let sent = 0
    const db = {
      parsers: {},
      isInTransaction: () => false,
      execProtocolStream: () => {
        sent++
        return Promise.reject(cause)
      }
    } as unknown as PGlite
    const ends: Array<unknown> = []
    return { session: new PgliteSession(db, (cause) => ends.push(cause)), sent: () => sent, ends }
  }
  const errorOf = (work: Promise<unknown>): Effect.Effect<object> =>
    Effect.promise(() => work.then(() => new Error("It was answered"), (cause: object) => cause))

  it.effect("is told once and sent nothing more: what is sent to it can loop for ever", () =>
    Effect.gen(function*() {
      const panics = [
        Object.assign(new Error("could not write to file"), { severity: "PANIC", code: "53100" }),
        Object.assign(new Error("memory access out of bounds"), { name: "RuntimeError" })
      ]
      for (const panic of panics) {
        const { ends, sent, session } = failing(panic)
        assert.strictEqual(yield* errorOf(session.script("commit")), panic)
        for (const work of [() => session.script("rollback"), () => session.run("select $1", [1])]) {
          assert.deepInclude(yield* errorOf(work()), { code: "57P02" })
        }
        assert.deepStrictEqual([sent(), ends, session.isOver], [1, [panic], true])
      }
    }))

  it.effect("is not taken for one that only refused a statement", () =>
    Effect.gen(function*() {
      const refusal = Object.assign(new Error("could not extend file"), { severity: "ERROR", code: "53100" })
      const { ends, sent, session } = failing(refusal)
      for (let i = 0; i < 2; i++) assert.strictEqual(yield* errorOf(session.script("commit")), refusal)
      assert.deepStrictEqual([sent(), ends, session.isOver], [2, [], false])
    }))
})
