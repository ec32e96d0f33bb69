/**
 * Workspaces on this machine's disk whose programs run in containers of Docker, or of an engine that speaks its API. The
 * engine sees the folders of this machine: what reads and writes files needs no container, and files outlive them all.
 */
import { Data, Duration, Effect, Layer, Schedule } from "effect"
import { createHash } from "node:crypto"
import { promises as fs } from "node:fs"
import { join, relative, resolve } from "node:path"
import type { UserId } from "../../domain/Ids.ts"
import { full, NoProcesses, type WorkspaceError, type WorkspaceKey } from "../../domain/Workspace.ts"
import { Workspace } from "../../services/Workspace.ts"
import * as Disk from "./Disk.ts"
import * as Containers from "./docker/Containers.ts"
import { type Engine, type EngineFailed, make as engineAt } from "./docker/Engine.ts"
import * as Exec from "./docker/Exec.ts"
import * as Remote from "./Remote.ts"
import * as Sandbox from "./Sandbox.ts"
import * as Shared from "./Shared.ts"

export interface Options extends Shared.Options {
  readonly dir: string
  /** The same folder as the engine sees it, where that is another path. */
  readonly engineDir?: string | undefined
  /** `unix:///var/run/docker.sock`, `tcp://host:port`. */
  readonly address: string
  readonly image: string
  readonly network: string
}

/** Programs cannot be run by the engine. `message` says why, in a sentence without its end. */
export class NoEngine extends Data.TaggedError("NoEngine")<{ readonly message: string }> {}

const no = (message: string) => new NoEngine({ message })

/** Longest time for the trial. */
const trialTimeout = Duration.seconds(60)

const failureOf = ({ message }: EngineFailed): Effect.Effect<never, WorkspaceError> =>
  /no space left|disk quota/i.test(message)
    ? Effect.fail(full("The disk of the container engine is full."))
    : Effect.fail(new NoProcesses({ detail: `Nothing can be run now. ${message}.` }))

/** What an engine says may be of any kind, and not all of it can be made a text. */
const wordOf = (value: unknown): string => typeof value === "string" || typeof value === "number" ? `${value}` : ""

interface Info {
  readonly cpus: number
  readonly isRootless: boolean
}

const infoOf = (body: unknown): Info & { readonly lacks: string | undefined } => {
  const { MemoryLimit, NCPU, PidsLimit, SecurityOptions } = (body ?? {}) as Readonly<Record<string, unknown>>
  return {
    cpus: typeof NCPU === "number" ? NCPU : 1,
    isRootless: Array.isArray(SecurityOptions) && SecurityOptions.some((option) => wordOf(option).includes("rootless")),
    lacks: MemoryLimit === false ? "memory" : PidsLimit === false ? "processes" : undefined
  }
}

/** Whether there is an engine that has the image and keeps limits. */
const inspect = (engine: Engine, image: string): Effect.Effect<Info, NoEngine> =>
  Effect.gen(function*() {
    yield* engine.call("GET", "/_ping")
    const { lacks, ...info } = infoOf((yield* engine.call("GET", "/info")).body)
    if (lacks !== undefined) return yield* no(`The container engine at ${engine.address} cannot limit ${lacks}`)
    yield* engine.call("GET", `/images/${image}/json`).pipe(
      Effect.catchIf(
        ({ status }) => status === 404,
        () => no(`The container engine at ${engine.address} has no image '${image}': docker pull ${image}`)
      )
    )
    return info
  }).pipe(Effect.catchTag("EngineFailed", ({ message }) => no(message)))

