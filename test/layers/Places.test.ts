/** What whoever asks for a place may rely on. */
import { assert, describe, it } from "@effect/vitest"
import * as Places from "../../src/layers/Places.ts"

const limits = { all: 4, ofKind: 3, ofOwner: 2, waiting: 4, waitingOfOwner: 3 }

const world = () => {
  const places = Places.make(limits)
  const entered: Array<string> = []
  const ask = (owner: string, kind: string) => places.ask({ owner, kind }, () => entered.push(`${owner}:${kind}`))
  return { ask, entered }
}

describe("Places", () => {
  it("lets nobody in beyond the bounds of an owner, of a kind and of all", () => {
    const { ask, entered } = world()
    ask("ada", "x")
    ask("ada", "x")
    ask("ada", "y")
    assert.strictEqual(entered.length, 2)
    ask("bob", "x")
    ask("bob", "x")
    assert.strictEqual(entered.length, 3)
    ask("eve", "y")
    assert.deepStrictEqual(entered, ["ada:x", "ada:x", "bob:x", "eve:y"])
  })

  it("lets the owner with the fewest in next, not the one who asked first", () => {
    const { ask, entered } = world()
    const [first] = [ask("ada", "x"), ask("ada", "y"), ask("bob", "y"), ask("bob", "z")]
    ask("ada", "z")
    ask("ada", "z")
    ask("eve", "z")
    entered.length = 0
    first?.leave()
    assert.deepStrictEqual(entered, ["eve:z"])
  })

  it("takes a place back once, and keeps none for who has stopped waiting", () => {
    const { ask, entered } = world()
    const first = ask("ada", "x")
    ask("ada", "x")
    const gone = ask("ada", "x")
    gone?.leave()
    ask("ada", "z")
    first?.leave()
    first?.leave()
    assert.deepStrictEqual(entered, ["ada:x", "ada:x", "ada:z"])
    ask("ada", "x")
    assert.strictEqual(entered.length, 3)
  })

  it("refuses who would wait behind too many", () => {
    const { ask } = world()
    for (let i = 0; i < limits.ofOwner + limits.waitingOfOwner; i++) assert.isDefined(ask("ada", "x"))
    assert.isUndefined(ask("ada", "x"))
    assert.isDefined(ask("bob", "x"))
  })
})
