/** What docs/ lists is all that there is. */
import { Command } from "@effect/cli"
import { assert, describe, it } from "@effect/vitest"
import { Effect, HashMap } from "effect"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { withoutServer } from "../../src/cli/Commands.ts"
import { variableOf } from "../../src/cli/Settings.ts"
import { settingNames } from "../../src/domain/Settings.ts"
import { fields } from "../../src/http/api/FieldWords.ts"
import * as Host from "../../src/layers/Host.ts"
import { deliveryKind, noticeKind } from "../../src/layers/Notifier/Noticing.ts"
import { titleKind } from "../../src/layers/SessionTitles/Titling.ts"
import { taskJobKind } from "../../src/services/BackgroundTasks.ts"
import { Toolbox } from "../../src/services/Toolbox.ts"

const page = (name: string) => readFileSync(resolve(import.meta.dirname, "../../docs", name), "utf8")

describe("The table", () => {
  it("of settings has all of them", () => {
    const named = Array.from(page("operations.md").matchAll(/^\| `(STOA_\w+)` \|/gm), ([, name]) => name!)
    assert.sameMembers(named, settingNames.map(variableOf))
  })

  it.effect("of tools has all of them", () =>
    Effect.gen(function*() {
      const { namesOf } = yield* Toolbox
      const text = page("workspaces.md")
      for (const name of namesOf("all")) assert.include(text, `\`${name}\``)
    }).pipe(Effect.provide(Host.layerMemory)))

  it("of commands has all of them", () => {
    const text = page("cli.md").split("\n").filter((line) => line.startsWith("| `stoa")).join("\n")
    const names = [...HashMap.keys(Command.getSubcommands(withoutServer))].filter((name) => name !== "version")
    for (const name of names) assert.match(text, new RegExp(`[\`, ](stoa )?${name}[\` ]`), name)
  })

  it("of the kinds of jobs has all of them", () => {
    for (const kind of [deliveryKind, noticeKind, taskJobKind, titleKind]) {
      assert.include(fields["Job.kind"], `\`${kind}\``)
    }
  })
})
