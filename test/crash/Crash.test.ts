import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { access, readdir, readFile, rm } from "node:fs/promises"
import { resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { temporaryFolder } from "../support/Server.ts"
import { failures, table } from "./Check.ts"
import { drive } from "./drive.ts"

/** The long version is `npm run test:crash -- --kills 200 --mode mixed`. */
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
        mixed: true,
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
  }, patience(180_000))

/** The driver as the terminal runs it: Ctrl-C goes to all of its process group. */
const driver = () => {
  const child = spawn(process.execPath, ["--import", "tsx", main, "--kills", "200", "--sessions", "2"], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
  const exited = new Promise<number | null>((done) => child.on("close", done))
  return { pid: child.pid!, output: () => output, exited }
}

const root = resolve(import.meta.dirname, "../..")
const main = resolve(import.meta.dirname, "main.ts")

const serversIn = async (dataDir: string) => {
  const processes = await Promise.all(
    (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map((pid) =>
      readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")
    )
  )
  return processes.filter((line) => line.includes(dataDir)).length
}

const until = async (condition: () => boolean | Promise<boolean>) => {
  for (let i = 0; i < 600; i++) {
    if (await condition()) return
    await sleep(50)
  }
  assert.fail("Not within 30 s")
}

describe.runIf(process.platform === "linux")("The crash driver", () => {
  it("compares what it has and says so when it is interrupted, and leaves no server behind", async () => {
    const { exited, output, pid } = driver()
    try {
      await until(() => /in \/\S+/.test(output()))
      const dataDir = /in (\/\S+)/.exec(output())![1]!
      await until(async () => await serversIn(dataDir) > 0)
      await sleep(3_000)
      process.kill(-pid, "SIGINT")
      assert.strictEqual(await exited, 130, output())
      assert.match(output(), /ended by itself +0/)
      assert.match(output(), /lost +0/)
      assert.strictEqual(await serversIn(dataDir), 0)
      assert.isFalse(await access(dataDir).then(() => true, () => false), output())
    } finally {
      try {
        process.kill(-pid, "SIGKILL")
      } catch {
        // It has ended.
      }
    }
  }, patience(120_000))

  it("leaves no server behind when it is killed itself", async () => {
    const { exited, output, pid } = driver()
    await until(() => /in \/\S+/.test(output()))
    const dataDir = /in (\/\S+)/.exec(output())![1]!
    try {
      await until(async () => await serversIn(dataDir) > 0)
      process.kill(-pid, "SIGKILL")
      await exited
      await until(async () => await serversIn(dataDir) === 0)
    } finally {
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    }
  }, patience(120_000))
})

describe("A server that is killed at random moments", () => {
  survives("PGlite", () => Promise.resolve(undefined))
  survives("PostgreSQL", () => freshDatabase())
})
