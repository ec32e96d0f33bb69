/** The inputs of commands: ids, texts, and consent. */
import { Args, Options } from "@effect/cli"
import * as FileSystem from "@effect/platform/FileSystem"
import { Effect, Option, Schema } from "effect"
import { complaintOf, failed, misused } from "./Failed.ts"
import { Screen } from "./Screen.ts"

/** Decodes `value` as the API wants it; a problem is reported before anything is sent. */
export const decode = <A, I>(schema: Schema.Schema<A, I>, value: I) =>
  Effect.mapError(Schema.decode(schema)(value), (error) => misused(`${complaintOf(error)}.`))

/** An id for a path, escaped: the derived client puts it there as it is. */
export const pathId = <A extends string>(schema: Schema.Schema<A, string>, noun: string, text: string) =>
  /^\.{1,2}$/.test(text) || !Schema.is(schema)(text)
    ? Effect.fail(misused(`${JSON.stringify(text.slice(0, 40))} is no ${noun} id.`))
    : decode(schema, encodeURIComponent(text))

export const idArgument = (name: string, description: string) =>
  Args.text({ name }).pipe(Args.withDescription(description))

export const idsArgument = (name: string, description: string) =>
  Args.text({ name }).pipe(Args.withDescription(description), Args.atLeast(1))

export const optionalText = (name: string, placeholder: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(placeholder), Options.withDescription(description), Options.optional)

/** The text of a file; `-` is standard input. */
export const readText = Effect.fnUntraced(function*(path: string) {
  const screen = yield* Screen
  if (path === "-") return yield* screen.input
  const files = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    files.readFileString(path),
    (error) => misused(`The file ${path} cannot be read${error._tag === "SystemError" ? ` (${error.reason})` : ""}.`)
  )
})

export const yes = {
  yes: Options.boolean("yes").pipe(Options.withAlias("y"), Options.withDescription("Do not ask"))
}

/** Asks before something is lost; without a terminal only `--yes` is consent. */
export const confirm = (question: string, isSure: boolean) =>
  isSure ? Effect.void : Effect.gen(function*() {
    const screen = yield* Screen
    if (!screen.isInteractive) return yield* misused(`${question} There is no terminal to ask on: add --yes.`)
    const answer = yield* Effect.scoped(
      Effect.flatMap(screen.conversation, ({ next }) => next(`${question} [y/N] `))
    )
    if (!Option.exists(answer, (text) => /^y(es)?$/i.test(text.trim()))) return yield* failed("Nothing was changed.")
  })
