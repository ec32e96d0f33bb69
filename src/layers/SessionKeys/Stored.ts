/**
 * Keys and their sessions in Storage. The id of a key's row is made of its owner,
 * its channel and the key itself, and is written in one transaction with the session:
 * of many who make it at once, the database lets one.
 */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { createHash } from "node:crypto"
import type { NotFound } from "../../domain/Errors.ts"
import type { Session } from "../../domain/Session.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { defaults, type Settings } from "../../domain/Settings.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Rooms } from "../../services/Rooms.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { type KeyOf, SessionKeys } from "../../services/SessionKeys.ts"
import { Storage } from "../../services/Storage.ts"
import { Workspace } from "../../services/Workspace.ts"
import { supervise } from "../Supervise.ts"

/** Times that a key is read again because somebody else has just changed it. */
const maxTries = 8

/** How much of its idle time a key may be used without a note of that. */
const noted = 0.1

/** Time between two removals, rows read together, and sessions removed at the same time. */
const sweepEvery = Duration.minutes(1)
const batch = 100
const atOnce = 4

const idOf = ({ channel, key, owner }: KeyOf): string =>
  createHash("sha256").update(JSON.stringify([owner, channel, key])).digest("hex")

/** Removes a session that was made for one request, with all that belongs to it. */
const remove = (row: SessionKey) =>
  Effect.gen(function*() {
    const { sessions } = yield* Storage
    const hub = yield* SessionHub
    const workspaces = yield* Workspace
    const session = yield* sessions.get(row.user_id, row.session_id)
    yield* hub.forget(session)
    yield* sessions.remove(session.user_id, session.id)
    const of = { agent_id: session.agent_id, workspace_id: session.config.workspace_id }
    // Its workspace has been made for it alone.
    yield* workspaces.sessionRemoved(session.user_id, session.id, of, Effect.succeed(false))
  }).pipe(
    // Its owner, or another process, was quicker.
    Effect.catchTag("NotFound", () => Effect.void),
    Effect.catchAllCause((cause) =>
      Effect.logWarning("A session that was made for one request could not be removed", cause)
    ),
    Effect.annotateLogs({ session_id: row.session_id })
  )

/** Removes the sessions for one request that are older, oldest first. */
export const sweep = Effect.fnUntraced(function*(older: Duration.Duration) {
  const { sessionKeys } = yield* Storage
  const before = timestampOf((yield* Clock.currentTimeMillis) - Duration.toMillis(older))
  for (let cursor: string | undefined, more = true; more;) {
    const page = yield* Effect.orDie(sessionKeys.host.list({ limit: batch, cursor }, { kind: "once" }, "oldest"))
    const old = page.items.filter(({ created_at }) => created_at < before)
    yield* Effect.forEach(old, remove, { concurrency: atOnce, discard: true })
    cursor = page.next_cursor ?? undefined
    more = cursor !== undefined && old.length === page.items.length
  }
})

export type Options = Pick<Settings, "channel_retain_hours">

export const make = Effect.fnUntraced(function*({ channel_retain_hours }: Options) {
  const { sessionKeys, sessions, transaction } = yield* Storage
  const rooms = yield* Rooms
  const newId = yield* NewId

  const rowOf = (id: string, channel: string, key: string | null, session: Session): SessionKey => ({
    id,
    user_id: session.user_id,
    created_at: session.created_at,
    updated_at: session.created_at,
    channel,
    key,
    session_id: session.id
  })

  /** Both rows or none; `Conflict` when the key has got a session meanwhile. */
  const insert = (session: Session, row: SessionKey) =>
    transaction(
      Effect.zipRight(Effect.catchTag(sessions.insert(session), "Conflict", Effect.die), sessionKeys.insert(row))
    ).pipe(
      Effect.zipRight(Effect.sync(() => rooms.created(session.id))),
      Effect.as(session)
    )

  /** Removes the row unless somebody else has done so and put another in its place; both have the same id. */
  const removeRow = ({ id, session_id, user_id }: SessionKey) =>
    transaction(
      // The row is locked first, so that nothing happens between the look and the removal.
      Effect.flatMap(
        sessionKeys.modify(user_id, id, (row) => row),
        (row) => row.session_id === session_id ? sessionKeys.remove(user_id, id) : Effect.void
      )
    ).pipe(Effect.ignore)

  /** Notes the use, but not each: the row would be written by every request. */
  const touch = (row: SessionKey, idle: number, now: number) =>
    now - Date.parse(row.updated_at) < idle * noted
      ? Effect.void
      : Effect.ignore(
        sessionKeys.modify(row.user_id, row.id, (before) => ({ ...before, updated_at: timestampOf(now) }))
      )

  yield* Effect.forkScoped(supervise(
    "Removal of sessions for one request",
    Effect.forever(Effect.delay(sweep(Duration.hours(channel_retain_hours)), sweepEvery))
  ))

  return SessionKeys.of({
    of: <E, R>(
      key: KeyOf & { readonly idle?: Duration.Duration | undefined },
      made: Effect.Effect<Session, E, R>
    ) => {
      const id = idOf(key)
      const idle = key.idle === undefined ? 0 : Duration.toMillis(key.idle)
      const attempt = (tries: number): Effect.Effect<
        { readonly session: Session; readonly isNew: boolean },
        E | NotFound,
        R
      > =>
        Effect.gen(function*() {
          const found = yield* Effect.option(sessionKeys.get(key.owner, id))
          if (Option.isSome(found)) {
            const row = found.value
            const now = yield* Clock.currentTimeMillis
            if (idle === 0 || now - Date.parse(row.updated_at) < idle) {
              const session = yield* Effect.option(sessions.get(key.owner, row.session_id))
              if (Option.isSome(session)) {
                if (idle > 0) yield* touch(row, idle, now)
                return { session: session.value, isNew: false }
              }
            }
            // It has been idle for too long, or its session is being deleted.
            yield* removeRow(row)
          }
          const session = yield* made
          return yield* insert(session, rowOf(id, key.channel, key.key, session)).pipe(
            Effect.map((session) => ({ session, isNew: true })),
            Effect.catchTag("Conflict", (conflict) => tries > 1 ? attempt(tries - 1) : Effect.die(conflict))
          )
        })
      return attempt(maxTries)
    },
    find: (key) =>
      sessionKeys.get(key.owner, idOf(key)).pipe(
        Effect.flatMap(({ session_id }) => sessions.get(key.owner, session_id)),
        Effect.catchTag("NotFound", () => Effect.succeed(undefined))
      ),
    once: (channel, session) =>
      Effect.catchTag(
        insert(session, rowOf(newId.record(Date.parse(session.created_at)), channel, null, session)),
        "Conflict",
        Effect.die
      ),
    kept: (session) =>
      Effect.zipRight(
        Effect.catchTag(sessions.insert(session), "Conflict", Effect.die),
        Effect.sync(() => rooms.created(session.id))
      ).pipe(Effect.as(session)),
    discard: (channel, session) => {
      // The sweep looks at the oldest first, and nothing is older.
      const row = rowOf(newId.record(0), channel, null, { ...session, created_at: timestampOf(0) })
      return Effect.asVoid(Effect.catchTag(sessionKeys.insert(row), "Conflict", Effect.die))
    },
    reset: (key) =>
      sessionKeys.remove(key.owner, idOf(key)).pipe(
        Effect.as(true),
        Effect.catchTag("NotFound", () => Effect.succeed(false))
      )
  })
})

export const layerWith = (
  options: Options = defaults
): Layer.Layer<SessionKeys, never, Storage | Rooms | SessionHub | Workspace> => Layer.scoped(SessionKeys, make(options))
