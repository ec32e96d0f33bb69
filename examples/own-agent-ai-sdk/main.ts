/**
 * Stoa with an agent of the AI SDK. It takes the words that `stoa` takes:
 * `npx tsx examples/own-agent-ai-sdk/main.ts serve --port 8000`.
 */
import { main } from "../../src/cli/Program.ts"
import { weather } from "./Weather.ts"

main(process.argv.slice(2), { agents: [weather] })
