import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { type Column, csvOf, tableOf } from "../../src/cli/Table.ts"

interface Row {
  readonly id: string
  readonly agent: string
  readonly at: string
  readonly name: string
}

const columns: ReadonlyArray<Column<Row>> = [
  ["id", ({ id }) => id],
  ["agent", ({ agent }) => agent, 2],
  ["created", ({ at }) => at, 1],
  ["name", ({ name }) => name]
]

const row: Row = {
  id: "01a216b56cfc7000af054ea2b0cbc1ae",
  agent: "01a216b56dd4700097c733829313f2bf",
  at: "2026-01-31T09:30:59.123Z",
  name: "a long name for a conversation"
}

const inWidth = (width: number | undefined) =>
  tableOf(columns, [row], { hasColour: false, width: Option.fromNullable(width) })

describe("a table", () => {
  it("is whole where no terminal limits it", () => {
    const { left, text } = inWidth(undefined)
    for (const value of Object.values(row)) assert.include(text, value)
    assert.strictEqual(left, 0)
  })

  it("shortens times, then ids that only refer, then leaves columns out by rank, and keeps its own id", () => {
    assert.include(inWidth(200).text, "2026-01-31 09:30")
    assert.include(inWidth(200).text, row.agent)
    const narrow = inWidth(84)
    assert.include(narrow.text, "…9313f2bf")
    assert.include(narrow.text, row.id)
    const small = inWidth(66)
    assert.deepStrictEqual([small.left, small.text.includes("AGENT"), small.text.includes("CREATED")], [1, false, true])
    assert.strictEqual(inWidth(50).left, 2)
    for (const width of [50, 66, 84, 200]) {
      const { text } = inWidth(width)
      assert.isTrue(text.split("\n").every((line) => line.length <= width), text)
      assert.include(text, row.id)
    }
  })
})

describe("CSV", () => {
  it("has a header, and every field as it is, quoted where it has to be", () => {
    const two: ReadonlyArray<Column<{ readonly a: unknown; readonly b: unknown }>> = [["a", ({ a }) => a], [
      "b",
      ({ b }) => b
    ]]
    assert.strictEqual(
      csvOf(two, [{ a: "x,\"y\"\nz", b: null }, { a: -1.5, b: ["p", "q"] }]),
      "a,b\r\n\"x,\"\"y\"\"\nz\",\r\n-1.5,p q\r\n"
    )
  })

  it("gives a spreadsheet no formula", () => {
    const one: ReadonlyArray<Column<string>> = [["a", (text) => text]]
    assert.strictEqual(csvOf(one, ["=1+1", "@x"]), "a\r\n'=1+1\r\n'@x\r\n")
  })
})
