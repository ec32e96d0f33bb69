/**
 * The service over any kind of workspace: who shares one, what is in use, how much there
 * may be, and how one is taken away from those who use it. A workspace that nobody uses is
 * forgotten after a while; its files stay.
 */
import { Clock, Duration, Effect, type Scope, Stream } from "effect"
import { createHash } from "node:crypto"
import { LimitReached, NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import {
  type FileError,
  full,
  isGone,
  type Isolation,
  isPlain,
  maxWhole,
  namesOf,
  NoProcesses,
  refused,
  sessionFolder,
  tooLong,
  WorkspaceKey,
  type WorkspaceLimits,
  type WorkspaceRecord
} from "../../domain/Workspace.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Command, type OpenWorkspace, pieceBytes, Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import { supervise } from "../Supervise.ts"
import type { Backend, Begun, Names, Place, Usage } from "./Backend.ts"

export interface Options {
  readonly isolation: Isolation
  readonly limits: WorkspaceLimits
  /** How long a workspace that nobody uses is kept in memory. */
  readonly idle: Duration.Duration
}

/** Programs that run at once: of one workspace, of one owner, and of all. */
const maxOfWorkspace = 8
const maxOfOwner = 16
const maxOfAll = 64

/** How old a count of files may be before one writes by it, in milliseconds. */
const countFor = 5_000

/** Longest time for the programs of a removed workspace to end. */
const endTimeout = Duration.seconds(5)

/** What this process knows of a workspace that is or was in use just now. */
interface State {
  readonly owner: UserId
  readonly key: WorkspaceKey
  /** Preparing, changing files and removing the workspace happen one at a time. */
  readonly lock: Effect.Semaphore
  readonly running: Set<Begun>
  /** Programs that run or are about to. */
  programs: number
  users: number
  idleSince: number
  place: Place | undefined
  usage: (Usage & { readonly at: number }) | undefined
  isGone: boolean
}

const hashed = (owner: UserId, isolation: Isolation, of: string) =>
  WorkspaceKey.make(createHash("sha256").update(JSON.stringify([owner, isolation, of])).digest("hex").slice(0, 32))

export const keyOf = (owner: UserId, isolation: Isolation, { agent_id, workspace_id }: WorkspaceOf): WorkspaceKey =>
  hashed(owner, isolation, isolation === "agent" ? agent_id : isolation === "session" ? workspace_id : "")

const tooMany = (whose: string) =>
  new LimitReached({
    code: "too_many_processes",
    detail: `Too many programs of ${whose} run at once. Try again when another has ended.`,
    retry_after: 5
  })

const noProcesses = new NoProcesses({
  detail:
    "Workspaces of this server have files, but nothing can be run in them. The operator finds the reason with `stoa doctor`."
})

export const make = Effect.fnUntraced(function*(backend: Backend, { idle, isolation, limits }: Options) {
  const states = new Map<WorkspaceKey, State>()
  const programs = new Map<UserId, number>()
  let all = 0
  const tellers = new Set<(owner: UserId, id: WorkspaceKey) => Effect.Effect<void>>()

  const recordOf = (of: WorkspaceOf, key: WorkspaceKey, at: number): WorkspaceRecord => ({
    id: key,
    isolation,
    agent_id: isolation === "agent" ? of.agent_id : null,
    workspace_id: isolation === "session" ? of.workspace_id : null,
    created_at: timestampOf(at),
    last_used_at: timestampOf(at)
  })

  /** Nothing waits between the look and the entry, so two who come at once get the same state. */
  const enter = (owner: UserId, key: WorkspaceKey): State => {
    const known = states.get(key)
    const state: State = known ?? {
      owner,
      key,
      lock: Effect.unsafeMakeSemaphore(1),
      running: new Set(),
      programs: 0,
      users: 0,
      idleSince: 0,
      place: undefined,
      usage: undefined,
      isGone: false
    }
    state.users++
    states.set(key, state)
    return state
  }

  const leave = (state: State) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      state.users--
      state.idleSince = now
    })

  /** Forgets what nobody has used for long. What is in use stays, however long. */
  const evict = Effect.map(Clock.currentTimeMillis, (now) => {
    for (const [key, { idleSince, users }] of states) {
      if (users === 0 && now - idleSince >= Duration.toMillis(idle)) states.delete(key)
    }
  })
  yield* Effect.forkScoped(supervise(
    "Eviction of workspaces",
    Effect.forever(Effect.delay(evict, Duration.min(Duration.minutes(1), idle)))
  ))

  const measure = Effect.fnUntraced(function*(state: State, place: Place) {
    const now = yield* Clock.currentTimeMillis
    if (state.usage !== undefined && now - state.usage.at < countFor) return state.usage
    const counted = yield* place.usage(limits.files + 1)
    return state.usage = { ...counted, at: now }
  })

  const noRoom = full("There is no room for the file in the workspace any more: delete what is not needed.")

  const checkFiles = ({ files }: Usage) =>
    files < limits.files
      ? Effect.void
      : full(`The workspace has ${files} files, and may have ${limits.files}: delete what is not needed.`)

  const view = (state: State, place: Place): OpenWorkspace => {
    const { root } = place
    const names = (path: string) => namesOf(root, [], path)

    /** Whatever fails in a workspace that is gone fails because it is gone. */
    const alive = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | ReturnType<typeof isGone>, R> =>
      Effect.suspend(() =>
        state.isGone
          ? Effect.fail(isGone())
          : Effect.catchAll(work, (error): Effect.Effect<never, E | ReturnType<typeof isGone>> =>
            Effect.fail(state.isGone ? isGone() : error))
      )

    const forget = Effect.sync(() => {
      state.usage = undefined
    })

    /** With the lock: a file that comes while the others are counted might be missed, or counted twice. */
    const measured = measure(state, place)

    const stage = <E>(bytes: Stream.Stream<Uint8Array, E>, usage: Usage) =>
      Effect.zipRight(checkFiles(usage), place.stage(bytes, limits.bytes - usage.bytes))

    const count = (size: number) => {
      if (state.usage !== undefined) {
        state.usage = { ...state.usage, bytes: state.usage.bytes + size, files: state.usage.files + 1 }
      }
    }

    const begin = Effect.fnUntraced(function*(command: Command) {
      if (backend.spawn === undefined) return yield* noProcesses
      const cwd: Names = yield* names(command.cwd ?? root)
      const { kind } = yield* place.stat(cwd)
      if (kind !== "directory") return yield* refused(command.cwd ?? root, "is no folder")
      // Counted before anything waits: a hundred that come at once are counted one after the other.
      const own = programs.get(state.owner) ?? 0
      if (own >= maxOfOwner) return yield* tooMany("yours")
      if (state.programs >= maxOfWorkspace) return yield* tooMany("this workspace")
      if (all >= maxOfAll) return yield* tooMany("this server")
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          all++
          state.programs++
          programs.set(state.owner, own + 1)
        }),
        () =>
          Effect.sync(() => {
            all--
            state.programs--
            const left = (programs.get(state.owner) ?? 1) - 1
            if (left > 0) programs.set(state.owner, left)
            else programs.delete(state.owner)
          })
      )
      const before = yield* state.lock.withPermits(1)(measured)
      const begun = yield* backend.spawn(state.owner, state.key, { place, cwd, command, limits, before })
      yield* Effect.acquireRelease(
        Effect.sync(() => state.running.add(begun)),
        () => Effect.zipRight(Effect.sync(() => state.running.delete(begun)), forget)
      )
      // It may have been removed while the program began.
      if (state.isGone) yield* begun.end("deleted")
      return begun
    })

    return {
      id: state.key,
      root,
      stat: (path) => alive(Effect.flatMap(names(path), place.stat)),
      open: (path) => alive(Effect.flatMap(names(path), place.open)),
      list: (path, limit) => alive(Effect.flatMap(names(path), (names) => place.list(names, limit))),
      write: (path, bytes) =>
        alive(Effect.scoped(Effect.gen(function*() {
          const target = yield* names(path)
          const staged = yield* stage(bytes, yield* state.lock.withPermits(1)(measured))
          // Others may have filled the workspace while the bytes came.
          yield* state.lock.withPermits(1)(alive(Effect.gen(function*() {
            const usage = yield* measured
            yield* checkFiles(usage)
            if (usage.bytes + staged.size > limits.bytes) return yield* noRoom
            yield* staged.place(target)
            count(staged.size)
          })))
          return staged.size
        }))),
      writeFolder: (path, files) =>
        alive(Effect.scoped(Effect.gen(function*() {
          const target = yield* names(path)
          const placed = yield* Effect.forEach(files, ({ bytes, path }) =>
            Effect.map(newNames(path), (names) => ({ bytes, names })))
          const entries = entriesOf(placed)
          const fits = (usage: Usage) =>
            checkFiles({ ...usage, files: usage.files + entries })
          const before = yield* state.lock.withPermits(1)(measured)
          yield* fits(before)
          const staged = yield* place.stageFolder(placed, limits.bytes - before.bytes)
          yield* state.lock.withPermits(1)(alive(Effect.gen(function*() {
            const usage = yield* measured
            yield* fits(usage)
            if (usage.bytes + staged.size > limits.bytes) return yield* noRoom
            yield* staged.place(target)
            yield* forget
          })))
        }))),
      modify: (path, change) =>
        alive(
          state.lock.withPermits(1)(Effect.scoped(Effect.gen(function*() {
            const target = yield* names(path)
            const before = yield* wholeOf(place, target, path)
            const after = yield* change(before)
            if (after.length > maxWhole) return yield* tooLong(path, after.length)
            const staged = yield* stage(Stream.succeed(after), yield* measured)
            yield* alive(staged.place(target))
            count(staged.size - before.length)
          })))
        ),
      remove: (path) =>
        alive(Effect.zipLeft(state.lock.withPermits(1)(Effect.flatMap(names(path), place.remove)), forget)),
      spawn: (command) => alive(begin(command))
    }
  }

  const open = (owner: UserId, of: WorkspaceOf): Effect.Effect<OpenWorkspace, FileError, Scope.Scope> =>
    Effect.suspend(() => {
      const key = keyOf(owner, isolation, of)
      return Effect.flatMap(
        Effect.acquireRelease(Effect.sync(() => enter(owner, key)), leave),
        (state) =>
          state.lock.withPermits(1)(Effect.suspend(() => {
            if (state.isGone || state.place !== undefined) return Effect.succeed(state.place)
            return Effect.flatMap(Clock.currentTimeMillis, (now) => backend.prepare(owner, recordOf(of, key, now)))
          })).pipe(
            Effect.flatMap((place) => {
              // It was being removed when it was asked for: there is a new one by now.
              if (state.isGone || place === undefined) return open(owner, of)
              state.place = place
              return Effect.succeed(view(state, place))
            })
          )
      )
    })

  const find = Effect.fnUntraced(function*(owner: UserId, id: WorkspaceKey) {
    const record = (yield* backend.records(owner)).find((record) => record.id === id)
    return record ?? (yield* NotFound.of("Workspace", id))
  })

  /** Ends what runs there, and takes the folder away before anybody can make it again. */
  const destroy = (owner: UserId, key: WorkspaceKey) =>
    Effect.acquireUseRelease(
      Effect.sync(() => enter(owner, key)),
      (state) =>
        Effect.uninterruptible(
          state.lock.withPermits(1)(Effect.gen(function*() {
            state.isGone = true
            yield* Effect.forEach([...state.running], (begun) => begun.end("deleted"), {
              concurrency: "unbounded",
              discard: true
            })
              .pipe(Effect.timeoutOption(endTimeout))
            yield* backend.destroy(owner, key)
            // Only now: who comes before waits for the lock, sees that it is gone, and comes again.
            if (states.get(key) === state) states.delete(key)
            yield* Effect.forEach([...tellers], (tell) => tell(owner, key), { discard: true })
          }))
        ),
      leave
    )

  // At the end of the server nothing is left running.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(
      [...states.values()].flatMap(({ running }) => [...running]),
      (begun) => begun.end("deleted"),
      { concurrency: "unbounded", discard: true }
    )
  )

  return Workspace.of({
    kind: backend.kind,
    keyOf: (owner, of) => keyOf(owner, isolation, of),
    onRemoved: (tell) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => tellers.add(tell)),
        () => Effect.sync(() => tellers.delete(tell))
      )),
    open,
    list: (owner) =>
      Effect.map(
        backend.records(owner),
        (records) =>
          records.toSorted((a, b) => b.last_used_at.localeCompare(a.last_used_at) || a.id.localeCompare(b.id))
      ),
    get: find,
    usage: (owner, id) =>
      Effect.flatMap(
        find(owner, id),
        () =>
          Effect.catchAll(
            backend.place(owner, id).usage(limits.files + 1),
            () => Effect.succeed({ bytes: 0, files: 0 })
          )
      ),
    remove: (owner, id) => Effect.flatMap(find(owner, id), () => destroy(owner, id)),
    agentRemoved: (owner, agent_id) =>
      isolation === "agent"
        ? destroy(owner, hashed(owner, isolation, agent_id))
        : Effect.void,
    sessionRemoved: Effect.fnUntraced(function*(owner, session, of, isUsed) {
      const key = keyOf(owner, isolation, of)
      if (isolation === "session" && !(yield* isUsed)) return yield* destroy(owner, key)
      const known = (yield* backend.records(owner)).some(({ id }) => id === key)
      // There may be nothing to remove.
      if (known) yield* Effect.ignore(backend.place(owner, key).remove(sessionFolder(session).split("/")))
    })
  })
})

/** The names of a file in a new folder. */
const newNames = (path: string) =>
  Effect.filterOrFail(
    namesOf("", [], path.startsWith("/") ? "" : path),
    (names) => names.length > 0 && names.every(isPlain),
    () => refused(path, "is no name that a file may have")
  )

/** Files and folders that there will be, the outermost folder counted in. */
const entriesOf = (files: ReadonlyArray<{ readonly names: Names }>): number => {
  const folders = new Set(
    files.flatMap(({ names }) => names.slice(0, -1).map((_, i) => names.slice(0, i + 1).join("/")))
  )
  return files.length + folders.size + 1
}

const wholeOf = (place: Place, names: Names, path: string) =>
  Effect.scoped(Effect.gen(function*() {
    const file = yield* place.open(names)
    if (file.size > maxWhole) return yield* tooLong(path, file.size)
    const pieces: Array<Uint8Array> = []
    let size = 0
    for (;;) {
      const piece = yield* file.read(size, pieceBytes)
      if (piece.length === 0) return Buffer.concat(pieces)
      pieces.push(piece)
      size += piece.length
      // It grows while it is read.
      if (size > maxWhole) return yield* tooLong(path, size)
    }
  }))
