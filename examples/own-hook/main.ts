/** Stoa with hooks around what its channels are asked and what its agents do: `npx tsx examples/own-hook/main.ts serve`. */
import { main } from "../../src/cli/Program.ts"
import { audit } from "./Audit.ts"
import { manners } from "./Manners.ts"

main(process.argv.slice(2), { hooks: [manners, audit] })
