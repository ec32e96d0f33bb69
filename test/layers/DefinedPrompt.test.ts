/** What an agent of the operator's is told that it remembers. */
import { assert, describe, it } from "@effect/vitest"
import type { Run } from "../../src/domain/Run.ts"
import { promptOf } from "../../src/layers/AgentRunner/Defined.ts"
import * as Folder from "../../src/layers/Catalog/Folder.ts"
import { definitions } from "../support/definitions.ts"

const { root, write } = definitions()
const agent = (name: string, memory: string) => {
  write(`agents/${name}/AGENT.md`, `---\nmemory: ${memory}\n---\nYou remember.`)
  write(`agents/${name}/MEMORY.md`, "The shop moved.")
  write(`agents/${name}/memory/ada.md`, "Ada likes tea.")
  write(`agents/${name}/memory/bob.md`, "b".repeat(10_000))
  write(`agents/${name}/context/known.md`, "What is known.")
}
agent("mind", "{ enabled: true }")
agent("off", "{ enabled: false }")
agent("small", "{ enabled: true, max_injected_chars: 20 }")

const told = async (name: string, user_id: string) => {
  const { book, faults } = await Folder.read(root)
  assert.deepStrictEqual(faults, [])
  return promptOf(book.agents.get(name)!, { ...book, revision: 1 }, { user_id, source: "user" } as Run, 0)
}

describe("An agent that remembers", () => {
  it("is told what it remembers of everything and of its user, before what it knows", async () => {
    const text = await told("mind", "ada")
    const places = ["You remember.", "# Agent Memory", "Ada likes tea.", "The shop moved.", "# Reference Material"]
      .map((part) => text.indexOf(part))
    assert.notInclude(places, -1)
    assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
  })

  it("is told nothing of another user", async () => {
    const text = await told("mind", "eve")
    assert.include(text, "The shop moved.")
    assert.notInclude(text, "Ada likes")
    assert.notInclude(text, "bbb")
  })

  it("is told no more than it may be, and mostly of its user where there is much of both", async () => {
    const text = await told("small", "bob")
    assert.include(text, `\n${"b".repeat(12)}\n`)
    assert.include(text, "\nThe shop\n")
    assert.include(await told("small", "eve"), "The shop moved.")
  })

  it("is told nothing where that is off", async () => {
    assert.notInclude(await told("off", "ada"), "Memory")
  })
})
