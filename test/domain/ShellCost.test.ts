/** What it costs to judge commands that are made to cost. */
import { assert, describe, it } from "@effect/vitest"
import { addRules, permissionContext } from "../../src/domain/Permission.ts"
import { decide } from "../../src/domain/permission/Decide.ts"

/** The longest command that is looked at, in characters. */
const size = 4 * 1024

const pieces = [
  ..."$( ${ $(( $[ ` ' \" ( { (( [[ <( >( $' $\" ?( @( {a, {1.. ~ * ? [ ! | & ; && || < > << <<- <<< 2>&1 {a}> a= a=( a[ $a \\ #"
    .split(" "),
  "a|",
  "a||a\n",
  "a&",
  "a;a||",
  "case a in ",
  "if a;then ",
  "while a;do ",
  "f(){ ",
  "<<E\n",
  "<<'E'\n",
  "echo $(",
  "a=$((1+",
  "$((a[",
  "\"$(",
  "\\\n"
]

const closers = ["", ")", "}", "))", "]", "]]", "`", "'", "\"", "\nE\n"]

const around = [["$(", ")"], ["${a:-", "}"], ["((", "))"], ["\"", "\""], ["[[ a =~ ", " ]]"]] as const

/** The pieces one after the other, nested, and inside of something. */
const inputs = (length: number) =>
  pieces.flatMap((piece) => [
    ...closers.map((closer) => {
      const count = Math.floor(length / (piece.length + closer.length))
      return `${piece.repeat(count)}${closer.repeat(count)}`
    }),
    ...around.map(([open, close]) =>
      `${open}${piece.repeat(Math.floor((length - open.length - close.length) / piece.length))}${close}`
    )
  ])

const context = addRules(permissionContext("accept_edits"), [
  { tool_name: "Bash", rule_content: "rm:*", behavior: "deny", source: "user" },
  { tool_name: "Bash", rule_content: "*a*b*c*", behavior: "ask", source: "user" },
  { tool_name: "Bash", rule_content: "npm test:*", behavior: "allow", source: "user" }
])

const judge = (command: string) =>
  decide(context, { name: "Bash", input: JSON.stringify({ command }), effect: "write", own: true }, { cwd: "/work" })
    .decision

/** CPU time in milliseconds: the least of three, for the threads of the garbage collector count as well. */
const costOf = (command: string) => {
  let least = Infinity
  for (let round = 0; round < 3 && least > 50; round++) {
    const before = process.cpuUsage()
    judge(command)
    const { system, user } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

describe("A command that is made to cost", () => {
  it("keeps the main thread for less than 100 ms, also when it is much too long", { timeout: 120_000 }, () => {
    for (const command of inputs(size)) judge(command)
    const slow = [size, 64 * 1024].flatMap((length) =>
      inputs(length).flatMap((command) => {
        const cost = costOf(command)
        return cost > 100 ? [`${cost} ms: ${JSON.stringify(command.slice(0, 30))}, ${length} characters`] : []
      })
    )
    assert.deepStrictEqual(slow, [])
  })

  it("is not allowed when it cannot be understood, and a rule that denies still holds", () => {
    for (const open of ["$(", "${a:-", "$[", "((", "(", "\"$(", "<(", "if a;then ", "[[ ("]) {
      for (const length of [size, 64 * 1024, 1024 * 1024]) {
        const command = `ls ${open.repeat(Math.floor((length - 3) / open.length))}`
        assert.strictEqual(judge(command), "deny", `${open} ${length}`)
      }
    }
  })
})
