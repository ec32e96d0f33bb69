/**
 * The authorizations of tenants with servers at addresses. Each is one row, which processes change one after the other:
 *
 *   needs_authorization ── a person begins: `state` ──► comes back with it, once ──► authorized
 *            ▲                                                                          │ │ tokens are over: one process
 *            └── the authorization server refuses them, or the server wants more ───────┘ └── takes the lease and asks
 *
 * Whoever waits for a lease takes what the other got. A lease of a process that is gone ends by itself.
 */
import { Clock, Deferred, Effect, Exit, Fiber, FiberSet, Runtime, Schema, Scope } from "effect"
import { createHash } from "node:crypto"
import type { UserId } from "../../domain/Ids.ts"
import {
  attemptMillis,
  type McpAuthorization,
  type McpAuthorizationReturn,
  type McpAuthorizationStart,
  type McpAuthorizationStatus
} from "../../domain/McpAuthorization.ts"
import type { McpSecrets, McpServer } from "../../domain/McpServer.ts"
import { type McpCallback, McpFailed } from "../../services/Mcp.ts"
import { timestampOf } from "../../services/Now.ts"
import { Outbound, OutboundRefused } from "../../services/Outbound.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import * as Client from "./Client.ts"
import * as OAuth from "./OAuth.ts"
import type { Tokens } from "./Tokens.ts"

/** How long one process may take to get new tokens, in milliseconds, and how often the others look. */
const leaseMillis = 30_000
const lookEvery = "200 millis"
const maxLooks = 200

/** Tokens are renewed so long before they are over, in milliseconds; short ones at half of their time. */
const early = 30_000

/** Seconds beyond which a time means nothing. */
const longestLife = 1e10

/** How often a row is read again that others have changed meanwhile. */
const maxTries = 16

/** How long the end of the process waits for tokens that are on their way. */
const leaveTimeout = "3 seconds"

/** Longest time for all the requests of one step, and for telling that tokens are not used any more. */
const stepTimeout = "25 seconds"
const farewellTimeout = "10 seconds"

interface Known {
  readonly granted?: OAuth.Granted | undefined
  /** When the tokens are over, in milliseconds; undefined when that is not known. */
  readonly until?: number | undefined
  readonly attempt?: OAuth.Attempt | undefined
}

/** It is written here alone, and nobody else can seal for the row. */
const Json = Schema.parseJson(Schema.declare((_: unknown): _ is Known => true))

const idOf = (owner: UserId, server: string): string =>
  createHash("sha256").update(JSON.stringify([owner, server])).digest("hex").slice(0, 32)

const failed = (message: string) => new McpFailed({ problem: "authorization", message })

const asked = (server: McpServer, secrets: McpSecrets): OAuth.Asked | undefined =>
  server.config?.type === "http_mcp"
    ? { config: server.config, secrets, url: secrets.url ?? server.config.origin }
    : undefined

/** Whether the tokens need not be renewed yet. */
const isGood = ({ granted, until }: Known, millis: number): boolean =>
  until === undefined || until - Math.min(early, (granted?.tokens.expires_in ?? Infinity) * 500) > millis

/** When tokens are over that have come now. Some servers say with a zero that they do not know it. */
const until = ({ tokens: { expires_in = 0 } }: OAuth.Granted, millis: number) =>
  expires_in > 0 && expires_in < longestLife ? millis + expires_in * 1_000 : undefined

/** Scopes of both, once each. */
const union = (...scopes: ReadonlyArray<string | null | undefined>): string | null => {
  const all = [...new Set(scopes.flatMap((scope) => scope?.split(" ") ?? []))].filter((one) => one !== "")
  return all.length === 0 ? null : all.slice(0, 64).join(" ").slice(0, 4_096)
}

