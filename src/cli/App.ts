/** Runs a command line and returns its exit code. A failed command always prints exactly one line on stderr. */
import { type CliApp, CliConfig, Command, ValidationError } from "@effect/cli"
import { Cause, Console, Effect } from "effect"
import * as Completions from "./Completions.ts"
import { exitCodes, explain, misused } from "./Failed.ts"
import * as Grammar from "./Grammar.ts"
import * as Help from "./Help.ts"
import { Screen } from "./Screen.ts"
import { version, versionLine } from "./Version.ts"

/** The library would print why it refuses a line; here that becomes the one line at the end. */
const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(effect, { ...console, error: () => Effect.void }))

export const run = <Name extends string, R, E, A>(root: Command.Command<Name, R, E, A>) => {
  const grammar = Grammar.read(root)
  const start = Command.run(root, { name: grammar.name, version, executable: "stoa" })

  const obey = (request: Grammar.Request) =>
    Effect.gen(function*() {
      const screen = yield* Screen
      switch (request._tag) {
        case "Help":
          return yield* screen.out(Help.render(request.path, screen.hasColour.out))
        case "Version":
          return yield* screen.out(`${versionLine}\n`)
        case "Completions":
          return yield* Effect.flatMap(Completions.script(root, request.shell), screen.out)
        case "Run":
          return yield* quietly(start(["stoa", "stoa", ...request.line.slice(1)])).pipe(
            Effect.provideService(CliConfig.CliConfig, Grammar.config),
            Effect.catchIf(
              ValidationError.isValidationError,
              ({ error }) => misused(`${Grammar.textOf(error)}. See ${request.name} --help.`)
            )
          )
      }
    })

  return (words: ReadonlyArray<string>): Effect.Effect<number, never, R | Screen | CliApp.CliApp.Environment> =>
    Grammar.parse(grammar, words).pipe(
      Effect.flatMap(obey),
      Effect.as(exitCodes.ok),
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.gen(function*() {
          const { exitCode, line } = explain(Cause.squash(cause))
          yield* (yield* Screen).err(`${line}\n`)
          return exitCode
        })
      )
    )
}
