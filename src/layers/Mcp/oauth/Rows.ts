/** Authorizations as rows, which processes change one after the other, and what is sealed in them. */
import { Clock, Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import type { UserId } from "../../../domain/Ids.ts"
import type { McpAuthorization } from "../../../domain/McpAuthorization.ts"
import type { McpServer } from "../../../domain/McpServer.ts"
import type { McpFailed } from "../../../services/Mcp.ts"
import { timestampOf } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"
import { Vault } from "../../../services/Vault.ts"
import type { Attempt, Granted } from "./OAuth.ts"
import { failed } from "./Steps.ts"

/** Tokens are renewed so long before they are over, in milliseconds; short ones at half of their time. */
const early = 30_000

/** Seconds beyond which a time means nothing. */
const longestLife = 1e10

/** How often a row is read again that others have changed meanwhile. */
const maxTries = 16

/** What is sealed in a row. */
export interface Known {
  readonly granted?: Granted | undefined
  /** When the tokens are over, in milliseconds; undefined when that is not known. */
  readonly until?: number | undefined
  readonly attempt?: Attempt | undefined
}

/** It is written here alone, and nobody else can seal for the row. */
const Json = Schema.parseJson(Schema.declare((_: unknown): _ is Known => true))

export const idOf = (owner: UserId, server: string): string =>
  createHash("sha256").update(JSON.stringify([owner, server])).digest("hex").slice(0, 32)

/** Scopes of all, once each. */
export const union = (...scopes: ReadonlyArray<string | null | undefined>): string | null => {
  const all = [...new Set(scopes.flatMap((scope) => scope?.split(" ") ?? []))].filter((one) => one !== "")
  return all.length === 0 ? null : all.slice(0, 64).join(" ").slice(0, 4_096)
}

/** When tokens that came at `millis` are over. Some servers say with a zero that they do not know it. */
export const endOf = ({ tokens: { expires_in = 0 } }: Granted, millis: number): number | undefined =>
  expires_in > 0 && expires_in < longestLife ? millis + expires_in * 1_000 : undefined

/** Whether the tokens need not be renewed yet. */
export const isGood = ({ granted, until }: Known, millis: number): boolean =>
  until === undefined || until - Math.min(early, (granted?.tokens.expires_in ?? Infinity) * 500) > millis

export const make = Effect.gen(function*() {
  const { mcpAuthorizations: rows } = yield* Storage
  const vault = yield* Vault

  const sealedFor = ({ id, user_id }: Pick<McpAuthorization, "id" | "user_id">) => ({
    owner: user_id,
    record: `mcp_authorizations/${id}`
  })

  const macOf = (state: string) => vault.mac(`mcp ${state}`)

  const get = (owner: UserId, server: string): Effect.Effect<McpAuthorization | undefined> =>
    Effect.orElseSucceed(rows.get(owner, idOf(owner, server)), () => undefined)

  /** What cannot be opened any more is as if it were not there: a person allows it again. */
  const open = (row: McpAuthorization): Effect.Effect<Known> =>
    row.sealed === null
      ? Effect.succeed({})
      : Effect.orElseSucceed(
        Effect.flatMap(vault.open(row.sealed, sealedFor(row)), Schema.decode(Json)),
        (): Known => ({})
      )

  /** The row as it is then; undefined when it is gone. */
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
      const sealed = yield* vault.seal(JSON.stringify(known), sealedFor(row))
      let isSame = false
      const written = yield* modify(row, (now) => {
        isSame = now.sealed === row.sealed && now.state === row.state && now.lease?.by === row.lease?.by
        return isSame ? { ...now, ...fields, sealed } : now
      })
      if (written === undefined || isSame) return written
    }
    return yield* failed("The authorization was changed by others at the same time. Try again.")
  })

  return {
    get,
    macOf,
    open,
    modify,
    change,

    /** The row of a server, which is made when it is not there. */
    ensure: Effect.fnUntraced(function*(owner: UserId, server: McpServer) {
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
    }),

    /** The row whose attempt has this state, if it is still good. */
    ofState: Effect.fnUntraced(function*(state: string) {
      if (state === "" || state.length > 256) return undefined
      const { items: [found] } = yield* Effect.orDie(rows.host.list({ limit: 1 }, { state: macOf(state) }))
      const now = timestampOf(yield* Clock.currentTimeMillis)
      return found === undefined || found.expires_at === null || found.expires_at <= now ? undefined : found
    }),

    remove: (row: McpAuthorization): Effect.Effect<void> => Effect.ignore(rows.remove(row.user_id, row.id))
  }
})

export type Rows = Effect.Effect.Success<typeof make>
