/**
 * The sandbox of each workspace: found by what it was marked with, woken when it sleeps, made when there is none. It sleeps
 * by itself when nobody has used it for a while, also when this server is gone, and its files stay.
 */
import { Clock, Duration, Effect } from "effect"
import { Gone, LimitReached } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { type FileError, isGone, type WorkspaceKey, type WorkspaceRecord } from "../../../domain/Workspace.ts"
import { supervise } from "../../Supervise.ts"
import { hashOf } from "../Disk.ts"
import type { Client, E2bFailed, Sandbox } from "./Client.ts"
import * as Programs from "./Programs.ts"
import * as Service from "./Service.ts"

export const home = "/home/user"
export const root = `${home}/workspace`

/** How often it is looked which sandboxes belong to no workspace any more. */
const sweepEvery = Duration.minutes(10)

/** Longest time to end the sandbox of a removed workspace; after it, the next sweep does. */
const killIn = Duration.seconds(5)

/** What sandboxes are marked with. Nothing of it says who somebody is. */
const labels = (place: string, owner: UserId, { created_at, id }: WorkspaceRecord) => ({
  stoa_place: place,
  stoa_owner: hashOf(owner),
  stoa_workspace: id,
  stoa_made: hashOf(created_at)
})

/** What it is for who works with the workspace. */
export const unavailable = ({ after, message, status }: E2bFailed): LimitReached =>
  status === 401 || status === 403
    ? new LimitReached({
      code: "sandboxes_refused",
      detail: "The service of the sandboxes refuses this server. The operator finds the reason with `stoa doctor`.",
      retry_after: 60
    })
    : new LimitReached({
      code: status === 429 ? "too_many_sandboxes" : "sandboxes_unavailable",
      detail: `The workspace cannot be reached now. ${message}. Try again.`,
      retry_after: Math.max(1, Math.ceil((after ?? 5_000) / 1000))
    })

const lost = () =>
  new Gone({
    code: "sandbox_lost",
    detail:
      "The sandbox of this workspace has ended, and its files are lost. The next call begins with an empty workspace."
  })

/** What is kept on this machine about workspaces. */
export interface Records {
  readonly get: (owner: UserId, key: WorkspaceKey) => Effect.Effect<WorkspaceRecord | undefined>
  /** The records of the owner whose hash this is. */
  readonly ofHash: (owner: string, key: string) => Effect.Effect<WorkspaceRecord | undefined>
  /** The sandbox that a workspace had last, so that one that is gone is told. */
  readonly last: (owner: UserId, key: WorkspaceKey) => Effect.Effect<string | undefined>
  readonly setLast: (owner: UserId, key: WorkspaceKey, id: string | undefined) => Effect.Effect<void>
}

export interface Options extends Omit<Service.Options, "timeout"> {
  /** Names those who share the records. */
  readonly place: string
  /** How long a sandbox is awake after its last use. */
  readonly awake: Duration.Duration
}

/** A sandbox that is awake, as far as is known. */
export interface Held {
  readonly sandbox: Sandbox
  /** Milliseconds since 1970. */
  until: number
  /** It was made just now, and nothing is in it. */
  isEmpty: boolean
}

/** The sandbox itself does not answer, but its service does: it sleeps, or has ended. */
const isAway = ({ code, status }: E2bFailed) =>
  status === 502 || (status === 404 && code !== "not_found") || code === "unavailable"

