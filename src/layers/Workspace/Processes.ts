/**
 * Programs of workspaces as processes of this machine. Each is the leader of a process group
 * that ends as a whole: when its scope closes, when it ends itself, or when it passes a bound.
 */
import { Deferred, Duration, Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import type { Writable } from "node:stream"
import { LimitReached } from "../../domain/Errors.ts"
import { NoProcesses, type WorkspaceLimits } from "../../domain/Workspace.ts"
import type { Ended, Exit } from "../../services/Workspace.ts"
import type { Begun, Spawning } from "./Backend.ts"
import { codeOf } from "./Confined.ts"
import * as Printed from "./Printed.ts"
import * as Watch from "./Watch.ts"

/** Most bytes that a program prints, unless it says another number. */
export const maxOutput = 64 * 1024 * 1024

/** How often what is on the disk is counted; longer where counting takes long. */
const countEvery = Duration.seconds(2)
const countShare = 10

/** How long a killed program may take to be gone. */
const goneIn = Duration.seconds(2)

export interface Launch {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What the program reads from its descriptor 3, which is closed then. */
  readonly feed?: string
  /** Kills what has left the process group. */
  readonly killStrays?: Effect.Effect<void>
}

const pipes = ["pipe", "pipe", "pipe"] as const

const failureOf = (file: string, error: unknown) => {
  const code = codeOf(error)
  if (code === "EAGAIN" || code === "ENOMEM" || code === "EMFILE" || code === "ENFILE") {
    return Effect.fail(
      new LimitReached({
        code: "too_many_processes",
        detail: "The server cannot begin another process now. Try again.",
        retry_after: 5
      })
    )
  }
  return code === "ENOENT" || code === "EACCES"
    ? Effect.fail(new NoProcesses({ detail: `Nothing can be run: '${file}' is not there.` }))
    : Effect.die(error)
}

const started = ({ args, cwd, env, feed, file }: Launch) =>
  Effect.async<ChildProcess, LimitReached | NoProcesses>((resume) => {
    let child: ChildProcess
    try {
      child = spawn(file, [...args], {
        stdio: feed === undefined ? [...pipes] : [...pipes, "pipe"],
        env: { ...env },
        // The leader of a group of its own, which ends as a whole.
        detached: true,
        ...(cwd !== undefined && { cwd })
      })
    } catch (error) {
      return resume(failureOf(file, error))
    }
    child.once("error", (error) => resume(failureOf(file, error)))
    child.once("spawn", () => {
      // Later errors are those of a process that is gone already.
      child.on("error", () => {})
      if (feed !== undefined) {
        const third = child.stdio[3] as Writable
        third.on("error", () => {})
        third.end(feed)
      }
      resume(Effect.succeed(child))
    })
  }).pipe(Effect.uninterruptible)

/** Ends a whole process group; one that is gone already is no error. */
const killGroup = ({ pid }: ChildProcess) => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL")
  } catch {
    // ESRCH
  }
}

const isOver = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

export const begin = Effect.fnUntraced(function*(launch: Launch, { before, command, limits, place }: Spawning) {
  const over = yield* Deferred.make<Exit>()
  /** Both streams are at their end. */
  const closed = yield* Deferred.make<void>()
  /** Somebody who cannot be killed holds the streams open; nothing more is read of them. */
  const cut = yield* Deferred.make<void>()
  let why: Ended | undefined
  const kill = (child: ChildProcess) =>
    Effect.gen(function*() {
      killGroup(child)
      if (launch.killStrays !== undefined) yield* launch.killStrays
      yield* Effect.timeoutOption(Deferred.await(over), goneIn)
    })
  const letGo = (child: ChildProcess) =>
    Effect.sync(() => {
      Deferred.unsafeDone(cut, Effect.void)
      for (const stream of child.stdio) stream?.destroy()
    })
  const child = yield* Effect.acquireRelease(started(launch), (child) => Effect.zipRight(kill(child), letGo(child)))

  child.once("exit", (code, signal) => {
    // What it has left running goes with it.
    killGroup(child)
    Effect.runFork(launch.killStrays ?? Effect.void)
    Deferred.unsafeDone(over, Effect.succeed({ code, signal, ended: why }))
  })
  child.once("close", () => Deferred.unsafeDone(closed, Effect.void))
  // It may have been over before somebody listened.
  if (isOver(child)) {
    Deferred.unsafeDone(over, Effect.succeed({ code: child.exitCode, signal: child.signalCode, ended: why }))
  }

  const end = (reason: Ended) =>
    Effect.suspend(() => {
      if (isOver(child)) return Effect.void
      why ??= reason
      return kill(child).pipe(
        // What it printed before is read yet.
        Effect.zipRight(Effect.timeoutOption(Deferred.await(closed), goneIn)),
        Effect.zipRight(letGo(child))
      )
    })

  const scope = yield* Effect.scope
  const output = Printed.make({
    most: command.maxOutput ?? maxOutput,
    beyond: Effect.suspend(() => why === undefined ? Effect.forkIn(end("output"), scope) : Effect.void),
    cut
  })

  if (command.timeout !== undefined) {
    yield* Effect.forkScoped(Effect.delay(end("timeout"), command.timeout))
  }
  if (child.pid !== undefined) yield* Watch.watch(child.pid, { limits, end })
  yield* Effect.forkScoped(countFiles(place, before, limits, end))

  const input = child.stdin!
  input.on("error", () => {})
  const begun: Begun = {
    stdout: output(child.stdout!),
    stderr: output(child.stderr!),
    write: (bytes) =>
      Effect.async<void>((resume) => {
        if (input.destroyed || input.writableEnded) return resume(Effect.void)
        input.write(bytes, () => resume(Effect.void))
      }),
    endInput: Effect.sync(() => void input.end()),
    exit: Deferred.await(over),
    end
  }
  return begun
})

/** Ends a program that writes more than the workspace may have. One that was full before may clean up. */
export const countFiles = (
  place: Spawning["place"],
  before: Spawning["before"],
  limits: WorkspaceLimits,
  end: (why: Ended) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const most = { bytes: Math.max(limits.bytes, before.bytes), files: Math.max(limits.files, before.files) }
    let pause = Duration.toMillis(countEvery)
    for (;;) {
      yield* Effect.sleep(pause)
      const [took, counted] = yield* Effect.timed(Effect.option(place.usage(most.files + 1)))
      pause = Math.max(Duration.toMillis(countEvery), countShare * Duration.toMillis(took))
      if (counted._tag === "None") return
      if (counted.value.bytes > most.bytes || counted.value.files > most.files) return yield* end("disk")
    }
  })
