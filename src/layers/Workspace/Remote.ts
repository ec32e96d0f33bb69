/**
 * Programs that run elsewhere than as processes of this one: in a container, or on another machine. What carries them has
 * to end them and what they leave behind; the bounds are kept here, the same for all.
 */
import { Deferred, Duration, Effect, Stream } from "effect"
import type { Readable } from "node:stream"
import type { Ended, Exit } from "../../services/Workspace.ts"
import type { Begun, Spawning } from "./Backend.ts"
import * as Printed from "./Printed.ts"
import { countFiles, maxOutput } from "./Processes.ts"

/** How long a killed program may take to be gone, and its output to be read. */
const goneIn = Duration.seconds(3)

export interface Carrier {
  readonly stdout: Readable
  readonly stderr: Readable
  /** Waits while the program does not read. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  readonly endInput: Effect.Effect<void>
  /** When the program itself has ended, however that came. */
  readonly exited: Effect.Effect<Exit>
  /** Ends the program with all that it has begun, as far as it can be reached. */
  readonly kill: Effect.Effect<void>
  /** Ends what an ended program has left running. */
  readonly clean: Effect.Effect<void>
  /** Carries nothing any more. */
  readonly letGo: Effect.Effect<void>
}

export const begin = Effect.fnUntraced(function*(carrier: Carrier, { before, command, limits, place }: Spawning) {
  const over = yield* Deferred.make<Exit>()
  const cut = yield* Deferred.make<void>()
  const read = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
  const scope = yield* Effect.scope
  let why: Ended | undefined

  const letGo = Effect.zipRight(Deferred.succeed(cut, undefined), carrier.letGo)
  const kill = Effect.zipRight(carrier.kill, Effect.timeoutOption(Effect.interruptible(Deferred.await(over)), goneIn))
  yield* carrier.exited.pipe(
    Effect.tap(carrier.clean),
    Effect.flatMap((exit) =>
      Deferred.succeed(over, why === undefined ? exit : { code: null, signal: "SIGKILL", ended: why })
    ),
    Effect.forkIn(scope)
  )

  // After what hears of its end, so that this goes on while it is ended.
  yield* Effect.addFinalizer(() => Effect.zipRight(Effect.unlessEffect(kill, Deferred.isDone(over)), letGo))

  const end = (reason: Ended) =>
    Effect.gen(function*() {
      if (yield* Deferred.isDone(over)) return
      why ??= reason
      yield* kill
      // What it printed before is read yet.
      yield* Effect.timeoutOption(Effect.interruptible(Effect.all(read.map(Deferred.await))), goneIn)
      yield* letGo
      yield* Deferred.succeed(over, { code: null, signal: "SIGKILL", ended: why })
    })

  const printed = Printed.make({
    most: command.maxOutput ?? maxOutput,
    beyond: Effect.suspend(() => why === undefined ? Effect.forkIn(end("output"), scope) : Effect.void),
    cut
  })
  const output = (readable: Readable, isRead: Deferred.Deferred<void>) =>
    Stream.ensuring(printed(readable), Deferred.succeed(isRead, undefined))

  if (command.timeout !== undefined) yield* Effect.forkScoped(Effect.delay(end("timeout"), command.timeout))
  yield* Effect.forkScoped(countFiles(place, before, limits, end))

  const begun: Begun = {
    stdout: output(carrier.stdout, read[0]),
    stderr: output(carrier.stderr, read[1]),
    write: carrier.write,
    endInput: carrier.endInput,
    exit: Deferred.await(over),
    end
  }
  return begun
})
