/** The server of this project. It takes the words that `stoa` takes: `npm run stoa -- --help`. */
import { existsSync } from "node:fs"
import { main } from "stoa"
import { extensions } from "./extensions.ts"

if (existsSync(".env")) process.loadEnvFile(".env")

main(process.argv.slice(2), extensions)
