/**
 * The sandbox of each workspace: found by what it was marked with, woken when it sleeps, made when there is none. It sleeps
 * by itself when nobody has used it for a while, also when this server is gone, and its files stay.
 */
import { Clock, Duration, Effect, Redacted, Schedule, Schema } from "effect"
import { Gone, LimitReached } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { type FileError, isGone, type WorkspaceKey, type WorkspaceRecord } from "../../../domain/Workspace.ts"
import { supervise } from "../../Supervise.ts"
import { hashOf } from "../Disk.ts"
import { type Client, E2bFailed, type Sandbox } from "./Client.ts"
import * as Programs from "./Programs.ts"

export const home = "/home/user"
export const root = `${home}/workspace`

/** How often it is looked which sandboxes belong to no workspace any more. */
const sweepEvery = Duration.minutes(10)

/** Longest time to end the sandbox of a removed workspace; after it, the next sweep does. */
const killIn = Duration.seconds(5)

/** Most sandboxes in one answer, and most answers that are read. */
const pageSize = 100
const maxPages = 50

/** What sandboxes are marked with. Nothing of it says who somebody is. */
const labels = (place: string, owner: UserId, { created_at, id }: WorkspaceRecord) => ({
  stoa_place: place,
  stoa_owner: hashOf(owner),
  stoa_workspace: id,
  stoa_made: hashOf(created_at)
})

const Id = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,128}$/))
const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/))
const Made = Schema.Struct({
  sandboxID: Id,
  domain: Schema.optional(Schema.NullOr(Schema.Union(Name, Schema.Literal("")))),
  envdAccessToken: Schema.optional(Schema.NullOr(Schema.String))
})
const Listed = Schema.Struct({
  sandboxID: Id,
  startedAt: Schema.optionalWith(Schema.String, { default: () => "" }),
  metadata: Schema.optional(Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String })))
})

const strange = () =>
  new E2bFailed({ status: 0, code: undefined, message: "The service of the sandboxes answers with something else" })

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
  /** Whether a workspace has had a sandbox, so that one that is gone is told. */
  readonly had: (owner: UserId, key: WorkspaceKey) => Effect.Effect<boolean>
  readonly setHad: (owner: UserId, key: WorkspaceKey, had: boolean) => Effect.Effect<void>
}

export interface Options {
  readonly template: string
  /** Names those who share the records. */
  readonly place: string
  /** How long a sandbox is awake after its last use. */
  readonly awake: Duration.Duration
  readonly internet: boolean
}

const decoded = <A, I>(schema: Schema.Schema<A, I>, body: unknown) =>
  Effect.mapError(Schema.decodeUnknown(schema)(body), strange)

const sandboxOf = (body: unknown) =>
  Effect.map(decoded(Made, body), ({ domain, envdAccessToken, sandboxID }): Sandbox => ({
    id: sandboxID,
    domain: domain === null || domain === "" ? undefined : domain,
    token: typeof envdAccessToken === "string" ? Redacted.make(envdAccessToken) : undefined
  }))

/** A sandbox for a minute, for who only wants to know whether there can be one. */
export const trial = (client: Client, template: string) =>
  Effect.flatMap(
    client.patiently(
      client.api("POST", "/sandboxes", {
        templateID: template,
        timeout: 60,
        metadata: {},
        secure: true,
        allow_internet_access: false
      })
    ),
    ({ body }) => sandboxOf(body)
  )

/** A sandbox that is awake, as far as is known. */
export interface Held {
  readonly sandbox: Sandbox
  /** Milliseconds since 1970. */
  until: number
  /** Programs that run in it. */
  running: number
  /** It was made just now, and nothing is in it. */
  isEmpty: boolean
}

/** The sandbox itself does not answer, but its service does: it sleeps, or has ended. */
const isAway = ({ code, status }: E2bFailed) =>
  status === 502 || (status === 404 && code !== "not_found") || code === "unavailable"

