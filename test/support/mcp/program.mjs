/** The server of the tests as a program that speaks a message a line. The first argument is its mode. */
import { appendFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { server } from "./behaviour.mjs"

const { SECRET_TOKEN } = process.env
const [, , mode = "good", log] = process.argv
const { handle } = server({ mode, env: SECRET_TOKEN === undefined ? {} : { SECRET_TOKEN } })
const raw = (text, then) => process.stdout.write(text, then)
const say = (message, then) =>
  raw((Array.isArray(message) ? message : [message]).map((one) => `${JSON.stringify(one)}\n`).join(""), then)

process.stderr.write("The server begins.\n")
createInterface({ input: process.stdin }).on("line", (line) => {
  if (log !== undefined) appendFileSync(log, `${line}\n`)
  handle(JSON.parse(line), { raw, say, die: () => process.exit(3) })
})
// The end of the input does not end it: somebody has to.
setInterval(() => {}, 1_000)
