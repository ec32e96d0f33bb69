/**
 * Runs a `stoa` command on an up-to-date build: `node scripts/stoa.mjs serve --port 9000`.
 * The command runs in this process, so signals and the exit code are its own.
 */
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { ready, root } from "./ready.mjs"

/** Milliseconds between two looks at whether npm is still there. */
const lookEvery = 250

const args = process.argv.slice(2)

await ready({ quiet: args[0] !== "serve" })

// A killed npm cannot tell its script to stop, so a script of npm's follows it.
if (process.env.npm_lifecycle_event !== undefined) {
  const parent = process.ppid
  const looking = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(looking)
    process.kill(process.pid, "SIGTERM")
  }, lookEvery)
  looking.unref()
}

const main = path.join(root, "dist/cli/main.js")
process.argv = [process.argv[0], main, ...args]
await import(pathToFileURL(main).href)
