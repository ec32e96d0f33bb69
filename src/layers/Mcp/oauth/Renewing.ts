/**
 * Tokens of connections, renewed by one process for all: it takes the lease of the row and asks. Whoever waits for a lease
 * takes what the other got. A lease ends with its process, and by itself.
 */
import { Clock, Deferred, Effect, Exit, FiberSet, Runtime } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import type { McpAuthorization } from "../../../domain/McpAuthorization.ts"
import type { McpServer } from "../../../domain/McpServer.ts"
import type { McpFailed } from "../../../services/Mcp.ts"
import { timestampOf } from "../../../services/Now.ts"
import { Peers } from "../../../services/Peers.ts"
import * as Client from "../Client.ts"
import type { Asked } from "./OAuthClient.ts"
import { endOf, idOf, isGood, type Known, type Rows, union } from "./Rows.ts"
import { failed, type Steps } from "./Steps.ts"
import type { Tokens } from "./Tokens.ts"

/** How long one process may take to get new tokens, in milliseconds, and how often the others look. */
const leaseMillis = 30_000
const lookEvery = "200 millis"
const maxLooks = 200

/** Every so many looks the others ask whether that process still lives. */
const looksPerQuestion = 5

/** Tokens of one connection that are kept out of what others are told. */
const maxSecrets = 8

