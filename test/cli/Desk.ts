/** A command run as a person would, with a screen and a keyboard that the test holds. */
import type { CliApp } from "@effect/cli"
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Option } from "effect"
import * as App from "../../src/cli/App.ts"
import { withoutServer } from "../../src/cli/Commands.ts"
import { CtrlC } from "../../src/cli/CtrlC.ts"
import { Env } from "../../src/cli/Env.ts"
import { InputTooLong, Screen } from "../../src/cli/Screen.ts"

export interface Desk {
  /** Whether somebody sits there: input and both outputs are a terminal. */
  readonly isTerminal?: boolean
  readonly hasColour?: boolean
  readonly width?: number
  /** What is typed at each question; after that the input ends. */
  readonly typed?: ReadonlyArray<string>
  /** What comes by a pipe. Without it, reading is a failure: nothing may wait for what does not come. */
  readonly piped?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const seat = (desk: Desk) => {
  let out = ""
  let err = ""
  const takers: Array<() => void> = []
  const typed = [...desk.typed ?? []]
  const isTerminal = desk.isTerminal ?? false
  const hasColour = desk.hasColour ?? false
  const question = (prompt: string) =>
    Effect.sync(() => {
      err += prompt
      return Option.fromNullable(typed.shift())
    })
  const screen = Screen.of({
    out: (text) => Effect.sync(() => void (out += text)),
    err: (text) => Effect.sync(() => void (err += text)),
    isInteractive: isTerminal,
    isTerminal: { out: isTerminal, err: isTerminal },
    hasColour: { out: hasColour, err: hasColour },
    width: Option.fromNullable(desk.width),
    input: desk.piped === undefined
      ? Effect.fail(new InputTooLong({ message: "Standard input was read." }))
      : Effect.succeed(desk.piped),
    secret: question,
    conversation: Effect.succeed({ next: question })
  })
  const ctrlC = CtrlC.of({
    take: (pressed) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => takers.push(pressed)),
        () => Effect.sync(() => takers.splice(takers.indexOf(pressed), 1))
      ))
  })
  const services: Layer.Layer<Screen | CtrlC | HttpClient.HttpClient | CliApp.CliApp.Environment> = Layer.mergeAll(
    Layer.succeed(Screen, screen),
    Layer.succeed(CtrlC, ctrlC),
    FetchHttpClient.layer,
    NodeContext.layer
  )
  return {
    shown: () => ({ out, err }),
    /** Presses Ctrl-C; false when no command has taken it. */
    press: () => {
      const taker = takers.at(-1)
      taker?.()
      return taker !== undefined
    },
    run: (...words: ReadonlyArray<string>): Effect.Effect<Ran> =>
      App.run(withoutServer)(words).pipe(
        Effect.provide(services),
        Effect.provideService(Env, desk.env ?? {}),
        Effect.map((code) => ({ code, out, err }))
      )
  }
}

/** Runs a command at a desk of its own. */
export const stoa = (desk: Desk, ...words: ReadonlyArray<string>): Effect.Effect<Ran> => seat(desk).run(...words)