export const make = Effect.fnUntraced(function*(client: Client, records: Records, options: Options) {
  const { internet, place, template } = options
  const awake = Duration.toMillis(options.awake)
  const timeout = Math.ceil(awake / 1000)
  const all = new Map<WorkspaceKey, Held>()
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

  /** Those with these marks, the oldest first. */
  const list = (marks: Readonly<Record<string, string>>) =>
    Effect.gen(function*() {
      const metadata = new URLSearchParams(marks).toString()
      const found: Array<typeof Listed.Type> = []
      let nextToken: string | null = null
      for (let page = 0; page < maxPages; page++) {
        const query = new URLSearchParams({
          metadata,
          state: "running,paused",
          limit: String(pageSize),
          ...nextToken !== null && { nextToken }
        })
        const { body, headers } = yield* client.patiently(client.api("GET", `/v2/sandboxes?${query}`))
        found.push(...(yield* decoded(Schema.Array(Listed), body)))
        nextToken = headers.get("x-next-token")
        if (nextToken === null || nextToken === "") break
      }
      return found.filter(({ metadata }) => Object.entries(marks).every(([name, value]) => metadata?.[name] === value))
        .toSorted((a, b) => a.startedAt.localeCompare(b.startedAt) || a.sandboxID.localeCompare(b.sandboxID))
    })

  const notFound = ({ status }: E2bFailed) => status === 404

  const kill = (id: string) =>
    client.patiently(client.api("DELETE", `/sandboxes/${id}`)).pipe(
      Effect.catchIf(notFound, () => Effect.void),
      Effect.asVoid
    )

  /** Wakes it where it sleeps; undefined where it has ended. */
  const connect = (id: string) =>
    client.patiently(client.api("POST", `/sandboxes/${id}/connect`, { timeout })).pipe(
      Effect.flatMap(({ body }) => sandboxOf(body)),
      Effect.catchIf(notFound, () => Effect.succeed(undefined))
    )

  const create = (marks: Readonly<Record<string, string>>) =>
    client.api("POST", "/sandboxes", {
      templateID: template,
      timeout,
      metadata: marks,
      secure: true,
      autoPause: true,
      allow_internet_access: internet
    }).pipe(
      // Whether others have come through is not known: a sandbox that was made is found by its marks the next time.
      Effect.retry({ while: ({ status }) => status === 429, times: 2, schedule: Schedule.exponential("200 millis") }),
      Effect.flatMap(({ body }) => sandboxOf(body))
    )

  const find = Effect.fnUntraced(function*(owner: UserId, key: WorkspaceKey) {
    const record = yield* records.get(owner, key)
    if (record === undefined) return yield* isGone()
    const marks = labels(place, owner, record)
    for (const { sandboxID } of yield* list(marks)) {
      const sandbox = yield* connect(sandboxID)
      if (sandbox !== undefined) return { sandbox, isEmpty: false }
    }
    if (yield* records.had(owner, key)) {
      yield* records.setHad(owner, key, false)
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
    Effect.zipRight(
      client.patiently(client.api("POST", `/sandboxes/${held.sandbox.id}/timeout`, { timeout })),
      Effect.map(Clock.currentTimeMillis, (now) => {
        held.until = now + awake
      })
    )

  /** The sandbox, awake for a while. */
  const use = (owner: UserId, key: WorkspaceKey): Effect.Effect<Held, FileError> =>
    locked(
      key,
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const known = all.get(key)
        if (known !== undefined && known.until - now > awake / 2) return known
        if (known !== undefined && known.until > now) {
          const isThere = yield* Effect.as(extend(known), true).pipe(
            Effect.catchIf(notFound, () => Effect.succeed(false))
          )
          if (isThere) return known
        }
        all.delete(key)
        const { isEmpty, sandbox } = yield* find(owner, key)
        const made = client.rpc(sandbox, "filesystem.Filesystem/MakeDir", { path: root })
        yield* Effect.catchIf(client.patiently(made), ({ code }) => code === "already_exists", () => Effect.void)
        // What it has been running for another process of this server that was killed.
        if (known === undefined && !isEmpty) yield* Programs.endLeft(client, sandbox)
        yield* records.setHad(owner, key, true)
        const held: Held = { sandbox, until: now + awake, running: known?.running ?? 0, isEmpty }
        all.set(key, held)
        return held
      }).pipe(Effect.catchTag("E2bFailed", (error) => Effect.fail(unavailable(error))))
    )

  /** Does something with the sandbox; where it turns out to sleep, it is woken and this is done once more. */
  const within = <A, R>(
    owner: UserId,
    key: WorkspaceKey,
    work: (held: Held) => Effect.Effect<A, E2bFailed, R>
  ): Effect.Effect<A, E2bFailed | FileError, R> =>
    Effect.flatMap(use(owner, key), (held) =>
      Effect.catchIf(
        work(held),
        isAway,
        () => {
          if (all.get(key) === held) all.delete(key)
          return Effect.flatMap(use(owner, key), work)
        }
      ))

  /** Ends the sandbox of a workspace whose record is gone, so that none is made any more. */
  const end = (owner: UserId, record: WorkspaceRecord) =>
    locked(
      record.id,
      Effect.suspend(() => {
        all.delete(record.id)
        return Effect.flatMap(
          list(labels(place, owner, record)),
          (found) => Effect.forEach(found, ({ sandboxID }) => kill(sandboxID), { discard: true })
        )
      })
    ).pipe(
      Effect.timeoutFail({ duration: killIn, onTimeout: strange }),
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
      if (held.running > 0 && held.until - now < awake / 2) {
        yield* Effect.catchAll(extend(held), ({ message }) => Effect.logDebug(message))
      } else if (held.running === 0 && held.until < now) all.delete(key)
    }
  })
  yield* Effect.forkScoped(
    supervise("Sweep of sandboxes", Effect.forever(Effect.zipRight(sweep, Effect.sleep(sweepEvery))))
  )
  yield* Effect.forkScoped(
    supervise("Sandboxes in use", Effect.forever(Effect.delay(beat, Duration.millis(Math.min(60_000, awake / 4)))))
  )

  return { end, within }
})

export type Sandboxes = Effect.Effect.Success<ReturnType<typeof make>>
