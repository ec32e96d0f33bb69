/** Builds the dashboard to dist/dashboard, with compressed copies beside its files, so that the server compresses nothing. */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import { at, piped, run } from "./run.mjs"

/** What it is made of; of the server's sources, no more than the client. */
export const sourceFolders = ["dashboard/src", "dashboard/public", "src/http/client"]
export const sourceFiles = ["dashboard/index.html", "dashboard/vite.config.ts", "dashboard/package.json"]

export const folder = "dist/dashboard"

/** Smaller files gain nothing by it. */
const leastBytes = 1024

const gzip = promisify(zlib.gzip)
const brotli = promisify(zlib.brotliCompress)

const compress = async () => {
  const names = fs.readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(css|js|svg)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
  await Promise.all(names.map(async (name) => {
    const bytes = fs.readFileSync(name)
    if (bytes.length < leastBytes) return
    fs.writeFileSync(`${name}.gz`, await gzip(bytes, { level: 9 }))
    fs.writeFileSync(`${name}.br`, await brotli(bytes))
  }))
}

/** The dashboard has a Vite of its own: the one of the tests is another. */
const vite = () =>
  path.join(path.dirname(createRequire(at("dashboard/package.json")).resolve("vite/package.json")), "bin/vite.js")

/** Answers the exit code and the messages. */
export const build = async () => {
  const built = await run(process.execPath, [vite(), "build", "--logLevel", "warn"], {
    cwd: at("dashboard"),
    stdio: piped
  })
  if (built.code !== 0) return built
  await compress()
  return built
}
