/**
 * Stoa with one protocol more. It takes the words that `stoa` takes:
 * `LETTERS_SECRET=… LETTERS_REPLY_TO=http://… LETTERS_OWNER=ada LETTERS_AGENT=… npx tsx examples/own-channel/main.ts serve`.
 */
import { main } from "../../src/cli/Program.ts"
import { letters } from "./Letters.ts"

const { LETTERS_AGENT = "", LETTERS_OWNER = "", LETTERS_REPLY_TO = "", LETTERS_SECRET = "" } = process.env

main(process.argv.slice(2), {
  channels: [
    letters({ owner: LETTERS_OWNER, agent: LETTERS_AGENT, secret: LETTERS_SECRET, replyTo: LETTERS_REPLY_TO })
  ]
})
