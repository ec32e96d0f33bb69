/**
 * One container for each workspace in which something runs. It holds the workspace's folder of this machine, and lives as
 * long as its input is open: the engine closes that when this process ends, however it ends, so that nothing is left
 * running. One that nobody uses goes after a while; files are not in it.
 */
import { Clock, Deferred, Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Socket } from "node:net"
import { hostname } from "node:os"
import type { WorkspaceKey, WorkspaceLimits } from "../../../domain/Workspace.ts"
import { supervise } from "../../Supervise.ts"
import { environment, root } from "../Sandbox.ts"
import { type Engine, EngineFailed } from "./Engine.ts"

/** Those who wait for the container of a workspace, one after the other. */
interface Line {
  readonly turn: Effect.Semaphore
  users: number
  /** The workspace has gone meanwhile. */
  isOver: boolean
}

export interface Options {
  readonly image: string
  /** A network of the engine; `none` for none. */
  readonly network: string
  readonly limits: WorkspaceLimits
  readonly idle: Duration.Duration
  /** Names the folder of all workspaces, so that others' containers are left alone. */
  readonly place: string
}

export interface Container {
  readonly id: string
  /** It ends with it. */
  readonly input: Socket
  /** Programs that run in it. */
  readonly running: Set<string>
  /** When it has ended, whoever ended it. */
  readonly over: Deferred.Deferred<void>
  /** The kernel has ended a program for its memory. */
  isShort: boolean
  /** Who is about to use it, and since when nobody is. */
  users: number
  idleSince: number
}

const tmpBytes = 256 * 1024 * 1024
const shmBytes = 64 * 1024 * 1024
const maxOpen = 1024
const maxCpus = 2

/** Processes of a container that are the container's own. */
const ownProcesses = 2

const removed = new EngineFailed({ status: 0, message: "The workspace was removed meanwhile" })

/** Longest time for the containers to be gone at the end of the server. */
const leaveTimeout = Duration.seconds(5)

const labelOf = { place: "stoa.place", host: "stoa.host", process: "stoa.process", workspace: "stoa.workspace" }

/** A process of this machine, now and not one that gets its number later. */
export const nameOf = (pid: number): string => {
  try {
    return `${pid}:${readFileSync(`/proc/${pid}/stat`, "utf8").split(")").at(-1)!.trim().split(" ")[19]}`
  } catch {
    return `${pid}:`
  }
}

const idOf = (body: unknown): string | undefined =>
  typeof body === "object" && body !== null && "Id" in body && typeof body.Id === "string" ? body.Id : undefined

