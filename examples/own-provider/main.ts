/**
 * Stoa with one provider more. It takes the words that `stoa` takes:
 * `npx tsx examples/own-provider/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import * as Oracle from "./Oracle.ts"

main(process.argv.slice(2), { providers: [Oracle.provider] })
