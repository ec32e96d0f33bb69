/**
 * Makes a clone ready to run: installs what is missing, builds what has changed.
 * Needs nothing but Node, since it runs before the first install.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

const at = (...parts) => path.join(root, ...parts)
const read = (file) => fs.readFileSync(at(file), "utf8")
const json = (file) => fs.existsSync(at(file)) ? JSON.parse(read(file)) : undefined
const say = (line) => process.stderr.write(`${line}\n`)
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Ends the process with one line for the person in front of it. */
const stop = (line) => {
  say(line)
  process.exit(1)
}

/** Runs to the end and answers the exit code with what was printed, if that was piped. */
export const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options })
    let output = ""
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout?.setEncoding("utf8").on("data", keep)
    child.stderr?.setEncoding("utf8").on("data", keep)
    child.once("error", reject)
    child.once("close", (code) => resolve({ code: code ?? 1, output }))
  })

export const piped = ["ignore", "pipe", "pipe"]

/** The packages' own command-line programs, run with this Node. */
export const tool = {
  tsc: at("node_modules/typescript/bin/tsc"),
  effect: at("node_modules/@effect/tsgo/dist/effect-tsgo.cjs"),
  oxlint: at("node_modules/oxlint/bin/oxlint"),
  dprint: at("node_modules/dprint/bin.cjs"),
  knip: at("node_modules/knip/bin/knip.js"),
  vitest: at("node_modules/vitest/vitest.mjs")
}

const entries = (record = {}) => JSON.stringify(Object.entries(record).toSorted())

/** True when node_modules holds the versions that the lock file names, and the lock file is package.json's. */
const isInstalled = () => {
  const wanted = json("package.json")
  const lock = json("package-lock.json")?.packages
  const present = json("node_modules/.package-lock.json")?.packages
  if (lock === undefined || present === undefined) return false
  return ["dependencies", "devDependencies", "optionalDependencies"]
    .every((kind) => entries(lock[""]?.[kind]) === entries(wanted[kind])) &&
    Object.entries(lock).every(([name, { devOptional, optional, version }]) =>
      name === "" || (present[name] === undefined ? optional || devOptional : present[name].version === version)
    )
}

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  const [, needsMajor, needsMinor] = /(\d+)\.(\d+)/.exec(json("package.json").engines.node).map(Number)
  if (major < needsMajor || (major === needsMajor && minor < needsMinor)) {
    stop(`Stoa needs Node ${needsMajor}.${needsMinor} or newer; this is ${process.versions.node}.`)
  }
}

/** Installs the packages if any is missing or not the version that is locked. */
export const install = async () => {
  checkNode()
  if (isInstalled()) return
  const since = performance.now()
  say("Installing packages ...")
  // Under npm its own path is known; otherwise it is the npm on the PATH.
  const args = ["install", "--no-audit", "--no-fund", "--include=dev"]
  const npm = process.env.npm_execpath ?? ""
  const stdio = ["ignore", 2, 2]
  const { code } = await (/npm-cli\.c?js$/.test(npm)
    ? run(process.execPath, [npm, ...args], { stdio })
    : run("npm", args, { stdio, shell: process.platform === "win32" }))
  if (code !== 0) stop("The packages could not be installed: see npm's message above.")
  say(`Installed in ${seconds(since)}.`)
}

/** Every file below `folder`, as sorted paths from the root. */
const files = (folder) =>
  fs.readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll("\\", "/"))
    .toSorted()

const stampFile = "dist/.stamp"

/** An empty database, packed for quick first starts; made once for a version of PGlite. */
const snapshot = "dist/layers/Sql/pglite/pglite.tar.br"

const pack = async () => {
  const writer = at("dist/layers/Sql/pglite/Snapshot.js")
  const version = json("node_modules/@electric-sql/pglite/package.json")?.version
  const stamp = at("node_modules/.cache/stoa-pglite")
  if (!fs.existsSync(writer)) return true
  if (fs.existsSync(at(snapshot)) && fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === version) return true
  const script =
    "Promise.all([import(process.argv[1]), import(\"effect\")]).then(([{ write }, { Effect }]) => Effect.runPromise(write()))"
  const { code } = await run(process.execPath, ["-e", script, pathToFileURL(writer).href], { stdio: ["ignore", 2, 2] })
  fs.mkdirSync(path.dirname(stamp), { recursive: true })
  if (code === 0) fs.writeFileSync(stamp, version)
  return code === 0
}

const isSource = (file) => /(?<!\.d)\.ts$/.test(file)

/** Where a file of src ends up. */
const built = (file) => file.replace(/^src\//, "dist/").replace(/(?<!\.d)\.ts$/, ".js")

/** Names the state of everything a build depends on. */
const fingerprint = (sources) => {
  const hash = createHash("sha256")
  for (const file of [...sources, "tsconfig.json", "tsconfig.build.json", "package-lock.json", "scripts/ready.mjs"]) {
    if (fs.existsSync(at(file))) hash.update(file).update("\0").update(fs.readFileSync(at(file))).update("\0")
  }
  return hash.digest("hex")
}

/**
 * Compiles src to dist and copies its other files, if any has changed since the
 * last build. Answers the compiler's exit code and messages.
 */
export const build = async ({ quiet = false } = {}) => {
  const sources = files("src").filter((file) => !file.endsWith(".tar.br"))
  const stamp = fingerprint(sources)
  if (fs.existsSync(at(stampFile)) && read(stampFile) === stamp && fs.existsSync(at("dist/cli/main.js"))) {
    return { code: 0, output: "" }
  }
  const since = performance.now()
  if (!quiet) say("Building ...")
  fs.rmSync(at(stampFile), { force: true })
  const compiled = await run(process.execPath, [tool.tsc, "-p", "tsconfig.build.json"], { stdio: piped })
  if (compiled.code !== 0) return compiled
  for (const file of sources) {
    if (file.endsWith(".ts")) continue
    fs.mkdirSync(path.dirname(at(built(file))), { recursive: true })
    fs.copyFileSync(at(file), at(built(file)))
  }
  // What no source stands for any more goes, so that dist is always what src says.
  const kept = new Set(sources.flatMap((file) => isSource(file) ? [built(file), `${built(file)}.map`] : [built(file)]))
  for (const file of files("dist")) if (!kept.has(file) && file !== snapshot) fs.rmSync(at(file))
  if (!(await pack())) return { code: 1, output: "The empty database could not be packed.\n" }
  if (fs.existsSync(at("dist/cli/main.js"))) fs.chmodSync(at("dist/cli/main.js"), 0o755)
  fs.writeFileSync(at(stampFile), stamp)
  if (!quiet) say(`Built in ${seconds(since)}.`)
  return compiled
}

/** Installs and builds, or ends the process. */
export const ready = async (options) => {
  await install()
  const { code, output } = await build(options)
  if (code !== 0) stop(`${output}The build failed: see the messages above.`)
}
