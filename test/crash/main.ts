/** Usage: npm run test:crash -- [--kills N] [--storage pglite|postgres] [--seed S] [--sessions N] [--mode plain|mixed] */
import { rmSync } from "node:fs"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { freshDatabase, startPostgres } from "../support/Postgres.ts"
import { failures, table } from "./Check.ts"
import { drive } from "./drive.ts"

/** Pieces of evidence that are printed at most. */
const shown = 20

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    storage: { type: "string", default: "pglite" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    sessions: { type: "string", default: "6" },
    mode: { type: "string", default: "plain" }
  }
})
const [kills, seed, sessions] = [Number(values.kills), Number(values.seed), Number(values.sessions)]
if (
  !["plain", "mixed"].includes(values.mode) || !["pglite", "postgres"].includes(values.storage) ||
  ![kills, seed, sessions].every(Number.isInteger)
) {
  console.error(
    "Usage: npm run test:crash -- [--kills N] [--storage pglite|postgres] [--seed S] [--sessions N] [--mode plain|mixed]"
  )
  process.exit(2)
}

/** Ctrl-C ends the killing and begins the check; a second one ends at once. */
const interrupted = 130
let enough = false
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (enough) process.exit(interrupted)
    enough = true
  })
}

const dataDir = await mkdtemp(join(tmpdir(), "stoa-crash-"))
let isEvidence = false
process.on("exit", () => {
  // The server may have been killed just now.
  if (!isEvidence) rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
})

const postgres = values.storage === "postgres" ? await startPostgres() : undefined
try {
  console.log(`Killing ${kills} times on ${values.storage}, seed ${seed}, in ${dataDir}`)
  const databaseUrl = postgres === undefined ? undefined : await freshDatabase(postgres)
  const report = await drive({
    kills,
    seed,
    sessions,
    mixed: values.mode === "mixed",
    dataDir,
    databaseUrl,
    progress: (line) => console.log(`  ${line}`),
    enough: () => enough
  })
  for (const line of report.errors.slice(0, shown)) console.log(`logged: ${line}`)
  for (const death of report.deaths) console.log(death)
  for (const { session_id, what, wrong } of report.violations.slice(0, shown)) {
    console.log(`${wrong} in ${session_id}: ${what}`)
  }
  console.log(`\n${table(values.storage, report)}\n`)
  if (failures(report) > 0) {
    console.log(`FAILED: ${failures(report)} violations with --seed ${seed}. The data is kept in ${dataDir}`)
    isEvidence = true
    process.exitCode = 1
  } else if (enough) process.exitCode = interrupted
} finally {
  await postgres?.stop()
}
process.exit()
