/**
 * Runs a `stoa` command on an up-to-date build: `node scripts/stoa.mjs serve --port 9000`.
 * The command runs in this process, so signals and the exit code are its own.
 */
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { ready } from "./ready.mjs"
import { followNpm, root } from "./run.mjs"

const args = process.argv.slice(2)

followNpm()
await ready({ quiet: args[0] !== "serve" })

const main = path.join(root, "dist/bin/stoa.js")
process.argv = [process.argv[0], main, ...args]
await import(pathToFileURL(main).href)
