/** Stoa with a hook around what its channels are asked: `npx tsx examples/own-hook/main.ts serve`. */
import { main } from "../../src/cli/Program.ts"
import { manners } from "./Manners.ts"

main(process.argv.slice(2), { hooks: [manners] })
