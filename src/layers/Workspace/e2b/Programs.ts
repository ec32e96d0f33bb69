/** Programs in a sandbox. They are found again by a mark in their environment, with all that they have begun. */
import { Deferred, Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { PassThrough } from "node:stream"
import type { Exit } from "../../../services/Workspace.ts"
import { hashOf } from "../Disk.ts"
import { nameOf } from "../docker/Containers.ts"
import { killScript, mark } from "../docker/Exec.ts"
import type { Carrier } from "../Remote.ts"
import { type Client, E2bFailed, type Sandbox } from "./Client.ts"
import { envelopes } from "./Envelopes.ts"

/** How often a program that says nothing is said to be there, and how long it may be silent even about that. */
const keepalive = 30
const silence = Duration.seconds(90)

/** How long a program may take to begin, and one of ours to do its work. */
const beginsIn = Duration.seconds(30)
const ownIn = Duration.seconds(20)

/** How long it may take to end one with all that it has begun, and then to end it alone. */
const killIn = Duration.seconds(5)
const signalIn = Duration.seconds(2)

/** How long a program that takes too long may live on, where nobody is there any more to end it. */
const grace = Duration.seconds(30)

/** Most that a program of ours prints, and bytes of each stream that may wait to be read. */
const maxOwn = 64 * 1024
const highWaterMark = 64 * 1024

/** Most bytes of input that go in one request. */
const inputBytes = 256 * 1024

/** How the end of a killed program is told: `signal: killed`. */
const signals: Readonly<Record<string, string>> = {
  hangup: "SIGHUP",
  interrupt: "SIGINT",
  quit: "SIGQUIT",
  aborted: "SIGABRT",
  killed: "SIGKILL",
  "segmentation fault": "SIGSEGV",
  terminated: "SIGTERM",
  "CPU time limit exceeded": "SIGXCPU",
  "file size limit exceeded": "SIGXFSZ"
}

const gone: Exit = { code: null, signal: "SIGKILL", ended: undefined }

export interface Program {
  readonly cwd: string
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** The longest time that it may take. */
  readonly within?: Duration.Duration | undefined
  /** Seconds of processor time of one process. */
  readonly cpuSeconds: number
}

type Event =
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Buffer }
  | { readonly kind: "end"; readonly exit: Exit }
  | { readonly kind: "start"; readonly pid: number }
  | undefined

const exitOf = (
  { exitCode = 0, exited, status = "" }: { exitCode?: number; exited?: boolean; status?: string }
): Exit => {
  const signal = /^signal: ([A-Za-z ]{1,40}?)(?: \(core dumped\))?$/.exec(status)?.[1]
  if (signal !== undefined) return { code: null, signal: signals[signal] ?? "SIGKILL", ended: undefined }
  return exited === false && exitCode < 0 ? gone : { code: exitCode, signal: null, ended: undefined }
}

/** What a piece says; undefined where it is nothing but a sign of life. */
const eventOf = (body: unknown): Event => {
  const { event } = (body ?? {}) as { readonly event?: Readonly<Record<string, unknown>> }
  if (typeof event?.start === "object") {
    const { pid } = event.start as { readonly pid?: unknown }
    return { kind: "start", pid: Number(pid ?? 0) }
  }
  if (typeof event?.end === "object") return { kind: "end", exit: exitOf(event.end ?? {}) }
  const data = (event?.data ?? {}) as Readonly<Record<string, unknown>>
  for (const kind of ["stdout", "stderr"] as const) {
    const text = data[kind]
    if (typeof text === "string") return { kind, bytes: Buffer.from(text, "base64") }
  }
  return undefined
}

const cut = (why: string) =>
  new E2bFailed({ status: 0, code: undefined, message: `The connection to a program was cut (${why})` })

/** Begins a program: its number, and what comes of it, one after the other. */
const start = Effect.fnUntraced(
  function*(client: Client, sandbox: Sandbox, process: object, within?: Duration.Duration) {
    const body = yield* client.stream(sandbox, "process.Process/Start", { process, stdin: true }, keepalive, within)
    const pieces = envelopes(body)
    const next: Effect.Effect<Exclude<Event, undefined>, E2bFailed> = Effect.tryPromise({
      try: () => pieces.next(),
      catch: () => cut("its stream broke")
    }).pipe(
      Effect.timeoutFail({ duration: silence, onTimeout: () => cut("nothing came any more") }),
      Effect.flatMap(({ done, value }) => {
        if (done === true || value === undefined) return Effect.fail(cut("its stream ended"))
        if (!value.isEnd) return Effect.succeed(eventOf(value.body))
        const { error } = (value.body ?? {}) as { error?: { readonly code?: unknown; readonly message?: unknown } }
        return Effect.fail(
          error === undefined
            ? cut("its stream ended")
            : new E2bFailed({
              status: 200,
              code: typeof error.code === "string" ? error.code : undefined,
              message: `The sandbox says: ${String(error.message ?? error.code).replaceAll(/\s+/g, " ").slice(0, 300)}`
            })
        )
      }),
      Effect.repeat({ while: (event) => event === undefined }),
      Effect.map((event) => event!)
    )
    const first = yield* Effect.timeoutFail(next, {
      duration: beginsIn,
      onTimeout: () => cut("it did not begin in time")
    })
    return first.kind === "start" ? { pid: first.pid, next } : yield* cut("it did not say that it began")
  }
)

export interface Own {
  readonly code: number | null
  readonly out: string
}

