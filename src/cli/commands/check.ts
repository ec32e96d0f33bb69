/** Looks at a folder of definitions as a server would, without a server. */
import { Args, Command } from "@effect/cli"
import { Effect, Option } from "effect"
import { type Fault, placeOf } from "../../domain/Definition.ts"
import { exitCodes, Failed, failed } from "../Failed.ts"
import { isText, output, print } from "../Output.ts"
import { red, Screen, yellow } from "../Screen.ts"
import { readSettings, settingsOptions } from "../Server.ts"

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`

const lineOf = (fault: Fault, hasColour: boolean) => {
  const mark = fault.level === "error" ? red("error", hasColour) : yellow("warning", hasColour)
  return `${placeOf(fault)}: ${mark}: ${fault.message} ${fault.fix}\n`
}

export const check = Command.make(
  "check",
  {
    folder: Args.text({ name: "folder" }).pipe(
      Args.withDescription("The folder of agents/, tools/ and skills/ (default: that of the settings)"),
      Args.optional
    ),
    ...settingsOptions,
    ...output
  },
  (options) =>
    Effect.gen(function*() {
      const settings = yield* readSettings(options)
      const dir = Option.getOrElse(options.folder, () => settings.definitions_dir)
      if (dir === undefined) {
        return yield* failed(
          "There are no definitions: name a folder that has agents/ in it, with an AGENT.md for each."
        )
      }
      // It is not loaded for the other commands.
      const [{ check: look }, { definitionsOf }] = yield* Effect.promise(() =>
        Promise.all([import("../../layers/Catalog/Files.ts"), import("../../layers/Host.ts")])
      )
      const { book, faults } = yield* look(definitionsOf(dir, settings, {}))
      const errors = faults.filter(({ level }) => level === "error")
      const counts = { agents: book.agents.size, tools: book.tools.size, skills: book.skills.size }
      const screen = yield* Screen
      if (isText(options.output)) {
        yield* screen.out(faults.map((fault) => lineOf(fault, screen.hasColour.out)).join(""))
        if (errors.length === 0) {
          const { agents, skills, tools } = counts
          yield* screen.out(
            `${counted(agents, "agent")}, ${counted(tools, "tool")}, ${counted(skills, "skill")}: nothing is wrong.\n`
          )
        }
      } else yield* print(options.output, { ok: errors.length === 0, ...counts, faults }, "")
      if (errors.length > 0) {
        return yield* new Failed({
          exitCode: exitCodes.failed,
          message: errors.length === 1 ? "One thing is wrong." : `${errors.length} things are wrong.`
        })
      }
    })
).pipe(Command.withDescription("Check the definitions: file, line and fix of all that is wrong"))
