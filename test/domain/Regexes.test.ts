/** Every regular expression of the sources takes a time that grows with its text, and no faster. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import { analyse } from "scslre"

interface Found {
  readonly at: string
  readonly pattern: string
  readonly flags: string
}

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null

/** Literals of a program, and whether it makes expressions of texts. */
const expressionsOf = (file: string, text: string) => {
  const literals: Array<Found> = []
  const made: Array<string> = []
  const at = (start: unknown) => `${file}:${text.slice(0, Number(start)).split("\n").length}`
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (!isNode(node)) return
    const { callee, regex, start, type } = node
    if (isNode(regex)) {
      literals.push({ at: at(start), pattern: String(regex["pattern"]), flags: String(regex["flags"]) })
    }
    if ((type === "NewExpression" || type === "CallExpression") && isNode(callee) && callee["name"] === "RegExp") {
      made.push(at(start))
    }
    Object.values(node).forEach(visit)
  }
  visit(parseSync(file, text).program)
  return { literals, made }
}

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
const all = files.map((file) => expressionsOf(join("src", file), readFileSync(join("src", file), "utf8")))
const literals = all.flatMap(({ literals }) => literals)

/** What makes an expression slow, if it is. */
const slownessOf = ({ flags, pattern }: Pick<Found, "pattern" | "flags">): ReadonlyArray<string> =>
  analyse({ source: pattern, flags }, { reportTypes: { Move: true, Self: true, Trade: true } })
    .reports.map(({ exponential, type }) => `${type}${exponential ? ", exponential" : ""}`)

describe("Regular expressions", () => {
  it("are found in the sources", () => {
    assert.isAbove(literals.length, 50)
  })

  it("are written down, never made of a text that somebody sends", () => {
    assert.deepStrictEqual(all.flatMap(({ made }) => made), [])
  })

  it("are told apart: those that are known to be slow are seen to be", () => {
    for (
      const [pattern, flags] of [
        ["^```(?:json)?\\s*([^]*?)\\s*```$", "i"],
        ["\\s*\\S+\\s*", "g"],
        ["\\/+$", ""],
        ["(a+)+$", ""]
      ] as const
    ) {
      assert.isNotEmpty(slownessOf({ pattern, flags }), pattern)
    }
    assert.isEmpty(slownessOf({ pattern: "^[A-Za-z0-9._@-]{1,128}$", flags: "" }))
  })

  it("are of linear cost, each of them", () => {
    const slow = literals.flatMap((found) => {
      const why = slownessOf(found)
      return why.length === 0 ? [] : [`${found.at} /${found.pattern}/${found.flags}: ${why.join("; ")}`]
    })
    assert.deepStrictEqual(slow, [])
  })
})
