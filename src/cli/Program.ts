/** The process around a command: its services, its signals, its exit code. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { makeRunMain } from "@effect/platform/Runtime"
import { Cause, Effect, Exit, Layer } from "effect"
import type { Extensions } from "../embed/Extensions.ts"
import * as App from "./App.ts"
import { withoutServer, withServer } from "./Commands.ts"
import { CtrlC } from "./CtrlC.ts"
import { exitCodes } from "./Failed.ts"
import * as Screen from "./Screen.ts"

export type { Extensions }

/** The handlers of Ctrl-C; the last one gets it. */
const takers: Array<() => void> = []

const ctrlC = Layer.succeed(CtrlC, {
  take: (pressed) =>
    Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => takers.push(pressed)),
      () => Effect.sync(() => takers.splice(takers.indexOf(pressed), 1))
    ))
})

const services = Layer.mergeAll(
  ctrlC,
  Screen.layer,
  FetchHttpClient.layer,
  NodeFileSystem.layer,
  NodePath.layer,
  NodeTerminal.layer
)

type Signal = "SIGINT" | "SIGTERM"

/** Milliseconds in which a second signal is the first once more: npm passes on what the terminal sent to both. */
const sameSignal = 1_000

/**
 * The first signal ends the command in order; the next one finds Node's own
 * handling, which ends the process at once. A server that was asked to stop and
 * did has done its work.
 */
const runMain = (isServer: boolean) =>
  makeRunMain(({ fiber }) => {
    let received: Signal | undefined
    const onSignal = (signal: Signal) => {
      const pressed = signal === "SIGINT" ? takers.at(-1) : undefined
      if (pressed !== undefined) return pressed()
      if (received !== undefined) return
      received = signal
      // @effect-diagnostics-next-line globalTimers:off -- signals come outside of any fiber
      setTimeout(() => {
        process.removeAllListeners("SIGINT")
        process.removeAllListeners("SIGTERM")
      }, sameSignal).unref()
      fiber.unsafeInterruptAsFork(fiber.id())
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
    fiber.addObserver((exit) => {
      // A command says itself why it fails, so this is the program itself, which could not be loaded.
      const isBroken = Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)
      if (isBroken) process.stderr.write(`stoa: ${Cause.pretty(exit.cause)}\n`)
      const code = Exit.isSuccess(exit) && typeof exit.value === "number" ?
        exit.value :
        isBroken ?
        exitCodes.failed :
        isServer && received !== undefined ?
        exitCodes.ok :
        received === "SIGTERM"
        ? exitCodes.terminated
        : exitCodes.interrupted
      // The output is flushed first.
      process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
    })
  })

/** `stoa … | head` ends when head has seen enough. */
const onPipe = (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failed)

/** `extensions` are for the server, when that is what the words ask for. */
export const main = (words: ReadonlyArray<string>, extensions: Extensions = {}) => {
  process.stdout.on("error", onPipe)
  process.stderr.on("error", onPipe)
  const isServer = words[0] === "serve"
  const needsServer = words.includes("serve") || words.includes("--completions")
  const run = needsServer
    ? Effect.flatMap(withServer(extensions), (commands) => App.run(commands)(words))
    : App.run(withoutServer)(words)
  // Beside the command something that never ends: Node would leave while only a promise is waited for.
  const command = Effect.scoped(Effect.zipRight(Effect.forkScoped(Effect.never), run))
  runMain(isServer)(Effect.provide(command, services), {
    disableErrorReporting: true,
    // The server has a logger of its own, and commands log nothing.
    disablePrettyLogger: true
  })
}