export const make = Effect.fnUntraced(function*(
  engine: Engine,
  { idle, image, limits, network, place }: Options,
  cpus: number
) {
  const containers = new Map<WorkspaceKey, Container>()
  const lines = new Map<WorkspaceKey, Line>()
  const self = nameOf(process.pid)

  const discard = (id: string) => Effect.ignore(engine.call("DELETE", `/containers/${id}?force=1&v=1`))

  /** What processes of this machine have left that could not say so. */
  const sweep = Effect.gen(function*() {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${labelOf.place}=${place}`] }))
    const { body } = yield* engine.call("GET", `/containers/json?all=1&filters=${filters}`)
    for (const one of Array.isArray(body) ? body as ReadonlyArray<{ Labels?: Record<string, string> }> : []) {
      const [host, name] = [one.Labels?.[labelOf.host], one.Labels?.[labelOf.process]]
      const id = idOf(one)
      if (id === undefined || host !== hostname() || name === undefined || name === self) continue
      if (nameOf(Number.parseInt(name, 10)) !== name) yield* discard(id)
    }
  })

  const bodyOf = (key: WorkspaceKey, files: string, user: string) => ({
    Image: image,
    Entrypoint: ["cat"],
    Cmd: [],
    User: user,
    Hostname: "stoa",
    WorkingDir: root,
    Env: Object.entries(environment(root)).map(([name, value]) => `${name}=${value}`),
    // It ends with its input, which is this process's.
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    NetworkDisabled: network === "none",
    Labels: {
      [labelOf.place]: place,
      [labelOf.host]: hostname(),
      [labelOf.process]: self,
      [labelOf.workspace]: key
    },
    HostConfig: {
      AutoRemove: true,
      Init: true,
      Mounts: [{ Type: "bind", Source: files, Target: root }],
      Tmpfs: { "/tmp": `rw,exec,nosuid,nodev,mode=1777,size=${tmpBytes}` },
      NetworkMode: network,
      IpcMode: "private",
      ShmSize: shmBytes,
      ReadonlyRootfs: true,
      Privileged: false,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Memory: limits.memory,
      MemorySwap: limits.memory,
      PidsLimit: limits.processes + ownProcesses,
      NanoCpus: Math.max(1, Math.min(maxCpus, cpus)) * 1e9,
      Ulimits: [
        { Name: "core", Soft: 0, Hard: 0 },
        { Name: "cpu", Soft: limits.cpuSeconds, Hard: limits.cpuSeconds },
        { Name: "fsize", Soft: limits.bytes, Hard: limits.bytes },
        { Name: "nofile", Soft: maxOpen, Hard: maxOpen }
      ],
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" }
    }
  })

  const create = (key: WorkspaceKey, files: string, user: string): Effect.Effect<Container, EngineFailed> =>
    Effect.gen(function*() {
      const name = `stoa-${key}-${randomUUID().slice(0, 8)}`
      const { body } = yield* engine.call("POST", `/containers/create?name=${name}`, bodyOf(key, files, user))
      const id = idOf(body) ?? name
      return yield* Effect.gen(function*() {
        const input = yield* engine.hijack(`/containers/${id}/attach?stream=1&stdin=1`)
        const container: Container = {
          id,
          input,
          running: new Set(),
          over: Deferred.unsafeMake<void>(yield* Effect.fiberId),
          isShort: false,
          users: 0,
          idleSince: 0
        }
        input.resume()
        input.once("close", () => {
          if (containers.get(key) === container) containers.delete(key)
          Deferred.unsafeDone(container.over, Effect.void)
        })
        yield* Effect.onError(engine.call("POST", `/containers/${id}/start`), () => Effect.sync(() => input.destroy()))
        return container
      }).pipe(Effect.onError(() => discard(id)))
    }).pipe(
      // Who is interrupted would not know what there is by then.
      Effect.uninterruptible
    )

  const remove = (container: Container) =>
    Effect.ensuring(discard(container.id), Effect.sync(() => container.input.destroy()))

  /** Ends this one, if it is there still. */
  const endThis = (key: WorkspaceKey, container: Container) =>
    Effect.suspend(() => {
      if (containers.get(key) === container) containers.delete(key)
      return remove(container)
    })

  const inLine = <A, E>(key: WorkspaceKey, work: (line: Line) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const line = lines.get(key) ?? { turn: Effect.unsafeMakeSemaphore(1), users: 0, isOver: false }
        line.users++
        lines.set(key, line)
        return line
      }),
      (line) => line.turn.withPermits(1)(Effect.suspend(() => work(line))),
      (line) =>
        Effect.sync(() => {
          if (--line.users === 0 && lines.get(key) === line) lines.delete(key)
        })
    )

  const evict = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    for (const [key, container] of containers) {
      if (container.users > 0 || now - container.idleSince < Duration.toMillis(idle)) continue
      // Out of the map before anything waits: who comes now gets another one.
      containers.delete(key)
      yield* remove(container)
    }
  })

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...containers.values()], remove, { concurrency: 8, discard: true }).pipe(
      Effect.timeoutOption(leaveTimeout)
    )
  )
  yield* Effect.forkScoped(supervise(
    "Eviction of containers",
    Effect.forever(Effect.delay(evict, Duration.min(Duration.minutes(1), idle)))
  ))
  yield* Effect.forkScoped(
    Effect.catchAll(sweep, ({ message }) => Effect.logWarning(`Old containers could not be looked for: ${message}`))
  )

  return {
    /** The container of a workspace, which stays while the scope is open. `files` is the folder as the engine sees it. */
    use: (key: WorkspaceKey, files: string, user: string) =>
      Effect.acquireRelease(
        inLine(key, (line): Effect.Effect<Container, EngineFailed> => {
          // What is there now may be of a workspace that was made after it.
          if (line.isOver) return removed
          const known = containers.get(key)
          const used = (container: Container): Effect.Effect<Container, EngineFailed> => {
            if (line.isOver) return Effect.zipRight(remove(container), removed)
            // It may have ended already.
            if (!container.input.destroyed) containers.set(key, container)
            container.users++
            return Effect.succeed(container)
          }
          return known === undefined ? Effect.flatMap(create(key, files, user), used) : used(known)
        }),
        (container) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            container.users--
            container.idleSince = now
          })
      ),
    /** Ends the container of a workspace with all that runs in it. Who waits for it gets none. */
    end: (key: WorkspaceKey) =>
      Effect.suspend(() => {
        const line = lines.get(key)
        if (line !== undefined) line.isOver = true
        lines.delete(key)
        const container = containers.get(key)
        return container === undefined ? Effect.void : endThis(key, container)
      }),
    endThis,
    /** How many processes it has beside its own; undefined when it is gone. */
    strays: ({ id }: Container) =>
      engine.call("GET", `/containers/${id}/top`).pipe(
        Effect.map(({ body }) =>
          typeof body === "object" && body !== null && "Processes" in body && Array.isArray(body.Processes)
            ? body.Processes.length - ownProcesses
            : undefined
        ),
        Effect.orElseSucceed(() => undefined)
      ),
    byId: (id: string) => [...containers.values()].find((container) => container.id === id)
  }
})
