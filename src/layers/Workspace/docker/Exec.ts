/** A program in a container. The engine cannot end one: it is found by a mark in its environment, or goes with the container. */
import { Deferred, Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { pathOf } from "../../../domain/Workspace.ts"
import type { Exit } from "../../../services/Workspace.ts"
import type { Names } from "../Backend.ts"
import type { Carrier } from "../Remote.ts"
import { root } from "../Sandbox.ts"
import type { Container } from "./Containers.ts"
import { type Engine, EngineFailed } from "./Engine.ts"
import { demultiplexed } from "./Frames.ts"

export const mark = "STOA_WORKSPACE_PROCESS"

/** Ends all processes with the mark that it is given, until there are none. */
export const killScript = `for i in 1 2 3 4 5; do n=0
for p in /proc/[0-9]*; do case " $(tr '\\0' ' ' 2>/dev/null < $p/environ) " in
*" $1 "*) kill -9 \${p#/proc/} 2>/dev/null && n=1;; esac; done
[ $n = 0 ] && exit 0; done; exit 1`

/** How long it may take; afterwards the container goes. */
const killIn = Duration.seconds(3)

/** How often it is asked whether a program runs whose end nobody has told, and how often after its output has ended. */
const askEvery = Duration.seconds(5)
const askAgain = Duration.millis(50)
const askedAgain = 40

/** The codes with which a killed program ends: 128 and the number of the signal. */
const signals: Readonly<Record<number, string>> = {
  129: "SIGHUP",
  130: "SIGINT",
  131: "SIGQUIT",
  134: "SIGABRT",
  137: "SIGKILL",
  139: "SIGSEGV",
  143: "SIGTERM",
  152: "SIGXCPU",
  153: "SIGXFSZ"
}

const exitOf = (code: number, isShort: boolean): Exit => {
  const signal = signals[code]
  if (signal === undefined) return { code, signal: null, ended: undefined }
  return { code: null, signal, ended: isShort && signal === "SIGKILL" ? "memory" : undefined }
}

const gone: Exit = { code: null, signal: "SIGKILL", ended: undefined }

export interface Program {
  readonly cwd: Names
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

export interface Exec extends Carrier {
  readonly id: string
  /** The engine tells of its end. */
  readonly ended: (code: number) => Effect.Effect<void>
}

export interface Around {
  readonly engine: Engine
  readonly container: Container
  /** Ends the container with all that runs in it. */
  readonly endContainer: Effect.Effect<void>
  readonly strays: Effect.Effect<number | undefined>
}

const begun = Effect.fnUntraced(function*({ container, engine }: Around, { argv, cwd, env }: Program) {
  const { body } = yield* engine.call("POST", `/containers/${container.id}/exec`, {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    Privileged: false,
    // What is not there is said by the shell, in the same words everywhere.
    Cmd: ["/bin/sh", "-c", "exec \"$@\"", "stoa", ...argv],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    WorkingDir: pathOf(root, cwd)
  })
  const id = (body as { readonly Id?: unknown } | undefined)?.Id
  if (typeof id !== "string") {
    return yield* new EngineFailed({ status: 0, message: "The container engine names no program" })
  }
  return { id, socket: yield* engine.hijack(`/exec/${id}/start`, { Detach: false, Tty: false }) }
})

/** Whether it runs, and else with which code it has ended; undefined when nobody knows it any more. */
const look = (engine: Engine, id: string) =>
  engine.call("GET", `/exec/${id}/json`).pipe(
    Effect.map(({ body }) => {
      const { ExitCode, Running } = (body ?? {}) as { readonly Running?: unknown; readonly ExitCode?: unknown }
      return { isRunning: Running === true, code: typeof ExitCode === "number" ? ExitCode : undefined }
    }),
    Effect.catchIf(({ status }) => status === 404, () => Effect.succeed(undefined))
  )

export const begin = Effect.fnUntraced(function*(around: Around, program: Program) {
  const { container, endContainer, engine, strays } = around
  const own = randomUUID()
  const kill: Effect.Effect<void> = Effect.suspend(() => {
    // Alone in the container it goes with it, whatever it has done to its environment.
    if (container.running.size <= 1 && container.users <= 1) return endContainer
    return begun(around, { cwd: [], argv: ["/bin/sh", "-c", killScript, "stoa", `${mark}=${own}`], env: {} }).pipe(
      Effect.flatMap(({ id, socket }) =>
        Effect.async<void>((resume) => {
          socket.resume()
          socket.once("close", () => resume(Effect.void))
        }).pipe(Effect.zipRight(look(engine, id)), Effect.ensuring(Effect.sync(() => socket.destroy())))
      ),
      Effect.interruptible,
      Effect.timeoutOption(killIn),
      Effect.orElseSucceed(() => undefined),
      Effect.flatMap((result) => result?._tag === "Some" && result.value?.code === 0 ? Effect.void : endContainer)
    )
  })

  const over = yield* Deferred.make<Exit>()
  const { id, socket } = yield* Effect.acquireRelease(
    begun(around, { ...program, env: { ...program.env, [mark]: own } }),
    ({ id, socket }) =>
      Effect.unlessEffect(kill, Deferred.isDone(over)).pipe(
        Effect.ensuring(Effect.sync(() => {
          container.running.delete(id)
          socket.destroy()
        }))
      )
  )
  container.running.add(id)
  const closed = yield* Deferred.make<void>()
  const { stderr, stdout } = demultiplexed(socket)
  socket.once("end", () => Deferred.unsafeDone(closed, Effect.void))
  socket.once("close", () => Deferred.unsafeDone(closed, Effect.void))

  const leave = Effect.sync(() => container.running.delete(id))
  const done = (exit: Exit) => Effect.zipRight(leave, Deferred.succeed(over, exit))
  const ended = (code: number) => Effect.asVoid(done(exitOf(code, container.isShort)))

  /** What the engine says; it may not know yet that what has ended its output has ended itself. */
  const asked = Effect.gen(function*() {
    for (let n = 0; n < askedAgain; n++) {
      const known = yield* look(engine, id)
      if (known === undefined) return yield* done(gone)
      if (!known.isRunning) return yield* known.code === undefined ? done(gone) : ended(known.code)
      yield* Effect.sleep(askAgain)
    }
    // The connection was cut while it ran: nobody hears it any more.
    yield* kill
    yield* done(gone)
  })

  yield* Effect.forkScoped(Effect.race(
    Effect.zipRight(Deferred.await(container.over), done(gone)),
    Effect.zipRight(Deferred.await(closed), Effect.catchAll(asked, () => done(gone)))
  ))
  // The engine tells of ends by events, which may be lost.
  yield* Effect.forkScoped(
    look(engine, id).pipe(
      Effect.flatMap((known) =>
        known?.isRunning === true
          ? Effect.void
          : done(known?.code === undefined ? gone : exitOf(known.code, container.isShort))
      ),
      Effect.catchAll(() => Effect.void),
      Effect.delay(askEvery),
      Effect.repeat({ until: () => Effect.runSync(Deferred.isDone(over)) })
    )
  )
  const exec: Exec = {
    id,
    ended,
    stdout,
    stderr,
    write: (bytes) =>
      Effect.async<void>((resume) => {
        if (socket.destroyed || socket.writableEnded) return resume(Effect.void)
        socket.write(bytes, () => resume(Effect.void))
      }),
    endInput: Effect.sync(() => void socket.end()),
    exited: Deferred.await(over),
    kill,
    clean: Effect.suspend(() =>
      container.running.size === 0 && container.users <= 1
        ? Effect.flatMap(strays, (count) => count === undefined || count > 0 ? endContainer : Effect.void)
        : kill
    ),
    letGo: Effect.sync(() => void socket.destroy())
  }
  return exec
})
