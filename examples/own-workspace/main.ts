/**
 * Stoa with a place of its own for workspaces. It takes the words that `stoa` takes:
 * `npx tsx examples/own-workspace/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import { wrapped } from "./Wrapped.ts"

main(process.argv.slice(2), { workspaces: wrapped })