/** Runs a short program of ours to its end. */
export const run = (client: Client, sandbox: Sandbox, script: string, args: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const { next } = yield* start(
      client,
      sandbox,
      { cmd: "/bin/sh", args: ["-c", script, "stoa", ...args], envs: { LC_ALL: "C" } },
      ownIn
    )
    let out = ""
    for (;;) {
      const event = yield* next
      if (event.kind === "end") return { code: event.exit.code, out } satisfies Own
      if (event.kind === "stdout" && out.length < maxOwn) out += event.bytes.toString("utf8")
    }
  })).pipe(Effect.timeoutFail({ duration: ownIn, onTimeout: () => cut("it took too long") }))

/** Whose programs they are: this machine's, and of which process of it. */
const machine = hashOf(hostname())
const self = nameOf(process.pid)

/** The marks of what runs, each once. */
const marksScript = `cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep "^$1=" | sort -u | head -n 200`

const killMarked = (client: Client, sandbox: Sandbox, own: string) =>
  run(client, sandbox, killScript, [`${mark}=${own}`])

/** Ends what servers of this machine have left running that are gone: a killed one could not end its programs. */
export const endLeft = Effect.fnUntraced(function*(client: Client, sandbox: Sandbox) {
  const { out } = yield* run(client, sandbox, marksScript, [mark])
  for (const line of out.split("\n")) {
    const own = line.slice(mark.length + 1)
    const [host, pid = "", started] = own.split("_")
    if (host !== machine || `${pid}:${started}` === self) continue
    if (nameOf(Number(pid)) !== `${pid}:${started}`) yield* killMarked(client, sandbox, own)
  }
})

/** Waits where what it is written to is not read. */
const written = (stream: PassThrough, bytes: Buffer) =>
  Effect.async<void>((resume) => {
    if (stream.destroyed || stream.write(bytes)) return resume(Effect.void)
    const done = () => {
      stream.off("drain", done).off("close", done)
      resume(Effect.void)
    }
    stream.on("drain", done).on("close", done)
  })

export const begin = Effect.fnUntraced(function*(client: Client, sandbox: Sandbox, program: Program) {
  const { argv, cpuSeconds, cwd, env, within } = program
  const own = [machine, ...self.split(":"), randomUUID()].join("_")
  const over = yield* Deferred.make<Exit>()

  const killAll = killMarked(client, sandbox, own).pipe(
    Effect.interruptible,
    Effect.timeoutFail({ duration: killIn, onTimeout: () => cut("it could not be ended in time") }),
    Effect.flatMap(({ code }) => code === 0 ? Effect.void : cut("not all of it could be ended"))
  )
  // The program may have begun although nobody has heard of it.
  const { next, pid } = yield* Effect.onError(
    start(
      client,
      sandbox,
      {
        cmd: "/bin/sh",
        // What is not there is said by the shell, in the same words everywhere.
        args: ["-c", `ulimit -c 0; ulimit -t ${cpuSeconds}; exec "$@"`, "stoa", ...argv],
        envs: { ...env, [mark]: own },
        cwd
      },
      within === undefined ? undefined : Duration.sum(within, grace)
    ),
    () => Effect.ignore(killAll)
  )
  const kill: Effect.Effect<void> = Effect.catchAll(killAll, ({ message }) =>
    Effect.zipRight(
      Effect.logDebug(message),
      Effect.ignore(Effect.interruptible(
        client.rpc(
          sandbox,
          "process.Process/SendSignal",
          { process: { pid }, signal: "SIGNAL_SIGKILL" },
          signalIn
        )
      ))
    ))

  const out = { stdout: new PassThrough({ highWaterMark }), stderr: new PassThrough({ highWaterMark }) }
  const end = Effect.sync(() => {
    out.stdout.end()
    out.stderr.end()
  })
  yield* Effect.addFinalizer(() => end)
  yield* Effect.forkScoped(
    next.pipe(
      Effect.flatMap((event) =>
        event.kind === "stdout" || event.kind === "stderr"
          ? Effect.as(written(out[event.kind], event.bytes), undefined)
          : Effect.succeed(event.kind === "end" ? event.exit : undefined)
      ),
      Effect.repeat({ until: (exit) => exit !== undefined }),
      // Nobody hears it any more, so it must not go on.
      Effect.catchAll(({ message }) => Effect.zipRight(Effect.logDebug(message), Effect.as(kill, gone))),
      Effect.flatMap((exit) => Effect.zipRight(end, Deferred.succeed(over, exit ?? gone)))
    )
  )

  const oneByOne = yield* Effect.makeSemaphore(1)
  const process = { pid }
  /** What does not reach a program that runs would be missing in the middle of its input. */
  const input = (method: string, body: object) =>
    client.rpc(sandbox, method, { process, ...body }, Duration.minutes(5)).pipe(
      Effect.catchAll(() => Effect.unlessEffect(kill, Deferred.isDone(over))),
      Effect.raceFirst(Deferred.await(over)),
      Effect.asVoid
    )

  const carrier: Carrier = {
    stdout: out.stdout,
    stderr: out.stderr,
    write: (bytes) =>
      oneByOne.withPermits(1)(Effect.suspend(() => {
        const pieces = Array.from(
          { length: Math.ceil(bytes.length / inputBytes) },
          (_, i) => bytes.subarray(i * inputBytes, (i + 1) * inputBytes)
        )
        return Effect.forEach(
          pieces,
          (piece) => input("process.Process/SendInput", { input: { stdin: Buffer.from(piece).toString("base64") } }),
          { discard: true }
        )
      })),
    endInput: oneByOne.withPermits(1)(
      Effect.asVoid(Effect.raceFirst(
        Effect.ignore(client.rpc(sandbox, "process.Process/CloseStdin", { process })),
        Deferred.await(over)
      ))
    ),
    exited: Deferred.await(over),
    kill,
    clean: kill,
    letGo: Effect.zipRight(end, Effect.asVoid(Deferred.succeed(over, gone)))
  }
  return carrier
})
