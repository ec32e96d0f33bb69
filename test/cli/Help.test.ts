import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { withoutServer, withServer } from "../../src/cli/Commands.ts"
import * as Completions from "../../src/cli/Completions.ts"
import * as Grammar from "../../src/cli/Grammar.ts"
import * as Help from "../../src/cli/Help.ts"
import { variableOf } from "../../src/cli/Settings.ts"
import { settingNames } from "../../src/domain/Settings.ts"
import { stoa } from "./Desk.ts"

const leaves = (node: Grammar.Node, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, Grammar.Node]> =>
  node.children.length === 0
    ? [[path.join(" "), node]]
    : node.children.flatMap((child) => leaves(child, [...path, child.name]))

describe("help", () => {
  it.live("tells of every command, option and argument", () =>
    Effect.gen(function*() {
      const all = leaves(Grammar.read(yield* withServer({})))
      assert.isAtLeast(all.length, 30)
      for (const [name, node] of all) {
        assert.notStrictEqual(node.description, "", name)
        for (const { description, term } of node.arguments) assert.notStrictEqual(description, "", `${name} ${term}`)
        for (const { description, names } of node.options) {
          assert.isTrue(names.every((option) => /^--?[a-z]/.test(option)), name)
          assert.notStrictEqual(description, "", `${name} ${names.join()}`)
        }
      }
    }))

  it.effect("is printed for the program, a group and a command, without colours in a pipe", () =>
    Effect.gen(function*() {
      const lines = [[], ["--help"], ["-h"], ["help"], ["agents"], ["help", "agents", "list"], [
        "agents",
        "list",
        "--help"
      ]]
      for (const words of lines) {
        const { code, err, out } = yield* stoa({}, ...words)
        assert.deepStrictEqual([code, err], [0, ""], words.join(" "))
        assert.include(out, "Usage\n  stoa")
        assert.notInclude(out, "\u001b")
      }
      assert.include((yield* stoa({}, "--help")).out, "130")
      assert.include((yield* stoa({}, "agents", "list", "--help")).out, "--limit N")
      assert.include((yield* stoa({ hasColour: true })).out, "\u001b[1mUsage")
    }))

  it.live("of the server names every setting, with its environment variable", () =>
    Effect.gen(function*() {
      const root = Grammar.read(yield* withServer({}))
      const serve = root.children.find(({ name }) => name === "serve")!
      const help = Help.render([root, serve], false)
      for (const setting of settingNames) assert.include(help, variableOf(setting))
    }))

  it.effect("names what was probably meant", () =>
    Effect.gen(function*() {
      assert.include((yield* stoa({}, "agnets")).err, "Did you mean agents?")
      assert.include((yield* stoa({}, "agents", "list", "--limt", "1")).err, "Did you mean --limit?")
    }))
})

describe("completions", () => {
  it.effect("reach the commands of a group, and offer nothing that does not work", () =>
    Effect.gen(function*() {
      const bash = yield* Completions.script(withoutServer, "bash")
      assert.include(bash, "stoa__agents,list)")
      for (const shell of ["bash", "zsh", "fish"]) {
        const script = yield* Completions.script(withoutServer, shell)
        assert.notMatch(script, /wizard|log-level/)
        assert.include(script, "sessions")
      }
    }))
})
