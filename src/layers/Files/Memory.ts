/** Keeps files in this process. */
import { Effect, Layer } from "effect"
import type { FileHash, StoredFile } from "../../domain/File.ts"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import { Files, pieceBytes } from "../../services/Files.ts"
import { now } from "../../services/Now.ts"
import { tables } from "../../services/Storage.ts"
import { type Hold, type Store, Tables } from "../Memory/Tables.ts"
import { hashOf, noSession, noSuchFile } from "./Parts.ts"

const keyOf = (owner: string, hash: string) => `${owner} ${hash}`

/** Whether a message or a run of the session names the file. */
const isNamed = (store: Store, session: string, hash: string) =>
  store.log(session).messages.some(({ message }) => JSON.stringify(message).includes(hash)) ||
  store.rows(tables.runs.name).where({ session_id: session }).some(({ data }) => JSON.stringify(data).includes(hash))

const hasOpenRun = (store: Store, session: string) =>
  store.rows(tables.runs.name).where({ session_id: session }).some(({ columns }) => columns["status"] !== "ended")

export const make = Effect.map(Tables, (store) => {
  const held = (owner: UserId, session: SessionId, hash: FileHash): Hold | undefined => {
    const hold = store.holds(session).get(hash)
    return hold?.owner === owner ? hold : undefined
  }

  return Files.of({
    put: Effect.fnUntraced(function*(owner, session_id, { bytes, media_type, name }) {
      const hash = yield* hashOf(bytes)
      const created_at = yield* now
      return yield* Effect.flatten(store.run(() => {
        if (store.rows(tables.sessions.name).byId.get(session_id)?.owner !== owner) return noSession(session_id)
        const known = store.holds(session_id).get(hash)
        const file: StoredFile = { session_id, hash, media_type, size: bytes.length, name }
        store.bytes.set(keyOf(owner, hash), store.bytes.get(keyOf(owner, hash)) ?? bytes)
        store.putHold({ ...known ?? { owner, file, is_kept: false }, created_at })
        return Effect.succeed(file)
      }))
    }),
    get: (owner, session, hash) =>
      Effect.flatten(store.run(() => {
        const hold = held(owner, session, hash)
        return hold === undefined ? noSuchFile(hash) : Effect.succeed(hold.file)
      })),
    piece: (owner, session, hash, n) =>
      Effect.flatten(store.run(() => {
        const bytes = held(owner, session, hash) && store.bytes.get(keyOf(owner, hash))
        const piece = bytes?.subarray(n * pieceBytes, (n + 1) * pieceBytes)
        return piece === undefined || piece.length === 0 ? noSuchFile(hash) : Effect.succeed(piece)
      })),
    keep: (session, hashes) =>
      store.run(() => {
        for (const hash of hashes) {
          const hold = store.holds(session).get(hash)
          if (hold !== undefined) store.putHold({ ...hold, is_kept: true })
        }
      }),
    sweep: (before) =>
      store.run(() => {
        let looked = 0
        let ended = 0
        const named = new Set<string>()
        for (const hold of store.allHolds()) {
          const { hash, session_id } = hold.file
          if (!hold.is_kept && hold.created_at < before && !hasOpenRun(store, session_id)) {
            looked++
            if (isNamed(store, session_id, hash)) store.putHold({ ...hold, is_kept: true })
            else {
              ended++
              store.dropHold(hold)
              continue
            }
          }
          named.add(keyOf(hold.owner, hash))
        }
        let removed = 0
        for (const key of store.bytes.keys()) {
          if (named.has(key)) continue
          removed++
          store.bytes.delete(key)
        }
        return { looked, ended, removed, next: undefined }
      })
  })
})

export const layer: Layer.Layer<Files, never, Tables> = Layer.effect(Files, make)
