/**
 * Stoa with a retriever for the agents whose definitions name it:
 * `npx tsx examples/own-retriever/main.ts serve --definitions-dir my/folder`.
 */
import { main } from "../../src/cli/Program.ts"
import { shop } from "./Shelf.ts"

main(process.argv.slice(2), { retrievers: [shop] })
