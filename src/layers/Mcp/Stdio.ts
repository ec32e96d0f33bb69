/** A server that runs as a program in a workspace, and speaks a message a line. Its whole process group ends with the scope. */
import type * as Official from "@modelcontextprotocol/client"
import type { Transport } from "@modelcontextprotocol/client"
import { Deferred, Duration, Effect, Runtime, type Scope, Stream } from "effect"
import type { WorkspaceError } from "../../domain/Workspace.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import type { Ended, OpenWorkspace, Process } from "../../services/Workspace.ts"
import { credit, messageBound, perTurn, turnTime } from "./Bounds.ts"

/** How long a program may take to end by itself when its input has ended. */
const farewell = Duration.millis(500)

/** Lines that are no messages: some programs print a greeting; one that goes on is no server. */
const maxGarbage = 100

/** Bytes that wait for a program that does not read. */
const maxWaiting = 4 * 1024 * 1024

export interface Program {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
}

/** What a transport needs of the official client, which is loaded when it is needed. */
export interface Messages {
  readonly deserializeMessage: typeof Official.deserializeMessage
  readonly serializeMessage: typeof Official.serializeMessage
}

export interface Speaking {
  readonly transport: Transport
  /** Why the program ended, as a sentence; undefined while it runs. */
  readonly ended: () => string | undefined
}

const reasons: Readonly<Record<Ended, string>> = {
  timeout: "it took too long",
  memory: "it took more memory than a program may have",
  processes: "it began more processes than a program may have",
  disk: "the workspace has no room left",
  output: "it printed too much",
  deleted: "the workspace was deleted"
}

const newline = 0x0a

/** Messages of whole lines, in pieces as they come. */
const linesOf = (take: (line: Buffer) => Effect.Effect<void>, refuse: (why: string) => Effect.Effect<void>) => {
  let pieces: Array<Uint8Array> = []
  const bound = messageBound()
  return Effect.fnUntraced(function*(chunk: Uint8Array) {
    let at = 0
    while (at < chunk.length) {
      const end = chunk.indexOf(newline, at)
      const piece = chunk.subarray(at, end < 0 ? chunk.length : end)
      const excess = bound.take(piece)
      if (excess !== undefined) return yield* refuse(excess)
      pieces.push(piece)
      if (end < 0) return
      const line = Buffer.concat(pieces)
      pieces = []
      bound.next()
      at = end + 1
      yield* take(line)
    }
  })
}

export const make = Effect.fnUntraced(function*(
  { deserializeMessage, serializeMessage }: Messages,
  workspace: OpenWorkspace,
  { command, cwd, env }: Program
): Effect.fn.Return<Speaking, WorkspaceError, Scope.Scope> {
  const runtime = yield* Effect.runtime<never>()
  const program: Process = yield* workspace.spawn({
    argv: command,
    env,
    // Messages are bounded one by one: a server may run for days.
    maxOutput: Infinity,
    ...(cwd !== undefined && { cwd })
  })
  const begin = yield* Deferred.make<void>()
  const allowance = credit()
  let why: string | undefined
  let garbage = 0
  let waiting = 0
  let handled = 0
  let since = performance.now()

  const close = (reason: string) =>
    Effect.sync(() => {
      if (why !== undefined) return
      why = reason
      transport.onclose?.()
    })

  /** Others are served between two stretches of work, however much comes. */
  const pause = Effect.suspend(() => {
    if (++handled < perTurn && performance.now() - since < turnTime) return Effect.void
    handled = 0
    return Effect.map(nextTurn, () => {
      since = performance.now()
    })
  })

  const takeLine = (line: Buffer) =>
    Effect.suspend(() => {
      if (why !== undefined || line.length === 0) return Effect.void
      try {
        transport.onmessage?.(deserializeMessage(line.toString("utf8")))
      } catch (error) {
        transport.onerror?.(error instanceof Error ? error : new Error("No message"))
        if (++garbage > maxGarbage) return Effect.zipRight(close("It printed what is no message."), pause)
      }
      return pause
    })

  const lines = linesOf(takeLine, close)
  const takeChunk = (chunk: Uint8Array) =>
    Effect.suspend(() =>
      allowance.spend(chunk.length)
        ? close("It sent more than anybody asked for.")
        : lines(chunk)
    )

  /** Nothing more is read of a program that has said too much; it is ended with the scope. */
  const reading = Stream.runForEachWhile(
    program.stdout,
    (chunk) => Effect.map(takeChunk(chunk), () => why === undefined)
  )

  const transport: Transport & { readonly stderr: null; readonly pid: null } = {
    // By these two the official client sees that it speaks with a program.
    stderr: null,
    pid: null,
    start: () => Runtime.runPromise(runtime)(Effect.asVoid(Deferred.succeed(begin, undefined))),
    send: (message) => {
      if (why !== undefined) return Promise.reject(new Error("The program has ended."))
      const bytes = Buffer.from(serializeMessage(message))
      if (waiting + bytes.length > maxWaiting) return Promise.reject(new Error("The program does not read."))
      waiting += bytes.length
      allowance.ask()
      return Runtime.runPromise(runtime)(
        Effect.ensuring(
          program.write(bytes),
          Effect.sync(() => {
            waiting -= bytes.length
          })
        )
      )
    },
    close: () => Runtime.runPromise(runtime)(close("It was closed."))
  }

  yield* Effect.forkScoped(Stream.runDrain(program.stderr))
  yield* Effect.forkScoped(
    Effect.zipRight(Deferred.await(begin), reading).pipe(
      // A program that closes its output cannot be heard any more, even when it goes on.
      Effect.zipRight(Effect.timeoutOption(program.exit, farewell)),
      Effect.flatMap((exit) => {
        if (exit._tag === "None") return close("Its program closed its output.")
        const { code, ended, signal } = exit.value
        if (ended !== undefined) return close(`Its program was ended: ${reasons[ended]}.`)
        return close(`Its program ended with ${code === null ? `the signal ${signal}` : `the exit code ${code}`}.`)
      })
    )
  )
  // This comes before the end of the reading above: what the program says last is read, so that it can end by itself.
  yield* Effect.addFinalizer(() =>
    why === undefined ? Effect.zipRight(program.endInput, Effect.timeoutOption(program.exit, farewell)) : Effect.void
  )
  return { transport, ended: () => why }
})
