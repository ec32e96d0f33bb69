/**
 * The official conformance suite for MCP clients, against a Stoa of the last build: `npm run test:mcp`. Both are needed
 * from the registry: the suite, and the Node that it wants, which is not ours. `-- --suite auth` runs another part.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const suite = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
const node = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}@22.23.3`

/** What each revision of the protocol requires of a client, as the suite has frozen it. */
const revisions = ["2025-11-25", "2026-07-28"]

const root = resolve(import.meta.dirname, "..")
const tools = join(tmpdir(), "stoa-mcp-conformance")
const entry = join(tools, "node_modules/@modelcontextprotocol/conformance/dist/index.js")
const newer = join(tools, "node_modules", node.slice(0, node.lastIndexOf("@")), "bin/node")

if (!existsSync(entry) || !existsSync(newer)) {
  const args = ["install", "--prefix", tools, "--ignore-scripts", "--no-audit", "--no-fund", suite, node]
  if (spawnSync("npm", args, { stdio: "inherit" }).status !== 0) process.exit(1)
}

const freePort = () =>
  new Promise((done) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })

const work = mkdtempSync(join(tmpdir(), "stoa-conformance-"))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const server = spawn(process.execPath, [join(root, "dist/cli/main.js"), "serve", "--port", `${port}`], {
  cwd: work,
  env: { ...process.env, STOA_DATA_DIR: join(work, "data") },
  stdio: ["ignore", "ignore", "inherit"]
})

/** One line for each scenario: its checks by status, and what failed. */
const summaryOf = (folder) =>
  readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory()).flatMap((one) => {
    const at = join(folder, one.name)
    const file = join(at, "checks.json")
    if (!existsSync(file)) return summaryOf(at).map((found) => ({ ...found, name: `${one.name}/${found.name}` }))
    const checks = JSON.parse(readFileSync(file, "utf8"))
    const count = (status) => checks.filter((check) => check.status === status).length
    return [{
      name: one.name.replace(/-\d{4}-\d{2}-\d{2}T.*$/, ""),
      success: count("SUCCESS"),
      warnings: checks.filter(({ status }) => status === "WARNING").map(({ errorMessage, id }) => errorMessage ?? id),
      failures: checks.filter(({ status }) => status === "FAILURE").map(({ errorMessage, id }) => errorMessage ?? id)
    }]
  })

let isGood = true
try {
  for (let tries = 0;; tries++) {
    if (await fetch(`${url}/readiness`).then(({ ok }) => ok, () => false)) break
    if (tries > 300) throw new Error("The server does not begin. Is it built?")
    await sleep(100)
  }
  const given = process.argv.slice(2)
  for (const args of given.length > 0 ? [given] : revisions.map((revision) => ["--requirements", revision])) {
    const out = join(work, args.at(-1).replaceAll("/", "-"))
    const run = spawn(newer, [
      entry,
      "client",
      "--command",
      `${process.execPath} ${join(import.meta.dirname, "mcp-conformance-client.mjs")}`,
      "--timeout",
      "120000",
      "-o",
      out,
      ...args
    ], {
      cwd: work,
      env: { ...process.env, STOA_CONFORMANCE_URL: url },
      stdio: given.length > 0 ? "inherit" : "ignore"
    })
    const code = await new Promise((done) => run.on("exit", done))
    const rows = summaryOf(out)
    console.log(
      `\n${args.join(" ")}: ${rows.length} scenarios, ${rows.filter((row) => row.failures.length > 0).length} fail`
    )
    for (const { failures, name, success, warnings } of rows) {
      console.log(`${failures.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(50)} ${success} checks`)
      for (const text of failures) console.log(`       failure: ${text}`)
      for (const text of warnings) console.log(`       warning: ${text}`)
    }
    if (code !== 0) isGood = false
  }
} finally {
  server.kill("SIGTERM")
  await new Promise((done) => server.exitCode === null ? server.on("exit", done) : done())
  rmSync(work, { recursive: true, force: true })
}
process.exit(isGood ? 0 : 1)
