/** Runs the benchmark against an up-to-date build: `npm run bench -- --json`. */
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { ready } from "./ready.mjs"
import { followNpm, root } from "./run.mjs"

followNpm()
await ready({ quiet: true })

const main = path.join(root, "bench/main.ts")
process.argv = [process.argv[0], main, ...process.argv.slice(2)]
const { register } = await import("tsx/esm/api")
register()
await import(pathToFileURL(main).href)
