/** Brings node_modules and dist up to date; with `--install`, node_modules only. */
import { install, ready } from "./ready.mjs"

await (process.argv.includes("--install") ? install() : ready())
