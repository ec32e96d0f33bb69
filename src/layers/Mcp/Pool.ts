/**
 * Connections that are open, by their keys. Each is made once for all who ask for it at the same time, stays open for a
 * while when nobody uses it, and is closed when it ends, is dropped, or the server ends. What cannot be connected is
 * tried again only after a pause that grows.
 */
import { Cause, Clock, Deferred, Duration, Effect, Exit, Option, Scope } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { McpFailed } from "../../services/Mcp.ts"
import { supervise } from "../Supervise.ts"
import type { Connection } from "./Client.ts"

/** Connections of one owner, and of all. */
const maxOfOwner = 16
const maxOfAll = 256

/** How long a connection that nobody uses stays open, and how often they are looked at. */
const idle = Duration.minutes(5)
const lookEvery = Duration.seconds(15)

/** The first and the longest pause after failures, and most failures that are remembered. */
const firstPause = 1_000
const longestPause = 60_000
const maxRemembered = 10_000

interface Entry {
  readonly key: string
  readonly owner: UserId
  readonly connection: Deferred.Deferred<Connection, McpFailed>
  readonly scope: Scope.CloseableScope
  /** Undefined until it is connected. */
  opened: Connection | undefined
  users: number
  idleSince: number
}

interface Failures {
  readonly count: number
  readonly until: number
  readonly failure: McpFailed
}

export const make = Effect.gen(function*() {
  const entries = new Map<string, Entry>()
  const failures = new Map<string, Failures>()
  const ofServer = yield* Effect.scope

  const close = (entry: Entry) =>
    Effect.suspend(() => {
      // Nobody gets it any more, even while closing takes long.
      if (entries.get(entry.key) === entry) entries.delete(entry.key)
      return Scope.close(entry.scope, Exit.void)
    })

  /** Closing may take a while; nobody waits for it. */
  const closeSoon = (entry: Entry) =>
    Effect.suspend(() => {
      if (entries.get(entry.key) === entry) entries.delete(entry.key)
      return Effect.asVoid(Effect.forkIn(close(entry), ofServer))
    })

  const evict = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.forEach(
      [...entries.values()].filter(({ idleSince, opened, users }) =>
        opened?.isClosed() === true || (users === 0 && now - idleSince >= Duration.toMillis(idle))
      ),
      closeSoon,
      { discard: true }
    ))
  yield* Effect.forkScoped(supervise("Eviction of MCP connections", Effect.forever(Effect.delay(evict, lookEvery))))

  const fail = (key: string, failure: McpFailed) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const count = (failures.get(key)?.count ?? 0) + 1
      // Nobody is asked before a person has allowed it, and then at once.
      const pause = failure.problem === "authorization" ? 0 : Math.min(longestPause, firstPause * 2 ** (count - 1))
      failures.delete(key)
      failures.set(key, { count, until: now + pause, failure })
      if (failures.size > maxRemembered) failures.delete(failures.keys().next().value!)
    })

  const tooMany = (whose: string) =>
    new McpFailed({
      problem: "connection",
      message: `Too many MCP servers ${whose} are connected at once. Try again in a few minutes.`
    })

  /** What may be closed so that there is room for one more; the longest unused goes first. Fails when there is nothing. */
  const inTheWay = (owner: UserId): ReadonlyArray<Entry> | McpFailed => {
    const all = [...entries.values()].toSorted((a, b) => a.idleSince - b.idleSince)
    const mine = all.filter((entry) => entry.owner === owner)
    const going = new Set<Entry>()
    for (const [of, most, whose] of [[mine, maxOfOwner, "of yours"], [all, maxOfAll, "of this server"]] as const) {
      if (of.length - going.size < most) continue
      const unused = of.find((entry) => entry.users === 0 && entry.opened !== undefined && !going.has(entry))
      if (unused === undefined) return tooMany(whose)
      going.add(unused)
    }
    return [...going]
  }

  const enter = Effect.fnUntraced(function*(
    key: string,
    owner: UserId,
    connect: Effect.Effect<Connection, McpFailed, Scope.Scope>
  ): Effect.fn.Return<Entry, McpFailed> {
    const fresh: Entry = {
      key,
      owner,
      connection: yield* Deferred.make<Connection, McpFailed>(),
      scope: yield* Scope.make(),
      opened: undefined,
      users: 1,
      idleSince: yield* Clock.currentTimeMillis
    }
    // Nothing waits between the look and the entry, so two who come at once get the same connection.
    const found = yield* Effect.sync((): Entry | { readonly going: ReadonlyArray<Entry> } | McpFailed => {
      const known = entries.get(key)
      if (known !== undefined && known.opened?.isClosed() !== true) {
        known.users++
        return known
      }
      if (known !== undefined) entries.delete(key)
      const going = inTheWay(owner)
      if (going instanceof McpFailed) return going
      for (const entry of going) entries.delete(entry.key)
      entries.set(key, fresh)
      return { going: known === undefined ? going : [...going, known] }
    })
    if (found instanceof McpFailed) return yield* found
    if (!("going" in found)) return found
    yield* Effect.forEach(found.going, closeSoon, { discard: true })
    // In the server's scope: whoever asked first may leave, and others wait for it too.
    yield* Effect.interruptible(connect).pipe(
      Scope.extend(fresh.scope),
      Effect.exit,
      Effect.flatMap(Exit.match({
        onSuccess: (connection) =>
          Effect.suspend(() => {
            fresh.opened = connection
            failures.delete(key)
            return Deferred.succeed(fresh.connection, connection)
          }),
        onFailure: (cause) =>
          Effect.zipRight(
            Option.match(Cause.failureOption(cause), {
              onNone: () => Effect.void,
              onSome: (failure) => fail(key, failure)
            }),
            // Out of the map before anybody is told: who comes then tries anew.
            Effect.zipRight(closeSoon(fresh), Deferred.failCause(fresh.connection, cause))
          )
      })),
      Effect.forkIn(ofServer)
    )
    return fresh
  })

  /**
   * The connection, for as long as the scope is open. `connect` makes it in a scope that ends with it.
   * `now` tries even while there is a pause after failures.
   */
  const get = (
    key: string,
    owner: UserId,
    connect: Effect.Effect<Connection, McpFailed, Scope.Scope>,
    { now = false }: { readonly now?: boolean } = {}
  ): Effect.Effect<Connection, McpFailed, Scope.Scope> =>
    Effect.gen(function*() {
      const failed = failures.get(key)
      const at = yield* Clock.currentTimeMillis
      if (!now && failed !== undefined && at < failed.until && !entries.has(key)) return yield* failed.failure
      const entry = yield* Effect.acquireRelease(
        enter(key, owner, connect),
        (entry) =>
          Effect.map(Clock.currentTimeMillis, (millis) => {
            entry.users--
            entry.idleSince = millis
          })
      )
      return yield* Deferred.await(entry.connection)
    })

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...entries.values()], close, { concurrency: "unbounded", discard: true })
  )

  return {
    get,
    /** Closes the connection; calls that are under way fail. */
    drop: (key: string) =>
      Effect.suspend(() => {
        const entry = entries.get(key)
        return entry === undefined ? Effect.void : closeSoon(entry)
      }),
    /** A call has failed because the connection ended. */
    fail,
    /** Why it could not be connected the last time. */
    failureOf: (key: string) => failures.get(key)?.failure,
    /** Nothing is remembered of it any more. */
    forget: (key: string) => Effect.sync(() => void failures.delete(key))
  }
})
