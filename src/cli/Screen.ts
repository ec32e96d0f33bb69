/** The terminal: what is printed, what is typed, and whether either is a terminal at all. */
import { Context, Data, Effect, Layer, Option, type Scope } from "effect"
import * as Readline from "node:readline"
import { Writable } from "node:stream"
import { variable } from "./Env.ts"

export class InputTooLong extends Data.TaggedError("InputTooLong")<{ readonly message: string }> {}

/** Most bytes that are read from standard input. */
const maxInput = 1024 * 1024

/** Asks again and again, keeping what was typed for the arrow keys. */
export interface Conversation {
  /** None at the end of input (Ctrl-D). */
  readonly next: (prompt: string) => Effect.Effect<Option.Option<string>>
}

export class Screen extends Context.Tag("stoa/cli/Screen")<Screen, {
  readonly out: (text: string) => Effect.Effect<void>
  readonly err: (text: string) => Effect.Effect<void>
  /** Standard input is a terminal, so a question can be answered. */
  readonly isInteractive: boolean
  readonly isTerminal: { readonly out: boolean; readonly err: boolean }
  readonly hasColour: { readonly out: boolean; readonly err: boolean }
  /** Columns of the terminal; none when the output goes elsewhere. */
  readonly width: Option.Option<number>
  /** All of standard input, as text. */
  readonly input: Effect.Effect<string, InputTooLong>
  /** One line that is not shown while it is typed. */
  readonly secret: (prompt: string) => Effect.Effect<Option.Option<string>>
  readonly conversation: Effect.Effect<Conversation, never, Scope.Scope>
}>() {}

/** Control characters that could move the cursor or rewrite the screen; line breaks and tabs stay. */
const control = /(?![\n\t])\p{Cc}/gu

/** Text from elsewhere, safe to show on a terminal. */
export const harmless = (text: string): string => text.replace(control, "")

const style = (open: number, close: number) => (text: string, hasColour: boolean) =>
  hasColour && text !== "" ? `\u001b[${open}m${text}\u001b[${close}m` : text

export const bold = style(1, 22)
export const dim = style(2, 22)
export const red = style(31, 39)
export const green = style(32, 39)
export const yellow = style(33, 39)

const write = (stream: NodeJS.WriteStream, text: string) => Effect.sync(() => void stream.write(text))

const readInput = Effect.async<string, InputTooLong>((resume) => {
  const chunks: Array<Buffer> = []
  let size = 0
  const finish = (result: Effect.Effect<string, InputTooLong>) => {
    process.stdin.removeAllListeners()
    process.stdin.pause()
    resume(result)
  }
  process.stdin.on("data", (chunk: Buffer) => {
    size += chunk.length
    chunks.push(chunk)
    if (size > maxInput) finish(new InputTooLong({ message: `Standard input is longer than ${maxInput} bytes.` }))
  })
  process.stdin.on("end", () => finish(Effect.succeed(Buffer.concat(chunks).toString("utf8"))))
  process.stdin.on("error", () => finish(Effect.succeed("")))
})

/** One line from `lines`; while it is typed Ctrl-C is the same signal as always. */
const line = (lines: Readline.Interface, prompt: string) =>
  Effect.async<Option.Option<string>>((resume, signal) => {
    const onClose = () => resume(Effect.succeedNone)
    lines.once("close", onClose)
    signal.addEventListener("abort", () => lines.off("close", onClose))
    lines.question(prompt, { signal }, (text) => {
      lines.off("close", onClose)
      resume(Effect.succeedSome(text))
    })
  })

const openLines = (output: NodeJS.WritableStream) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const lines = Readline.createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY })
      return lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
    }),
    (lines) => Effect.sync(() => lines.close())
  )

/**
 * Between two questions the terminal is out of raw mode, so that Ctrl-C is a
 * signal again; what is typed meanwhile waits for the next question.
 */
const openConversation = Effect.gen(function*() {
  const lines = yield* openLines(process.stdout.isTTY ? process.stdout : process.stderr)
  let isOver = false
  lines.once("close", () => isOver = true)
  const setRaw = (isRaw: boolean) => Effect.sync(() => void (process.stdin.isTTY && process.stdin.setRawMode(isRaw)))
  return {
    next: (prompt: string) =>
      Effect.suspend(() =>
        isOver ? Effect.succeedNone : Effect.zipRight(
          Effect.zipRight(setRaw(true), Effect.sync(() => lines.resume())),
          Effect.ensuring(
            line(lines, prompt),
            Effect.suspend(() =>
              isOver ? Effect.void : Effect.zipRight(Effect.sync(() => lines.pause()), setRaw(false))
            )
          )
        )
      )
  }
})

const askSecret = (prompt: string) =>
  Effect.scoped(Effect.gen(function*() {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    yield* write(process.stderr, prompt)
    const lines = yield* openLines(nowhere)
    return yield* Effect.zipLeft(line(lines, ""), write(process.stderr, "\n"))
  }))

export const layer: Layer.Layer<Screen> = Layer.effect(
  Screen,
  Effect.gen(function*() {
    const isPlain = Option.isSome(yield* variable("NO_COLOR")) ||
      Option.contains(yield* variable("TERM"), "dumb")
    const isTerminal = { out: process.stdout.isTTY, err: process.stderr.isTTY }
    return Screen.of({
      out: (text) => write(process.stdout, text),
      err: (text) => write(process.stderr, text),
      isInteractive: process.stdin.isTTY,
      isTerminal,
      hasColour: { out: isTerminal.out && !isPlain, err: isTerminal.err && !isPlain },
      width: process.stdout.isTTY ? Option.some(process.stdout.columns) : Option.none(),
      input: readInput,
      secret: askSecret,
      conversation: openConversation
    })
  })
)
