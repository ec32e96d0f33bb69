/**
 * Stoa with paths and tasks of one's own. It takes the words that `stoa` takes:
 * `npx tsx examples/own-endpoint/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import { desk } from "./Desk.ts"
import { squares } from "./Squares.ts"

main(process.argv.slice(2), { endpoints: [desk], tasks: [squares] })
