/**
 * Makes a clone ready to run: installs what is missing, builds what has changed.
 * Needs nothing but Node, since it runs before the first install.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { install } from "./install.mjs"
import { locked } from "./lock.mjs"
import { at, json, piped, read, root, run, say, seconds, stop, tool } from "./run.mjs"

/** Every file below `folder`, as sorted paths from the root. */
const files = (folder) =>
  fs.readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll("\\", "/"))
    .toSorted()

const stampFile = "dist/.stamp"

/** A new database, packed for quick first starts. */
const snapshot = "dist/layers/Sql/pglite/pglite.tar.br"

/** What the server serves of development tools: the one file that it needs of each, so that it runs without them. */
const vendored = { "dist/http/redoc.standalone.js": "node_modules/redoc/bundles/redoc.standalone.js" }

/** Names what the packed database is made by: PGlite, and the migrations. */
const packedBy = () => {
  const hash = createHash("sha256").update(json("node_modules/@electric-sql/pglite/package.json")?.version ?? "")
  for (const file of [...files("dist/layers/Sql/migrations"), "dist/layers/Sql/pglite/Pack.js"]) {
    hash.update(read(file))
  }
  return hash.digest("hex")
}

const pack = async () => {
  const packer = at("dist/layers/Sql/pglite/Pack.js")
  const stamp = at("node_modules/.cache/stoa-pglite")
  if (!fs.existsSync(packer)) return true
  const by = packedBy()
  if (fs.existsSync(at(snapshot)) && fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === by) return true
  const script =
    "Promise.all([import(process.argv[1]), import(\"effect\")]).then(([{ write }, { Effect }]) => Effect.runPromise(write))"
  const { code } = await run(process.execPath, ["-e", script, pathToFileURL(packer).href], { stdio: ["ignore", 2, 2] })
  fs.mkdirSync(path.dirname(stamp), { recursive: true })
  if (code === 0) fs.writeFileSync(stamp, by)
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

const isBuilt = (stamp) =>
  fs.existsSync(at(stampFile)) && read(stampFile) === stamp && fs.existsSync(at("dist/cli/main.js"))

const done = { code: 0, output: "" }

const buildLocked = async (quiet) => {
  const sources = files("src").filter((file) => !file.endsWith(".tar.br"))
  const stamp = fingerprint(sources)
  // Another process may have built it while this one waited.
  if (isBuilt(stamp)) return done
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
  for (const [file, from] of Object.entries(vendored)) fs.copyFileSync(at(from), at(file))
  // What no source stands for any more goes, so that dist is always what src says.
  const kept = new Set(
    sources.flatMap((file) =>
      isSource(file) ? [built(file), `${built(file)}.map`, built(file).replace(/js$/, "d.ts")] : [built(file)]
    )
  )
  for (const file of files("dist")) if (!kept.has(file) && !(file in vendored) && file !== snapshot) fs.rmSync(at(file))
  if (!(await pack())) return { code: 1, output: "The new database could not be packed.\n" }
  if (fs.existsSync(at("dist/cli/main.js"))) fs.chmodSync(at("dist/cli/main.js"), 0o755)
  fs.writeFileSync(at(stampFile), stamp)
  if (!quiet) say(`Built in ${seconds(since)}.`)
  return compiled
}

/**
 * Compiles src to dist and copies its other files, if any has changed since the
 * last build. Answers the compiler's exit code and messages.
 */
export const build = ({ quiet = false } = {}) =>
  isBuilt(fingerprint(files("src").filter((file) => !file.endsWith(".tar.br"))))
    ? Promise.resolve(done)
    : locked(() => buildLocked(quiet))

/** Installs and builds, or ends the process. */
export const ready = async (options) => {
  await install()
  const { code, output } = await build(options)
  if (code !== 0) stop(`${output}The build failed: see the messages above.`)
}
