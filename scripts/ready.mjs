/**
 * Makes a clone ready to run: installs what is missing, builds what has changed.
 * Needs nothing but Node, since it runs before the first install.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as dashboard from "./dashboard.mjs"
import { install } from "./install.mjs"
import { locked } from "./lock.mjs"
import { at, json, piped, read, root, run, say, seconds, stop, tool } from "./run.mjs"

/** Every file below `folder`, as sorted paths from the root. */
const files = (folder) =>
  fs.readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll("\\", "/"))
    .toSorted()

const done = { code: 0, output: "" }

/** A new database, packed for quick first starts. */
const snapshot = "dist/layers/Sql/pglite/pglite.tar.br"

/** What the server serves of development tools: the one file that it needs of each, so that it runs without them. */
const vendored = { "dist/http/redoc.standalone.js": "node_modules/redoc/bundles/redoc.standalone.js" }

/** Names what the packed database is made by: PGlite, and the migrations. */
const packedBy = () => {
  const hash = createHash("sha256").update(json("node_modules/@electric-sql/pglite/package.json")?.version ?? "")
  for (const file of [...files("src/layers/Sql/migrations"), "src/layers/Sql/pglite/Pack.ts"]) {
    hash.update(read(file))
  }
  return hash.digest("hex")
}

const pack = async () => {
  const stamp = at("node_modules/.cache/stoa-pglite")
  const by = packedBy()
  if (fs.existsSync(at(snapshot)) && fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === by) return done
  const script =
    "Promise.all([import(process.argv[1]), import(\"effect\")]).then(([{ write }, { Effect }]) => Effect.runPromise(write))"
  const packer = pathToFileURL(at("dist/bin/pack.js")).href
  const { code } = await run(process.execPath, ["-e", script, packer], { stdio: ["ignore", 2, 2] })
  if (code !== 0) return { code, output: "The new database could not be packed.\n" }
  fs.mkdirSync(path.dirname(stamp), { recursive: true })
  fs.writeFileSync(stamp, by)
  return done
}

const isSource = (file) => /(?<!\.d)\.ts$/.test(file)

/** Where a file of src ends up. */
const built = (file) => file.replace(/^src\//, "dist/").replace(/(?<!\.d)\.ts$/, ".js")

const sourceFiles = () => files("src").filter((file) => !file.endsWith(".tar.br"))

const copyOthers = (sources) => {
  for (const file of sources) {
    if (file.endsWith(".ts")) continue
    fs.mkdirSync(path.dirname(at(built(file))), { recursive: true })
    fs.copyFileSync(at(file), at(built(file)))
  }
  for (const [file, from] of Object.entries(vendored)) {
    fs.mkdirSync(path.dirname(at(file)), { recursive: true })
    fs.copyFileSync(at(from), at(file))
  }
}

/** What no source stands for any more goes, so that dist is always what src says. */
const removeOld = (sources) => {
  const kept = new Set(
    sources.flatMap((file) =>
      isSource(file) ? [built(file), `${built(file)}.map`, built(file).replace(/js$/, "d.ts")] : [built(file)]
    )
  )
  const isOthers = (file) => file.startsWith("dist/bin/") || file.startsWith(`${dashboard.folder}/`)
  for (const file of files("dist")) {
    if (!kept.has(file) && !(file in vendored) && file !== snapshot && !isOthers(file)) fs.rmSync(at(file))
  }
}

/** What the program and the modules are made by, beside their sources. */
const ofServer = ["tsconfig.json", "tsconfig.build.json", "scripts/ready.mjs", "scripts/bundle.mjs"]

/** What is made of the sources, in order. Each is made again when anything that it is made of has changed. */
const parts = {
  /** The program that `npm start` runs, and the files that it reads. */
  program: {
    stamp: "dist/bin/.stamp",
    sources: sourceFiles,
    others: ofServer,
    make: async (sources) => {
      copyOthers(sources)
      const { bundle } = await import("./bundle.mjs")
      const bundled = await bundle()
      return bundled.code === 0 ? pack() : bundled
    }
  },
  /** The pages that the program serves. */
  dashboard: {
    stamp: `${dashboard.folder}/.stamp`,
    sources: () => [...dashboard.sourceFolders.flatMap(files), ...dashboard.sourceFiles],
    others: ["scripts/dashboard.mjs"],
    make: dashboard.build
  },
  /** The modules that other programs import, with their types. */
  modules: {
    stamp: "dist/.stamp",
    sources: sourceFiles,
    others: ofServer,
    make: async (sources) => {
      const compiled = await run(process.execPath, [tool.tsc, "-p", "tsconfig.build.json"], { stdio: piped })
      if (compiled.code === 0) removeOld(sources)
      return compiled
    }
  }
}

/** Names the state of everything a part is made of. */
const fingerprint = ({ others, sources }) => {
  const hash = createHash("sha256")
  for (const file of [...sources(), ...others, "package-lock.json"]) {
    if (fs.existsSync(at(file))) hash.update(file).update("\0").update(fs.readFileSync(at(file))).update("\0")
  }
  return hash.digest("hex")
}

const isMade = (part) => fs.existsSync(at(part.stamp)) && read(part.stamp) === fingerprint(part)

const buildLocked = async (wanted, quiet) => {
  // Another process may have built it while this one waited.
  const missing = wanted.filter((part) => !isMade(part))
  if (missing.length === 0) return done
  const since = performance.now()
  if (!quiet) say("Building ...")
  for (const part of missing) {
    const by = fingerprint(part)
    fs.rmSync(at(part.stamp), { force: true })
    const { code, output } = await part.make(part.sources())
    if (code !== 0) return { code, output }
    fs.writeFileSync(at(part.stamp), by)
  }
  if (!quiet) say(`Built in ${seconds(since)}.`)
  return done
}

const made = (wanted, quiet) => wanted.every(isMade) ? Promise.resolve(done) : locked(() => buildLocked(wanted, quiet))

/**
 * Makes in dist what has changed since the last build. Answers an exit code, and
 * the messages of what failed.
 */
export const build = ({ quiet = false } = {}) => made(Object.values(parts), quiet)

/** Installs, and makes the program and its dashboard, or all that there is to make; or ends the process. */
export const ready = async ({ all = false, quiet = false } = {}) => {
  await install()
  const { code, output } = await (all ? build({ quiet }) : made([parts.program, parts.dashboard], quiet))
  if (code !== 0) stop(`${output}The build failed: see the messages above.`)
}
