/**
 * Tokens of connections, renewed by one process for all: it takes the lease of the row and asks. Whoever waits for a lease
 * takes what the other got. A lease of a process that is gone ends by itself.
 */
import { Clock, Deferred, Effect, Exit, Runtime } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import type { McpAuthorization } from "../../../domain/McpAuthorization.ts"
import type { McpServer } from "../../../domain/McpServer.ts"
import type { McpFailed } from "../../../services/Mcp.ts"
import { timestampOf } from "../../../services/Now.ts"
import * as Client from "../Client.ts"
import type { Asked } from "./OAuth.ts"
import { early, endOf, idOf, type Known, type Rows, union } from "./Rows.ts"
import { failed, type Steps } from "./Steps.ts"
import type { Tokens } from "./Tokens.ts"

/** How long one process may take to get new tokens, in milliseconds, and how often the others look. */
const leaseMillis = 30_000
const lookEvery = "200 millis"
const maxLooks = 200

/** Tokens of one connection that are kept out of what others are told. */
const maxSecrets = 8

export const make = Effect.fnUntraced(function*(rows: Rows, { step }: Steps) {
  const scope = yield* Effect.scope
  const runtime = yield* Effect.runtime<never>()
  /** Renewals of this process, by row: who comes meanwhile waits for the same one. */
  const renewals = new Map<string, Deferred.Deferred<string | undefined, McpFailed>>()

  /** A person has to allow it again: it is over, or more is wanted. */
  const need = (row: McpAuthorization, sealed: string | null, wanted: string | null) =>
    rows.modify(row, (now) =>
      now.sealed === row.sealed || now.lease?.by === row.lease?.by ?
        { ...now, status: "needs_authorization", lease: null, sealed, scope: union(now.scope, wanted) } :
        now)

  const renew = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    of: Asked,
    used: string | undefined
  ): Effect.fn.Return<string | undefined, McpFailed> {
    const me = globalThis.crypto.randomUUID()
    for (let looks = 0; looks < maxLooks; looks++) {
      const found = yield* rows.get(owner, server.id)
      if (found === undefined) return undefined
      const { granted, until: end } = yield* rows.open(found)
      if (granted === undefined) return undefined
      const millis = yield* Clock.currentTimeMillis
      const { access_token, refresh_token } = granted.tokens
      const isGood = end === undefined || end - early > millis
      // Somebody else has renewed them.
      if (access_token !== used && isGood) return access_token
      const isOwn = of.config.oauth?.grant_type === "client_credentials"
      if (refresh_token === undefined && !isOwn) {
        // They may be good for a while, if that is all that is known.
        if (access_token !== used && (end === undefined || end > millis)) return access_token
        yield* need(found, null, null)
        return undefined
      }
      const free = (lease: McpAuthorization["lease"]) => lease === null || lease.until <= timestampOf(millis)
      const held = yield* rows.modify(found, (now) =>
        free(now.lease) && now.sealed === found.sealed
          ? { ...now, lease: { by: me, until: timestampOf(millis + leaseMillis) } }
          : now)
      if (held?.lease?.by !== me) {
        yield* Effect.sleep(lookEvery)
        continue
      }
      const fresh = yield* Effect.either(step((flow) => isOwn ? flow.obtain(of) : flow.refresh(granted)))
      if (fresh._tag === "Right") {
        const at = yield* Clock.currentTimeMillis
        const sealed = yield* rows.seal(held, { granted: fresh.right, until: endOf(fresh.right, at) })
        yield* rows.modify(held, (now) => now.lease?.by === me ? { ...now, lease: null, sealed } : now)
        return fresh.right.tokens.access_token
      }
      if (fresh.left === "over") {
        yield* need(held, null, null)
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
            Effect.forkIn(scope),
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
    const { granted, until: end } = yield* rows.open(found)
    if (granted === undefined) return yield* Client.failedWith("authorization")
    const clock = yield* Effect.clock
    let known = { token: granted.tokens.access_token, until: end }
    const secret = new Set([known.token])
    const fresh = (used: string | undefined) =>
      promised(
        Effect.tap(renewed(owner, server, of, used), (token) =>
          rows.get(owner, server.id).pipe(
            Effect.flatMap((row) => row === undefined ? Effect.succeed<Known>({}) : rows.open(row)),
            Effect.map((now) => {
              if (token === undefined) return
              known = { token, until: now.until }
              secret.add(token)
              if (secret.size > maxSecrets) secret.delete(secret.values().next().value!)
            })
          ))
      )
    return {
      current: () =>
        known.until === undefined || known.until - early > clock.unsafeCurrentTimeMillis()
          ? Promise.resolve(known.token)
          : fresh(undefined),
      renew: fresh,
      widen: (scope) =>
        promised(
          Effect.flatMap(rows.get(owner, server.id), (row) =>
            row === undefined ? Effect.void : Effect.asVoid(need(row, row.sealed, scope ?? null)))
        ),
      secrets: () => [...secret]
    }
  })
})