/** Fails when a program cannot be run by the engine. */
export const make = Effect.fnUntraced(
  function*({ address, dir: given, engineDir, image, network, ...options }: Options) {
    const dir = resolve(given)
    const engine = engineAt(address)
    const info = yield* inspect(engine, image)
    const disk = yield* Disk.make({ dir, root: Sandbox.root, userOf: Sandbox.userOf })
    const place = createHash("sha256").update(dir).digest("hex").slice(0, 16)
    const containers = yield* Containers.make(engine, { ...options, image, network, place }, info.cpus)
    const execs = new Map<string, Exec.Exec>()

    /** The user of a workspace's programs, whose its files are. In a container of an engine without root, root is its user. */
    const userOf = (key: WorkspaceKey): string => {
      if (info.isRootless) return "0:0"
      const user = Sandbox.userOf(key) ?? process.getuid?.() ?? 1000
      return `${user}:${Sandbox.userOf(key) ?? process.getgid?.() ?? 1000}`
    }
    const seen = (path: string) => engineDir === undefined ? path : join(engineDir, relative(dir, path))

    /** What the engine tells: which program has ended, and which container had no memory left. */
    const tell = (line: unknown) => {
      const { Action, Actor } = (line ?? {}) as { readonly Action?: unknown; readonly Actor?: unknown }
      const { Attributes, ID } = (Actor ?? {}) as {
        readonly ID?: unknown
        readonly Attributes?: Record<string, unknown>
      }
      const container = containers.byId(wordOf(ID))
      if (Action === "oom" && container !== undefined) container.isShort = true
      const code = Number.parseInt(wordOf(Attributes?.["exitCode"]), 10)
      const exec = execs.get(wordOf(Attributes?.["execID"]))
      if (wordOf(Action).startsWith("exec_die") && Number.isInteger(code) && exec !== undefined) {
        Effect.runFork(exec.ended(code))
      }
    }
    const filters = encodeURIComponent(
      JSON.stringify({ type: ["container"], event: ["exec_die", "exec_died", "oom"], label: [`stoa.place=${place}`] })
    )
    yield* engine.follow(`/events?filters=${filters}`, tell).pipe(
      Effect.catchAll(({ message }) => Effect.logDebug(message)),
      Effect.repeat(Schedule.spaced("1 second")),
      Effect.forkScoped
    )

    const begin = Effect.fnUntraced(function*(key: WorkspaceKey, files: string, program: Exec.Program) {
      const container = yield* containers.use(key, seen(files), userOf(key))
      const exec = yield* Exec.begin({
        engine,
        container,
        endContainer: containers.endThis(key, container),
        strays: containers.strays(container)
      }, program)
      yield* Effect.acquireRelease(
        Effect.sync(() => execs.set(exec.id, exec)),
        () => Effect.sync(() => execs.delete(exec.id))
      )
      return exec
    })

    yield* trial(dir, (files, argv) => begin(trialKey, files, { cwd: [], argv, env: {} }), Sandbox.userOf(trialKey))
      .pipe(
        Effect.ensuring(containers.end(trialKey))
      )

    return yield* Shared.make({
      ...disk,
      kind: {
        name: "docker",
        runs: true,
        about: `Programs run in containers of '${image}', ${
          network === "none" ? "without network" : `in the network '${network}'`
        }`
      },
      destroy: (owner: UserId, key: WorkspaceKey) => Effect.zipRight(containers.end(key), disk.destroy(owner, key)),
      spawn: (owner, key, spawning) =>
        begin(key, disk.filesOf(owner, key), {
          cwd: spawning.cwd,
          argv: spawning.command.argv,
          env: spawning.command.env ?? {}
        }).pipe(
          Effect.catchTag("EngineFailed", failureOf),
          Effect.flatMap((exec) => Remote.begin(exec, spawning))
        )
    }, options)
  }
)

const trialKey = "0".repeat(32) as WorkspaceKey

/** Runs a program in a container and looks whether what it writes comes out here. */
const trial = <R>(
  dir: string,
  begin: (files: string, argv: ReadonlyArray<string>) => Effect.Effect<Exec.Exec, EngineFailed, R>,
  user: number | undefined
) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const files = await fs.mkdtemp(join(dir, "trial-"))
      if (user !== undefined) await fs.chown(files, user, user)
      return files
    }),
    (files) =>
      Effect.scoped(Effect.gen(function*() {
        const { exited, stderr, stdout } = yield* begin(files, ["/bin/sh", "-c", "echo inside > trial && cat trial"])
        let words = ""
        for (const stream of [stdout, stderr]) {
          stream.on("data", (piece: Buffer) => words += piece.toString().slice(0, 200))
        }
        const { code } = yield* exited
        const written = yield* Effect.promise(() => fs.readFile(join(files, "trial"), "utf8").catch(() => ""))
        if (code === 0 && written.trim() !== "inside") {
          return yield* no(
            `The container engine does not see the folder ${dir} of this machine: set STOA_DOCKER_DIR to its path there`
          )
        }
        if (code !== 0) {
          return yield* no(
            `A program in a container could not write in its workspace: ${words.trim().split("\n", 1)[0]}`
          )
        }
      })).pipe(
        Effect.catchTag("EngineFailed", ({ message }) => no(message)),
        Effect.timeoutFail({
          duration: trialTimeout,
          onTimeout: () => no("A program in a container did not end in time")
        })
      ),
    (files) => Effect.promise(() => fs.rm(files, { recursive: true, force: true }))
  )

/** Whether programs can be run by the engine, found out by running one. */
export const probe = (
  options: Omit<Options, keyof Shared.Options> & Pick<Shared.Options, "limits">
): Effect.Effect<void, NoEngine> =>
  Effect.scoped(Effect.asVoid(make({ ...options, isolation: "agent", idle: Duration.minutes(1) })))

export const layer = (options: Options): Layer.Layer<Workspace, NoEngine> => Layer.scoped(Workspace, make(options))
