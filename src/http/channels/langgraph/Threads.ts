/** Threads: their rows, and the sessions in which their runs are. */
import { Effect, Option } from "effect"
import { createHash } from "node:crypto"
import { Conflict, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { maxThreadMetadata, type Thread } from "../../../domain/Thread.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import { refuse } from "../openai/request/Refused.ts"

const nothing = (id: string) => NotFound.of("Thread", id.slice(0, 256))

const taken = new Conflict({ code: "thread_exists", detail: "There is a thread of this id already." })

/** The row of an id that a client has chosen. */
const nameOf = (owner: UserId, channel: string, id: string): string =>
  createHash("sha256").update(JSON.stringify([owner, channel, id])).digest("hex")

const fitting = (metadata: JsonObject) =>
  JSON.stringify(metadata).length <= maxThreadMetadata
    ? Effect.succeed(metadata)
    : refuse("metadata_too_large", "metadata", `Expected at most ${maxThreadMetadata} characters of JSON`)

export interface Draft {
  readonly thread_id?: string | null | undefined
  readonly metadata?: JsonObject | null | undefined
  readonly if_exists?: "raise" | "do_nothing" | null | undefined
}

export const make = (channel: string) =>
  Effect.gen(function*() {
    const { threads, transaction } = yield* Storage
    const hub = yield* SessionHub
    const keys = yield* SessionKeys
    const newId = yield* NewId

    const keyOf = ({ id: key, user_id: owner }: Thread) => ({ owner, channel, key })

    const get = Effect.fnUntraced(function*(owner: UserId, id: string) {
      const named = yield* Effect.option(threads.get(owner, nameOf(owner, channel, id)))
      const row = Option.match(named, { onNone: () => id, onSome: ({ names }) => names ?? id })
      const thread = yield* Effect.mapError(threads.get(owner, row), () => nothing(id))
      return thread.kind === "thread" ? thread : yield* nothing(id)
    })

    const create = Effect.fnUntraced(function*(owner: UserId, draft: Draft) {
      const at = yield* now
      const id = newId.record(Date.parse(at))
      const metadata = yield* fitting(draft.metadata ?? {})
      const base = { user_id: owner, created_at: at, updated_at: at }
      const chosen = draft.thread_id ?? undefined
      const thread: Thread = { ...base, id, kind: "thread", thread_id: chosen ?? id, names: null, metadata }
      const insert = (row: Thread) => Effect.catchTag(threads.insert(row), "NotFound", Effect.die)
      if (chosen === undefined) return yield* Effect.catchTag(insert(thread), "Conflict", Effect.die)
      const name: Thread = { ...thread, id: nameOf(owner, channel, chosen), kind: "name", names: id, metadata: {} }
      return yield* transaction(Effect.zipRight(insert(name), insert(thread))).pipe(
        Effect.catchTag("Conflict", () =>
          draft.if_exists === "do_nothing" ? Effect.mapError(get(owner, chosen), () => taken) : taken)
      )
    })

    return {
      get,
      create,
      /** Its session; undefined before the first run. */
      sessionOf: (thread: Thread) =>
        keys.find(keyOf(thread)),
      /** New metadata stand beside those that are there. */
      update: Effect.fnUntraced(function*(thread: Thread, metadata: JsonObject) {
        const at = yield* now
        yield* fitting({ ...thread.metadata, ...metadata })
        return yield* Effect.mapError(
          threads.modify(thread.user_id, thread.id, (row) => ({
            ...row,
            updated_at: at,
            metadata: { ...row.metadata, ...metadata }
          })),
          () => nothing(thread.thread_id)
        )
      }),
      /** Stops what runs in it. What was said is removed within minutes, and nobody can ask for it any more. */
      remove: Effect.fnUntraced(function*(thread: Thread) {
        const { id, thread_id, user_id: owner } = thread
        const session = yield* keys.find(keyOf(thread))
        if (session !== undefined) yield* hub.interrupt(session, "drop")
        yield* transaction(Effect.gen(function*() {
          yield* threads.remove(owner, id)
          yield* Effect.ignore(threads.remove(owner, nameOf(owner, channel, thread_id)))
          if (session === undefined) return
          yield* keys.reset(keyOf(thread))
          yield* Effect.ignore(keys.discard(channel, session))
        })).pipe(Effect.mapError(() => nothing(thread_id)))
      })
    }
  })
export type Threads = Effect.Effect.Success<ReturnType<typeof make>>
