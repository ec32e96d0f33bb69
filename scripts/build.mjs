/** Brings node_modules and dist up to date; with `--install`, node_modules only. */
import { install } from "./install.mjs"
import { ready } from "./ready.mjs"
import { followNpm } from "./run.mjs"

followNpm()
await (process.argv.includes("--install") ? install() : ready({ all: true }))
