/**
 * Everything that must hold: types, Effect diagnostics, lint, format, unused
 * code, the build, and the tests. Arguments go to vitest.
 */
import { install } from "./install.mjs"
import { build } from "./ready.mjs"
import { followNpm, piped, run, tool } from "./run.mjs"

const say = (line) => process.stdout.write(`${line}\n`)

const color = process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }
const env = { ...process.env, ...color }
const node = (...args) => run(process.execPath, args, { stdio: piped, env })

const failed = []

/** Runs one check and says how it went and how long it took. */
const check = async (name, work) => {
  const since = performance.now()
  const { code, output } = await work()
  const took = `${((performance.now() - since) / 1000).toFixed(1)} s`.padStart(7)
  if (code === 0) return say(`  ok      ${name.padEnd(10)} ${took}`)
  failed.push(name)
  say(`  FAILED  ${name.padEnd(10)} ${took}`)
  if (output.trim() !== "") say(`\n${output.trimEnd().replaceAll(/^(?=.)/gm, "    ")}\n`)
}

const effect = ["diagnostics", "--project", "tsconfig.json", "--format", "text", "--strict"]

followNpm()
await install()

say("Checking ...")
// Two chains, one for each heavy program: the types and the build first, the quick ones beside them.
await Promise.all([
  check("build", () => build({ quiet: true }))
    .then(() => check("types", () => node(tool.tsc, "--noEmit", "-p", "tsconfig.json")))
    .then(() => check("dashboard", () => node(tool.tsc, "--noEmit", "-p", "dashboard"))),
  check("lint", () => node(tool.oxlint, "src", "test", "bench", "examples", "scripts", "templates", "dashboard/src"))
    .then(() => check("format", () => node(tool.dprint, "check")))
    .then(() => check("effect", () => node(tool.effect, ...effect)))
    .then(() => check("unused", () => node(tool.knip)))
])

const vitest = [tool.vitest, "run", ...process.argv.slice(2)]
if (failed.includes("build")) say("  no tests are run: they need the build")
else await check("tests", () => run(process.execPath, vitest, { stdio: "inherit" }))

if (failed.length > 0) say(`\nFailed: ${failed.join(", ")}`)
process.exitCode = failed.length > 0 ? 1 : 0