/** `going` keeps renewals whose askers have left. */
export const make = Effect.fnUntraced(function*(
  rows: Rows,
  { step }: Steps,
  going: FiberSet.FiberSet<McpAuthorization | string | undefined, McpFailed>
) {
  const runtime = yield* Effect.runtime<never>()
  const peers = yield* Peers
  /** Renewals of this process, by row: who comes meanwhile waits for the same one. */
  const renewals = new Map<string, Deferred.Deferred<string | undefined, McpFailed>>()

  /** A lease names its process first, and then the renewal: one process may have several under way. */
  const isLiving = (by: string) => {
    const process = by.split(" ")[0]!
    return process === peers.self ? Effect.succeed(true) : Effect.map(peers.living, (living) => living.has(process))
  }

  /** A person has to allow it again, unless there are other tokens by now. */
  const lapse = (owner: UserId, server: string, token: string) =>
    rows.change(owner, server, ({ attempt, granted }) =>
      granted?.tokens.access_token === token
        ? [{ attempt }, { status: "needs_authorization", lease: null }]
        : undefined)

  const renew = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    of: Asked,
    used: string | undefined
  ): Effect.fn.Return<string | undefined, McpFailed> {
    const me = `${peers.self} ${globalThis.crypto.randomUUID()}`
    let missed: string | undefined
    let gone: string | undefined
    for (let looks = 0; looks < maxLooks; looks++) {
      const found = yield* rows.get(owner, server.id)
      if (found === undefined) return undefined
      const known = yield* rows.open(found)
      const { granted, until: end } = known
      if (granted === undefined) return undefined
      const millis = yield* Clock.currentTimeMillis
      const { access_token, refresh_token } = granted.tokens
      // Somebody else has renewed them.
      if (access_token !== used && isGood(known, millis)) return access_token
      const isOwn = of.config.oauth?.grant_type === "client_credentials"
      if (refresh_token === undefined && !isOwn) {
        // They may be good for a while, if that is all that is known.
        if (access_token !== used && (end === undefined || end > millis)) return access_token
        yield* lapse(owner, server.id, access_token)
        return undefined
      }
      const free = (lease: McpAuthorization["lease"]) =>
        lease === null || lease.until <= timestampOf(millis) || lease.by === gone
      const held = yield* rows.modify(found, (now) =>
        free(now.lease) && now.sealed === found.sealed
          ? { ...now, lease: { by: me, until: timestampOf(millis + leaseMillis) } }
          : now)
      if (held?.lease?.by !== me) {
        if (looks % looksPerQuestion === 0 && held?.lease && !(yield* isLiving(held.lease.by))) {
          // It may only have lost its connection for a moment: who is missed twice is gone.
          if (held.lease.by === missed) gone = missed
          missed = held.lease.by
        }
        yield* Effect.sleep(lookEvery)
        continue
      }
      const fresh = yield* Effect.either(step((flow) => isOwn ? flow.obtain(of, granted) : flow.refresh(granted)))
      if (fresh._tag === "Right") {
        const at = yield* Clock.currentTimeMillis
        yield* rows.change(owner, server.id, (known, { lease }) =>
          lease?.by === me
            ? [{ ...known, granted: fresh.right, until: endOf(fresh.right, at) }, { lease: null }]
            : undefined)
        return fresh.right.tokens.access_token
      }
      if (fresh.left === "over") {
        yield* lapse(owner, server.id, access_token)
        return undefined
      }
      yield* rows.modify(held, (now) => now.lease?.by === me ? { ...now, lease: null } : now)
      return yield* fresh.left
    }
    return yield* failed("The tokens could not be renewed in time.")
  })

  /** The same for all who ask at once. It belongs to the server: who asked first may leave. */
  const renewed = (owner: UserId, server: McpServer, of: Asked, used: string | undefined) =>
    Effect.suspend(() => {
      const key = `${idOf(owner, server.id)} ${used ?? ""}`
      const running = renewals.get(key)
      if (running !== undefined) return Deferred.await(running)
      return Effect.flatMap(Deferred.make<string | undefined, McpFailed>(), (fresh) =>
        Effect.suspend(() => {
          const other = renewals.get(key)
          if (other !== undefined) return Deferred.await(other)
          renewals.set(key, fresh)
          return renew(owner, server, of, used).pipe(
            Effect.onExit((exit) => {
              renewals.delete(key)
              return Deferred.done(fresh, exit)
            }),
            Effect.interruptible,
            (renewing) => FiberSet.run(going, renewing),
            Effect.zipRight(Deferred.await(fresh))
          )
        }))
    })

  const promised = <A>(effect: Effect.Effect<A, McpFailed>): Promise<A> =>
    Runtime.runPromise(runtime)(Effect.exit(effect)).then(Exit.match({
      onSuccess: (value) => value,
      onFailure: (cause) => {
        throw cause._tag === "Fail" ? cause.error : Client.failedWith("connection")
      }
    }))

  /** Tokens for one connection; undefined where the server was never authorized. */
  return Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    of: Asked
  ): Effect.fn.Return<Tokens | undefined, McpFailed> {
    const found = yield* rows.get(owner, server.id)
    if (found === undefined) return undefined
    let known = yield* rows.open(found)
    if (known.granted === undefined) return yield* Client.failedWith("authorization")
    const clock = yield* Effect.clock
    let token = known.granted.tokens.access_token
    const secret = new Set([token])
    const fresh = (used: string | undefined) =>
      promised(
        Effect.tap(renewed(owner, server, of, used), (fresh) =>
          rows.get(owner, server.id).pipe(
            Effect.flatMap((row) => row === undefined ? Effect.succeed<Known>({}) : rows.open(row)),
            Effect.map((now) => {
              if (fresh === undefined) return
              token = fresh
              known = now
              secret.add(token)
              if (secret.size > maxSecrets) secret.delete(secret.values().next().value!)
            })
          ))
      )
    return {
      current: () => isGood(known, clock.unsafeCurrentTimeMillis()) ? Promise.resolve(token) : fresh(undefined),
      renew: fresh,
      widen: (scope) =>
        promised(
          Effect.flatMap(rows.get(owner, server.id), (row) =>
            // Tokens that are renewed at this moment stay what they are.
            row === undefined ? Effect.void : Effect.asVoid(rows.modify(row, (now) => ({
              ...now,
              status: "needs_authorization",
              scope: union(now.scope, scope)
            }))))
        ),
      secrets: () => [...secret]
    }
  })
})
