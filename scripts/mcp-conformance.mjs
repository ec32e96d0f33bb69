/**
 * The official conformance suite of MCP, against a Stoa as a client and as a server: `npm run test:mcp`, after a build. Both
 * are needed from the registry: the suite, and the Node that it wants, which is not ours. `-- client --suite auth` and
 * `-- server --scenario ping` run another part.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer as createProxy, request } from "node:http"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const suite = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
const node = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}@22.23.3`

/** What each revision of the protocol requires of a client and of a server, as the suite has frozen it. */
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

/** Starts a server, and waits until it answers. */
const started = async (name, program) => {
  const port = await freePort()
  const child = spawn(process.execPath, [...program, "serve", "--port", `${port}`], {
    cwd: root,
    env: { ...process.env, STOA_DATA_DIR: join(work, name) },
    stdio: ["ignore", "ignore", "inherit"]
  })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0;; tries++) {
    if (await fetch(`${url}/readiness`).then(({ ok }) => ok, () => false)) return { child, port, url }
    if (tries > 3000) throw new Error(`The server for the ${name} does not begin. Is it built?`)
    await sleep(100)
  }
}

/** The suite says of nobody who asks: what comes through here is said to be of one user. Nothing else of it is changed. */
const naming = (port) =>
  new Promise((done) => {
    const proxy = createProxy((incoming, outgoing) => {
      const { method, url: path } = incoming
      const headers = { ...incoming.headers, "x-user-id": "suite" }
      const passed = request({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers)
        answer.pipe(outgoing)
      })
      passed.on("error", () => outgoing.destroy())
      outgoing.on("close", () => passed.destroy())
      incoming.pipe(passed)
    })
    proxy.listen(0, "127.0.0.1", () => done(proxy))
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

const [part, ...more] = process.argv.slice(2)
const parts = part === undefined ? ["client", "server"] : [part]
const asked = more.length > 0 ? [more] : revisions.map((revision) => ["--requirements", revision])

/** Runs the suite once, and answers whether all that counts was good. */
const judged = async (part, args, env = {}) => {
  const out = join(work, `${part}-${args.at(-1).replaceAll("/", "-")}`)
  const run = spawn(newer, [entry, ...args, "-o", out], {
    cwd: work,
    env: { ...process.env, ...env },
    stdio: more.length > 0 ? "inherit" : "ignore"
  })
  const code = await new Promise((done) => run.on("exit", done))
  const rows = summaryOf(out)
  const failing = rows.filter((row) => row.failures.length > 0).length
  console.log(`\n${part} ${args.slice(-2).join(" ")}: ${rows.length} scenarios, ${failing} fail`)
  for (const { failures, name, success, warnings } of rows) {
    console.log(`${failures.length === 0 ? "ok  " : "FAIL"} ${name.padEnd(50)} ${success} checks`)
    for (const text of failures) console.log(`       failure: ${text}`)
    for (const text of warnings) console.log(`       warning: ${text}`)
  }
  console.log(code === 0 ? "All that the revision requires is good." : "Something that the revision requires is not.")
  return code === 0
}

let isGood = true
const running = []
const proxies = []
try {
  if (parts.includes("client")) {
    const { child, url } = await started("client", [join(root, "dist/bin/stoa.js")])
    running.push(child)
    const command = `${process.execPath} ${join(import.meta.dirname, "mcp-conformance-client.mjs")}`
    for (const args of asked) {
      const good = await judged("client", ["client", "--command", command, "--timeout", "120000", ...args], {
        STOA_CONFORMANCE_URL: url
      })
      isGood &&= good
    }
  }
  if (parts.includes("server")) {
    const program = ["--import", "tsx", join(import.meta.dirname, "mcp-conformance-server.mjs")]
    const { child, port } = await started("server", program)
    running.push(child)
    const proxy = await naming(port)
    proxies.push(proxy)
    const url = `http://127.0.0.1:${proxy.address().port}/conformance`
    for (const args of asked) {
      const good = await judged("server", ["server", "--url", url, ...args])
      isGood &&= good
    }
  }
} finally {
  for (const proxy of proxies) {
    proxy.close()
    proxy.closeAllConnections()
  }
  for (const child of running) {
    child.kill("SIGTERM")
    await new Promise((done) => child.exitCode === null ? child.on("exit", done) : done())
  }
  rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
}
process.exit(isGood ? 0 : 1)
