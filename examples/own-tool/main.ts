/**
 * Stoa with one tool more, for every agent. It takes the words that `stoa` takes:
 * `npx tsx examples/own-tool/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import { dice } from "./Dice.ts"

main(process.argv.slice(2), { tools: [dice] })
