import { assert, describe, it } from "@effect/vitest"
import { freshDatabase } from "../support/Postgres.ts"
import { temporaryFolder } from "../support/Server.ts"
import { failures, table } from "./Check.ts"
import { drive } from "./drive.ts"

/** The long version is `npm run test:crash -- --kills 200`. */
const kills = 6

const survives = (name: string, databaseUrl: () => Promise<string | undefined>) =>
  it(`loses, repeats and skips nothing, and every run ends: ${name}`, async () => {
    const folder = await temporaryFolder()
    const seed = Math.floor(Math.random() * 1_000_000)
    try {
      const report = await drive({
        kills,
        seed,
        sessions: 4,
        dataDir: folder.path,
        databaseUrl: await databaseUrl(),
        progress: () => {}
      })
      const evidence = [...report.deaths, ...report.violations.map(({ what, wrong }) => `${wrong}: ${what}`)]
      assert.strictEqual(
        failures(report),
        0,
        `seed ${seed}\n${evidence.slice(0, 10).join("\n")}\n${table(name, report)}`
      )
    } finally {
      await folder.remove()
    }
  }, 180_000)

describe("A server that is killed at random moments", () => {
  survives("PGlite", () => Promise.resolve(undefined))
  survives("PostgreSQL", () => freshDatabase())
})