export const make = Effect.gen(function*() {
  const { mcpAuthorizations: rows } = yield* Storage
  const vault = yield* Vault
  const outbound = yield* Outbound
  const scope = yield* Effect.scope
  /** What who leaves must not cut off: a code, and many a refresh token, works only one time. */
  const own = yield* Scope.make()
  const going = yield* Scope.extend(FiberSet.make<McpAuthorization | string | undefined, McpFailed>(), own)
  const runtime = yield* Effect.runtime<never>()
  /** Renewals of this process, by row: who comes meanwhile waits for the same one. */
  const renewals = new Map<string, Deferred.Deferred<string | undefined, McpFailed>>()

  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      Effect.timeoutOption(Effect.interruptible(FiberSet.awaitEmpty(going)), leaveTimeout),
      Scope.close(own, Exit.void)
    )
  )

  const sdk = Client.load
  const flows = Effect.map(sdk, (sdk) => OAuth.make(sdk, outbound))

  const sealedFor = ({ id, user_id }: Pick<McpAuthorization, "id" | "user_id">) => ({
    owner: user_id,
    record: `mcp_authorizations/${id}`
  })

  const seal = (row: Pick<McpAuthorization, "id" | "user_id">, known: Known) =>
    vault.seal(JSON.stringify(known), sealedFor(row))

  /** What cannot be opened any more is as if it were not there: a person allows it again. */
  const open = (row: McpAuthorization): Effect.Effect<Known> =>
    row.sealed === null
      ? Effect.succeed({})
      : Effect.orElseSucceed(
        Effect.flatMap(vault.open(row.sealed, sealedFor(row)), Schema.decode(Json)),
        (): Known => ({})
      )

  const get = (owner: UserId, server: string): Effect.Effect<McpAuthorization | undefined> =>
    Effect.orElseSucceed(rows.get(owner, idOf(owner, server)), () => undefined)

  const modify = (row: McpAuthorization, f: (now: McpAuthorization) => McpAuthorization) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (millis) => rows.host.modify(row.id, (now) => ({ ...f(now), updated_at: timestampOf(millis) }))
    ).pipe(
      Effect.map((now): McpAuthorization | undefined => now),
      Effect.orElseSucceed(() => undefined)
    )

  /**
   * Changes a row together with what is sealed in it. People begin while tokens are renewed: whatever one of them changes
   * meanwhile is read again and kept. Undefined when the row is gone, or `f` does not want it any more.
   */
  const change = Effect.fnUntraced(function*(
    owner: UserId,
    server: string,
    f: (known: Known, row: McpAuthorization) => readonly [Known, Partial<McpAuthorization>] | undefined
  ): Effect.fn.Return<McpAuthorization | undefined, McpFailed> {
    for (let tries = 0; tries < maxTries; tries++) {
      const row = yield* get(owner, server)
      const wanted = row && f(yield* open(row), row)
      if (row === undefined || wanted === undefined) return undefined
      const [known, fields] = wanted
      const sealed = yield* seal(row, known)
      let isSame = false
      const written = yield* modify(row, (now) => {
        isSame = now.sealed === row.sealed && now.state === row.state && now.lease?.by === row.lease?.by
        return isSame ? { ...now, ...fields, sealed } : now
      })
      if (written === undefined || isSame) return written
    }
    return yield* failed("The authorization was changed by others at the same time. Try again.")
  })

  /** One step with the authorization server. What it says is not repeated, but for the code of its refusal. */
  const step = <A>(doing: () => Promise<A>): Effect.Effect<A, McpFailed | "over"> =>
    Effect.flatMap(sdk, (sdk) =>
      Effect.tryPromise({
        try: doing,
        catch: (error): McpFailed | "over" => {
          if (OAuth.isOver(sdk, error)) return "over"
          const chain = [error, error instanceof Error ? error.cause : undefined]
          const refusal = chain.find((one) => one instanceof OutboundRefused)
          if (refusal?.code === "address_not_allowed") return Client.failedWith("config")
          return error instanceof TypeError || sdk.OAuthError.isInstance(error)
            ? failed("The authorization server cannot be reached, or does not answer as one.")
            : failed("The authorization server's answer does not fit the server, or cannot be understood.")
        }
      }).pipe(Effect.timeoutFail({
        duration: stepTimeout,
        onTimeout: () => failed("The authorization server did not answer in time.")
      })))

  const refused = failed("The authorization server refused the request.")
  const stepOrRefused = <A>(doing: () => Promise<A>): Effect.Effect<A, McpFailed> =>
    Effect.mapError(step(doing), (error) => error === "over" ? refused : error)

  const row = Effect.fnUntraced(function*(owner: UserId, server: McpServer) {
    const found = yield* get(owner, server.id)
    if (found !== undefined) return found
    const at = timestampOf(yield* Clock.currentTimeMillis)
    const fresh: McpAuthorization = {
      id: idOf(owner, server.id),
      user_id: owner,
      created_at: at,
      updated_at: at,
      server_id: server.id,
      status: "needs_authorization",
      state: "",
      expires_at: null,
      scope: null,
      lease: null,
      sealed: null
    }
    // Another request may have made it meanwhile.
    yield* Effect.catchTag(rows.insert(fresh), "Conflict", () => Effect.void)
    return (yield* get(owner, server.id)) ?? fresh
  })

  /** Undefined when the server has gone meanwhile, or is another one of its name: tokens are told to nobody else. */
  const grant = Effect.fnUntraced(function*(row: McpAuthorization, granted: OAuth.Granted) {
    const millis = yield* Clock.currentTimeMillis
    return yield* change(
      row.user_id,
      row.server_id,
      ({ attempt }, now) =>
        now.created_at !== row.created_at ? undefined : [
          // An attempt that was begun meanwhile goes on.
          { granted, until: until(granted, millis), ...(now.state !== "" && { attempt }) },
          // Who renews at this moment brings older tokens, and finds no lease.
          { status: "authorized", lease: null, scope: union(granted.tokens.scope) }
        ]
    )
  })

  const begin = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    secrets: McpSecrets,
    callback: McpCallback
  ): Effect.fn.Return<McpAuthorizationStart, McpFailed> {
    const of = asked(server, secrets)
    if (of === undefined) return yield* failed("The server is a program, which needs no authorization.")
    const flow = yield* flows
    const mine = yield* Effect.catchTag(row(owner, server), "NotFound", () => Client.failedWith("config"))
    if (of.config.oauth?.grant_type === "client_credentials") {
      const done = yield* grant(mine, yield* stepOrRefused(() => flow.obtain(of)))
      if (done === undefined) return yield* Client.failedWith("config")
      return { authorization: "authorized", authorization_url: null, expires_at: null }
    }
    const known = yield* open(mine)
    const state = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(32))).toString("base64url")
    const wanted = { scope: mine.scope ?? undefined, before: known.attempt }
    const { attempt, url } = yield* stepOrRefused(() => flow.begin(of, callback, state, wanted))
    const expires_at = timestampOf((yield* Clock.currentTimeMillis) + attemptMillis)
    // The attempt before it is over with that. Tokens that there are stay good until there are others.
    const now = yield* change(
      owner,
      server.id,
      (known, { created_at }) =>
        created_at !== mine.created_at ? undefined : [
          { ...known, attempt },
          { state: vault.mac(`mcp ${state}`), expires_at }
        ]
    )
    if (now === undefined) return yield* Client.failedWith("config")
    return { authorization: now.status, authorization_url: url, expires_at }
  })

  /** The attempt that a state belongs to, if it is still good. */
  const find = Effect.fnUntraced(function*(state: string) {
    if (state === "" || state.length > 256) return undefined
    const { items: [found] } = yield* Effect.orDie(rows.host.list({ limit: 1 }, { state: vault.mac(`mcp ${state}`) }))
    const now = timestampOf(yield* Clock.currentTimeMillis)
    return found === undefined || found.expires_at === null || found.expires_at <= now ? undefined : found
  })

  const over = failed("This authorization is over, was used already, or was begun anew. Begin it again.")

  const ending = Effect.fnUntraced(function*(
    { code, error, iss, state }: McpAuthorizationReturn,
    asker: (row: McpAuthorization) => Effect.Effect<OAuth.Asked | undefined, McpFailed>
  ): Effect.fn.Return<McpAuthorization, McpFailed> {
    const found = yield* find(state)
    if (found === undefined) return yield* over
    let isOurs = false
    const taken = yield* modify(found, (now) => {
      isOurs = now.state === found.state
      return isOurs ? { ...now, state: "", expires_at: null } : now
    })
    if (taken === undefined || !isOurs) return yield* over
    if (error !== undefined || code === undefined) return yield* failed("The authorization was not given.")
    const { attempt } = yield* open(taken)
    const of = yield* asker(taken)
    if (attempt === undefined || of === undefined) return yield* over
    const flow = yield* flows
    const done = yield* grant(taken, yield* stepOrRefused(() => flow.finish(of, attempt, { code, iss })))
    return done ?? (yield* over)
  })

  /** Ends an attempt, once. It goes on when whoever brought it leaves: its code works only one time. */
  const finish = (...back: Parameters<typeof ending>): Effect.Effect<McpAuthorization, McpFailed> =>
    Effect.flatMap(FiberSet.run(going, Effect.interruptible(ending(...back))), Fiber.join)

  /** A person has to allow it again, unless there are other tokens by now. */
  const lapse = (owner: UserId, server: string, token: string) =>
    change(owner, server, ({ attempt, granted }) =>
      granted?.tokens.access_token === token
        ? [{ attempt }, { status: "needs_authorization", lease: null }]
        : undefined)

  const renew = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    of: OAuth.Asked,
    used: string | undefined
  ): Effect.fn.Return<string | undefined, McpFailed> {
    const me = globalThis.crypto.randomUUID()
    for (let looks = 0; looks < maxLooks; looks++) {
      const found = yield* get(owner, server.id)
      if (found === undefined) return undefined
      const known = yield* open(found)
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
      const free = (lease: McpAuthorization["lease"]) => lease === null || lease.until <= timestampOf(millis)
      const held = yield* modify(found, (now) =>
        free(now.lease) && now.sealed === found.sealed
          ? { ...now, lease: { by: me, until: timestampOf(millis + leaseMillis) } }
          : now)
      if (held?.lease?.by !== me) {
        yield* Effect.sleep(lookEvery)
        continue
      }
      const flow = yield* flows
      const fresh = yield* Effect.either(step(() => isOwn ? flow.obtain(of) : flow.refresh(granted)))
      if (fresh._tag === "Right") {
        const at = yield* Clock.currentTimeMillis
        yield* change(owner, server.id, (known, { lease }) =>
          lease?.by === me
            ? [{ ...known, granted: fresh.right, until: until(fresh.right, at) }, { lease: null }]
            : undefined)
        return fresh.right.tokens.access_token
      }
      if (fresh.left === "over") {
        yield* lapse(owner, server.id, access_token)
        return undefined
      }
      yield* modify(held, (now) => now.lease?.by === me ? { ...now, lease: null } : now)
      return yield* fresh.left
    }
    return yield* failed("The tokens could not be renewed in time.")
  })

  /** The same for all who ask at once. It belongs to the server: who asked first may leave. */
  const renewed = (owner: UserId, server: McpServer, of: OAuth.Asked, used: string | undefined) =>
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
  const tokens = Effect.fnUntraced(function*(
    owner: UserId,
    server: McpServer,
    secrets: McpSecrets
  ): Effect.fn.Return<Tokens | undefined, McpFailed> {
    const of = asked(server, secrets)
    const found = of === undefined ? undefined : yield* get(owner, server.id)
    if (of === undefined || found === undefined) return undefined
    let known = yield* open(found)
    if (known.granted === undefined) return yield* Client.failedWith("authorization")
    const clock = yield* Effect.clock
    let token = known.granted.tokens.access_token
    const secret = new Set([token])
    const fresh = (used: string | undefined) =>
      promised(
        Effect.tap(renewed(owner, server, of, used), (fresh) =>
          get(owner, server.id).pipe(
            Effect.flatMap((row) => row === undefined ? Effect.succeed<Known>({}) : open(row)),
            Effect.map((now) => {
              if (fresh === undefined) return
              token = fresh
              known = now
              secret.add(token)
              if (secret.size > 8) secret.delete(secret.values().next().value!)
            })
          ))
      )
    return {
      current: () => isGood(known, clock.unsafeCurrentTimeMillis()) ? Promise.resolve(token) : fresh(undefined),
      renew: fresh,
      widen: (scope) =>
        promised(
          Effect.flatMap(get(owner, server.id), (row) =>
            // Tokens that are renewed at this moment stay what they are.
            row === undefined ? Effect.void : Effect.asVoid(modify(row, (now) => ({
              ...now,
              status: "needs_authorization",
              scope: union(now.scope, scope)
            }))))
        ),
      secrets: () => [...secret]
    }
  })

  /** Tells the authorization server, for a while, that the tokens are over. */
  const forget = Effect.fnUntraced(function*(owner: UserId, server: string) {
    const found = yield* get(owner, server)
    if (found === undefined) return
    const { granted } = yield* open(found)
    yield* Effect.ignore(rows.remove(owner, found.id))
    if (granted === undefined) return
    const flow = yield* flows
    yield* Effect.tryPromise(() => flow.revoke(granted)).pipe(
      Effect.timeout(farewellTimeout),
      Effect.ignore,
      Effect.forkIn(scope)
    )
  })

  return {
    begin,
    find,
    finish,
    tokens,
    forget,
    status: (owner: UserId, server: string): Effect.Effect<McpAuthorizationStatus | null> =>
      Effect.map(get(owner, server), (row) => row?.status ?? null),
    /** Whether a server that refused us says how it is logged in to. */
    isOffered: (url: string): Effect.Effect<boolean> =>
      Effect.flatMap(flows, (flow) => Effect.orElseSucceed(stepOrRefused(() => flow.isOffered(url)), () => false)),
    /** It was refused, and waits for a person. */
    note: (owner: UserId, server: McpServer): Effect.Effect<void> => Effect.ignore(row(owner, server))
  }
})

export type Logins = Effect.Effect.Success<typeof make>