export const make = Effect.fnUntraced(function*(client: Client, records: Records, options: Options) {
  const { place } = options
  const awake = Duration.toMillis(options.awake)
  const service = Service.make(client, { ...options, timeout: Math.ceil(awake / 1000) })
  const { connect, create, kill, list } = service
  const all = new Map<WorkspaceKey, Held>()
  /** Programs that run, by their workspace: its sandbox may be another one meanwhile. */
  const running = new Map<WorkspaceKey, number>()
  const locks = new Map<WorkspaceKey, { readonly lock: Effect.Semaphore; users: number }>()

  const locked = <A, E>(key: WorkspaceKey, work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const one = locks.get(key) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        one.users++
        locks.set(key, one)
        return one
      }),
      ({ lock }) => lock.withPermits(1)(work),
      (one) => Effect.sync(() => --one.users === 0 && locks.delete(key))
    )

  const found = Effect.fnUntraced(function*(marks: Service.Marks, last: string | undefined) {
    const sandbox = last === undefined ? undefined : yield* connect(last)
    if (sandbox !== undefined) return sandbox
    for (const { sandboxID } of yield* list(marks)) {
      const sandbox = sandboxID === last ? undefined : yield* connect(sandboxID)
      if (sandbox !== undefined) return sandbox
    }
    return undefined
  })

  /** Who asks quietly neither makes a sandbox nor hears that one is lost: that is told to who works there. */
  const find = Effect.fnUntraced(function*(owner: UserId, key: WorkspaceKey, isQuiet: boolean) {
    const record = yield* records.get(owner, key)
    if (record === undefined) return yield* isGone()
    const marks = labels(place, owner, record)
    const last = yield* records.last(owner, key)
    const sandbox = yield* found(marks, last)
    if (sandbox !== undefined) return { sandbox, isEmpty: false }
    if (isQuiet) return yield* last === undefined ? isGone() : lost()
    if (last !== undefined) {
      yield* records.setLast(owner, key, undefined)
      return yield* lost()
    }
    const made = yield* create(marks)
    // Another server may have made one at the same time: all take the oldest.
    const [oldest] = yield* list(marks)
    if (oldest !== undefined && oldest.sandboxID !== made.id) {
      yield* Effect.ignore(kill(made.id))
      const other = yield* connect(oldest.sandboxID)
      return other === undefined ? yield* lost() : { sandbox: other, isEmpty: false }
    }
    return { sandbox: made, isEmpty: true }
  })

  const extend = (held: Held) =>
    Effect.flatMap(service.extend(held.sandbox.id), (isAwake) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (isAwake) held.until = now + awake
        return isAwake
      }))

  /** The sandbox, awake for a while. */
  const use = (owner: UserId, key: WorkspaceKey, isQuiet: boolean): Effect.Effect<Held, FileError> =>
    locked(
      key,
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const known = all.get(key)
        if (known !== undefined && known.until - now > awake / 2) return known
        if (known !== undefined && known.until > now && (yield* extend(known))) return known
        all.delete(key)
        const { isEmpty, sandbox } = yield* find(owner, key, isQuiet)
        const made = client.rpc(sandbox, "filesystem.Filesystem/MakeDir", { path: root })
        yield* Effect.catchIf(client.patiently(made), ({ code }) => code === "already_exists", () => Effect.void)
        // What it has been running for another process of this server that was killed.
        if (known === undefined && !isEmpty) yield* Programs.endLeft(client, sandbox)
        yield* records.setLast(owner, key, sandbox.id)
        const held: Held = { sandbox, until: now + awake, isEmpty }
        all.set(key, held)
        return held
      }).pipe(Effect.catchTag("E2bFailed", (error) => Effect.fail(unavailable(error))))
    )

  /** Does something with the sandbox; where it turns out to sleep, it is woken and this is done once more. */
  const within = <A, R>(
    owner: UserId,
    key: WorkspaceKey,
    work: (held: Held) => Effect.Effect<A, E2bFailed, R>,
    isQuiet = false
  ): Effect.Effect<A, E2bFailed | FileError, R> =>
    Effect.flatMap(use(owner, key, isQuiet), (held) =>
      Effect.catchIf(
        work(held),
        isAway,
        () => {
          if (all.get(key) === held) all.delete(key)
          return Effect.flatMap(use(owner, key, isQuiet), work)
        }
      ))

  /** While the scope is open a program runs there. */
  const runs = (key: WorkspaceKey) => {
    const count = (by: number) =>
      Effect.sync(() => {
        const left = (running.get(key) ?? 0) + by
        if (left > 0) running.set(key, left)
        else running.delete(key)
      })
    return Effect.acquireRelease(count(1), () => count(-1))
  }

  /** Ends the sandbox of a workspace whose record is gone, so that none is made any more. */
  const end = (owner: UserId, record: WorkspaceRecord, last: string | undefined) =>
    locked(
      record.id,
      Effect.suspend(() => {
        all.delete(record.id)
        return Effect.flatMap(list(labels(place, owner, record)), (found) =>
          Effect.forEach(
            new Set([...found.map(({ sandboxID }) => sandboxID), ...last === undefined ? [] : [last]]),
            kill,
            { discard: true }
          ))
      })
    ).pipe(
      Effect.timeoutFail({ duration: killIn, onTimeout: Service.strange }),
      Effect.catchAll(({ message }) => Effect.logDebug(`A sandbox is ended later. ${message}`))
    )

  /** Ends what belongs to no workspace any more: the service was away, or a server was killed in between. */
  const sweep = Effect.gen(function*() {
    for (const { metadata, sandboxID } of yield* list({ stoa_place: place })) {
      const record = yield* records.ofHash(metadata?.stoa_owner ?? "", metadata?.stoa_workspace ?? "")
      if (record === undefined || hashOf(record.created_at) !== metadata?.stoa_made) yield* kill(sandboxID)
    }
  }).pipe(Effect.catchAll(({ message }) => Effect.logDebug(`Sandboxes were not looked through. ${message}`)))

  /** What programs run in stays awake; what sleeps by now is forgotten. */
  const beat = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    for (const [key, held] of all) {
      if (running.has(key) && held.until - now < awake / 2) {
        yield* Effect.catchAll(extend(held), ({ message }) => Effect.logDebug(message))
      } else if (!running.has(key) && held.until < now) all.delete(key)
    }
  })
  yield* Effect.forkScoped(
    supervise("Sweep of sandboxes", Effect.forever(Effect.zipRight(sweep, Effect.sleep(sweepEvery))))
  )
  yield* Effect.forkScoped(
    supervise("Sandboxes in use", Effect.forever(Effect.delay(beat, Duration.millis(Math.min(60_000, awake / 4)))))
  )

  return { end, runs, within }
})

export type Sandboxes = Effect.Effect.Success<ReturnType<typeof make>>
