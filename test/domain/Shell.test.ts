/** What shell commands must be taken for, and what it costs to find out. */
import { assert, describe, it } from "@effect/vitest"
import { classOf } from "../../src/domain/shell/Class.ts"
import { commands } from "./ShellCommands.ts"

const places = { cwd: "/home/ada/work", home: "/home/ada/work", directories: ["/data/shared"] }

describe("A shell command", () => {
  for (const [expected, list] of Object.entries(commands)) {
    it(`is taken for what it is: ${list.length} of the class ${expected}`, () => {
      const wrong = list.flatMap((command) => {
        const found = classOf(command, places)
        return found === expected ? [] : [`${JSON.stringify(command)} is taken for ${found}`]
      })
      assert.deepStrictEqual(wrong, [])
    })
  }
})
