/**
 * The authorizations of tenants with servers at addresses. Each is one row:
 *
 *   needs_authorization ── a person begins: `state` ──► comes back with it, once ──► authorized
 *            ▲                                                                          │ │ tokens are over: one process
 *            └── the authorization server refuses them, or the server wants more ───────┘ └── takes the lease and asks
 */
import { Clock, Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import {
  attemptMillis,
  type McpAuthorization,
  type McpAuthorizationReturn,
  type McpAuthorizationStart,
  type McpAuthorizationStatus
} from "../../../domain/McpAuthorization.ts"
import type { McpSecrets, McpServer } from "../../../domain/McpServer.ts"
import type { McpCallback, McpFailed } from "../../../services/Mcp.ts"
import { timestampOf } from "../../../services/Now.ts"
import * as Client from "../Client.ts"
import type { Asked, Granted } from "./OAuth.ts"
import * as Renewing from "./Renewing.ts"
import * as Rows from "./Rows.ts"
import * as Steps from "./Steps.ts"
import type { Tokens } from "./Tokens.ts"

/** Longest time for telling that tokens are not used any more. */
const farewellTimeout = "10 seconds"

/** Whom to ask about a server; undefined for a program. */
export const askedOf = (server: McpServer, secrets: McpSecrets): Asked | undefined =>
  server.config?.type === "http_mcp"
    ? { config: server.config, secrets, url: secrets.url ?? server.config.origin }
    : undefined

export const make = Effect.gen(function*() {
  const rows = yield* Rows.make
  const steps = yield* Steps.make
  const { stepOrRefused } = steps
  const renewing = yield* Renewing.make(rows, steps)
  const scope = yield* Effect.scope

  const grant = Effect.fnUntraced(function*(row: McpAuthorization, granted: Granted) {
    const millis = yield* Clock.currentTimeMillis
    const sealed = yield* rows.seal(row, { granted, until: Rows.endOf(granted, millis) })
    yield* rows.modify(row, (now) => ({
      ...now,
      status: "authorized",
      state: "",
      expires_at: null,
      // Who renews at this moment brings older tokens, and finds no lease.
      lease: null,
      scope: Rows.union(granted.tokens.scope),
      sealed
    }))
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
    if (of.config.oauth?.grant_type === "client_credentials") {
      yield* grant(mine, yield* stepOrRefused((flow) => flow.obtain(of)))
      return { authorization: "authorized", authorization_url: null, expires_at: null }
    }
    const known = yield* rows.open(mine)
    const state = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(32))).toString("base64url")
    const wanted = { scope: mine.scope ?? undefined, before: known.attempt }
    const { attempt, url } = yield* stepOrRefused((flow) => flow.begin(of, callback, state, wanted))
    const sealed = yield* rows.seal(mine, { ...known, attempt })
    const expires_at = timestampOf((yield* Clock.currentTimeMillis) + attemptMillis)
    // The attempt before it is over with that. Tokens that there are stay good until there are others.
    const now = yield* rows.modify(mine, (now) => ({ ...now, state: rows.macOf(state), expires_at, sealed }))
    if (now === undefined) return yield* Client.failedWith("config")
    return { authorization: now.status, authorization_url: url, expires_at }
  })

  const over = Steps.failed("This authorization is over, was used already, or was begun anew. Begin it again.")

  /** Ends an attempt, once. It goes on when whoever brought it leaves: its code works only one time. */
  const finish = Effect.fnUntraced(function*(
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
    yield* grant(taken, yield* stepOrRefused((flow) => flow.finish(of, attempt, { code, iss })))
    return taken
  })

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
