/**
 * Stoa with an agent that is code. It takes the words that `stoa` takes:
 * `npx tsx examples/own-agent/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import { storyteller } from "./Storyteller.ts"

main(process.argv.slice(2), { agents: [storyteller] })
