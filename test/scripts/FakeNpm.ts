/** A clone with a few packages, and an npm that installs them slowly, takes them back when interrupted, and keeps a wrong account. */
import { type ChildProcess, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

export const packages = Array.from({ length: 12 }, (_, i) => `package-${i}`)

const version = "1.0.0"

/** Says that all is there before it is, as npm's account does after an interrupted roll-back; a second one beside it leaves `clash`. */
const npm = `
const fs = require("node:fs")
const names = ${JSON.stringify(packages)}
fs.appendFileSync("calls", "call\\n")
try { fs.writeFileSync("busy", "", { flag: "wx" }) } catch { fs.writeFileSync("clash", "") }
const leave = (code) => { fs.rmSync("busy", { force: true }); process.exit(code) }
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const folder = (name) => "node_modules/" + name
let stopped = false
const undo = async () => {
  stopped = true
  for (const name of names) { fs.rmSync(folder(name), { recursive: true, force: true }); await sleep(10) }
  leave(130)
}
process.on("SIGINT", undo)
process.on("SIGTERM", undo)
const main = async () => {
  if (fs.existsSync("node_modules/.package-lock.json")) return leave(0)
  fs.writeFileSync("node_modules/.package-lock.json", "{}")
  for (const name of names) {
    await sleep(20)
    if (stopped) return
    fs.mkdirSync(folder(name), { recursive: true })
    fs.writeFileSync(folder(name) + "/package.json", JSON.stringify({ name, version: "${version}" }))
  }
  leave(0)
}
main()
`

const scripts = resolve(import.meta.dirname, "../../scripts")

export const makeClone = () => {
  const folder = mkdtempSync(join(tmpdir(), "stoa-clone-"))
  const dependencies = Object.fromEntries(packages.map((name) => [name, version]))
  cpSync(scripts, join(folder, "scripts"), { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ engines: { node: ">=20.19" }, dependencies }))
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({
      packages: {
        "": { dependencies },
        ...Object.fromEntries(packages.map((name) => [`node_modules/${name}`, { version }]))
      }
    })
  )
  mkdirSync(join(folder, "npm"))
  const npmPath = join(folder, "npm", "npm-cli.js")
  writeFileSync(npmPath, npm)
  const children = new Set<ChildProcess>()
  return {
    path: (name: string) => join(folder, name),
    has: (name: string) => existsSync(join(folder, name)),
    remove: () => {
      for (const child of children) child.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    },
    isWhole: () => packages.every((name) => existsSync(join(folder, "node_modules", name, "package.json"))),
    calls: () =>
      existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8").split("\n").length - 1 : 0,
    /** Starts the install as `npm start` does. */
    install: () => {
      const child = spawn(process.execPath, [join(folder, "scripts", "build.mjs"), "--install"], {
        env: { ...process.env, npm_execpath: npmPath, npm_lifecycle_event: "" },
        stdio: ["ignore", "ignore", "pipe"]
      })
      children.add(child)
      let output = ""
      child.stderr.on("data", (chunk) => output += chunk)
      const ended = new Promise<number | null>((done) => child.on("exit", (code) => done(code)))
      return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, output: () => output }
    }
  }
}

export type Clone = ReturnType<typeof makeClone>
