/**
 * The authorizations of tenants with servers at addresses. Each is one row:
 *
 *   needs_authorization ── a person begins: `state` ──► comes back with it, once ──► authorized
 *            ▲                                                                          │ │ tokens are over: one process
 *            └── the authorization server refuses them, or the server wants more ───────┘ └── takes the lease and asks
 */
import { Clock, Effect, Exit, Fiber, FiberSet, Scope } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import {
  attemptMillis,
  type McpAuthorization,
  type McpAuthorizationReturn,
  type McpAuthorizationStart,
  type McpAuthorizationStatus
} from "../../../domain/McpAuthorization.ts"
import type { McpSecrets } from "../../../domain/McpConfig.ts"
import type { McpServer } from "../../../domain/McpServer.ts"
import type { McpCallback, McpFailed } from "../../../services/Mcp.ts"
import { timestampOf } from "../../../services/Now.ts"
import * as Client from "../Client.ts"
import type { Granted } from "./OAuth.ts"
import type { Asked } from "./OAuthClient.ts"
import * as Renewing from "./Renewing.ts"
import * as Rows from "./Rows.ts"
import * as Steps from "./Steps.ts"
import type { Tokens } from "./Tokens.ts"

/** Longest time for telling that tokens are not used any more. */
const farewellTimeout = "10 seconds"

/** How long the end of the process waits for tokens that are on their way. */
const leaveTimeout = "3 seconds"

/** Whom to ask about a server; undefined for a program. */
export const askedOf = (server: McpServer, secrets: McpSecrets): Asked | undefined =>
  server.config?.type === "http_mcp"
    ? { config: server.config, secrets, url: secrets.url ?? server.config.origin }
    : undefined

export const make = Effect.gen(function*() {
  const rows = yield* Rows.make
  const steps = yield* Steps.make
  const { stepOrRefused } = steps
  const scope = yield* Effect.scope
  /** What who leaves must not cut off: a code, and many a refresh token, works only one time. */
  const own = yield* Scope.make()
  const going = yield* Scope.extend(FiberSet.make<McpAuthorization | string | undefined, McpFailed>(), own)
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      Effect.timeoutOption(Effect.interruptible(FiberSet.awaitEmpty(going)), leaveTimeout),
      Scope.close(own, Exit.void)
    )
  )
  const renewing = yield* Renewing.make(rows, steps, going)

  /** Undefined when the server has gone meanwhile, or is another one of its name: tokens are told to nobody else. */
  const grant = Effect.fnUntraced(function*(row: McpAuthorization, granted: Granted) {
    const millis = yield* Clock.currentTimeMillis
    return yield* rows.change(
      row.user_id,
      row.server_id,
      ({ attempt }, now) =>
        now.created_at !== row.created_at ? undefined : [
          // An attempt that was begun meanwhile goes on.
          { granted, until: Rows.endOf(granted, millis), ...(now.state !== "" && { attempt }) },
          // Who renews at this moment brings older tokens, and finds no lease.
          { status: "authorized", lease: null, scope: Rows.union(granted.tokens.scope) }
        ]
    )
  })

  const begin = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    secrets: McpSecrets,
    callback: McpCallback
  ): Effect.fn.Return<McpAuthorizationStart, McpFailed> {
    const of = askedOf(server, secrets)
    if (of === undefined) return yield* Steps.failed("The server is a program, which needs no authorization.")
    const mine = yield* Effect.catchTag(rows.ensure(owner, server), "NotFound", () => Client.failedWith("config"))
    const known = yield* rows.open(mine)
    if (of.config.oauth?.grant_type === "client_credentials") {
      const done = yield* grant(mine, yield* stepOrRefused((flow) => flow.obtain(of, known.granted)))
      if (done === undefined) return yield* Client.failedWith("config")
      return { authorization: "authorized", authorization_url: null, expires_at: null }
    }
    const state = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(32))).toString("base64url")
    const wanted = { ...known, scope: mine.scope ?? undefined }
    const { attempt, url } = yield* stepOrRefused((flow) => flow.begin(of, callback, state, wanted))
    const expires_at = timestampOf((yield* Clock.currentTimeMillis) + attemptMillis)
    // The attempt before it is over with that. Tokens that there are stay good until there are others.
    const now = yield* rows.change(
      owner,
      server.id,
      (known, { created_at }) =>
        created_at !== mine.created_at ? undefined : [
          { ...known, attempt },
          { state: rows.macOf(state), expires_at }
        ]
    )
    if (now === undefined) return yield* Client.failedWith("config")
    return { authorization: now.status, authorization_url: url, expires_at }
  })

  const over = Steps.failed("This authorization is over, was used already, or was begun anew. Begin it again.")

  const ending = Effect.fnUntraced(function*(
    { code, error, iss, state }: McpAuthorizationReturn,
    asker: (row: McpAuthorization) => Effect.Effect<Asked | undefined, McpFailed>
  ): Effect.fn.Return<McpAuthorization, McpFailed> {
    const found = yield* rows.ofState(state)
    if (found === undefined) return yield* over
    let isOurs = false
    const taken = yield* rows.modify(found, (now) => {
      isOurs = now.state === found.state
      return isOurs ? { ...now, state: "", expires_at: null } : now
    })
    if (taken === undefined || !isOurs) return yield* over
    if (error !== undefined || code === undefined) return yield* Steps.failed("The authorization was not given.")
    const { attempt } = yield* rows.open(taken)
    const of = yield* asker(taken)
    if (attempt === undefined || of === undefined) return yield* over
    const done = yield* grant(taken, yield* stepOrRefused((flow) => flow.finish(of, attempt, { code, iss })))
    return done ?? (yield* over)
  })

  /** Ends an attempt, once. It goes on when whoever brought it leaves: its code works only one time. */
  const finish = (...back: Parameters<typeof ending>): Effect.Effect<McpAuthorization, McpFailed> =>
    Effect.flatMap(FiberSet.run(going, Effect.interruptible(ending(...back))), Fiber.join)

  /** Tokens for one connection; undefined where the server was never authorized. */
  const tokens = (
    owner: UserId,
    server: McpServer,
    secrets: McpSecrets
  ): Effect.Effect<Tokens | undefined, McpFailed> => {
    const of = askedOf(server, secrets)
    return of === undefined ? Effect.succeed(undefined) : renewing(owner, server, of)
  }

  /** Tells the authorization server, for a while, that the tokens are over. */
  const forget = Effect.fnUntraced(function*(owner: UserId, server: string) {
    const found = yield* rows.get(owner, server)
    if (found === undefined) return
    const { granted } = yield* rows.open(found)
    yield* rows.remove(found)
    if (granted === undefined) return
    yield* stepOrRefused((flow) => flow.revoke(granted)).pipe(
      Effect.timeout(farewellTimeout),
      Effect.ignore,
      Effect.forkIn(scope)
    )
  })

  return {
    begin,
    /** The attempt that a state belongs to, if it is still good. */
    find: rows.ofState,
    finish,
    tokens,
    forget,
    status: (owner: UserId, server: string): Effect.Effect<McpAuthorizationStatus | null> =>
      Effect.map(rows.get(owner, server), (row) => row?.status ?? null),
    /** Whether a server that refused us says how it is logged in to. */
    isOffered: (url: string): Effect.Effect<boolean> =>
      Effect.orElseSucceed(stepOrRefused((flow) => flow.isOffered(url)), () => false),
    /** It was refused, and waits for a person. */
    note: (owner: UserId, server: McpServer): Effect.Effect<void> => Effect.ignore(rows.ensure(owner, server))
  }
})

export type Authorizations = Effect.Effect.Success<typeof make>
