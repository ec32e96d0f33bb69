/** What all layers of files share. */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { NotFound } from "../../domain/Errors.ts"
import type { FileHash } from "../../domain/File.ts"
import type { SessionId } from "../../domain/Ids.ts"
import { nextTurn } from "../../services/NextTurn.ts"

/** Bytes that are hashed in one turn of the event loop. */
const hashedAtOnce = 2 * 1024 * 1024

export const hashOf = Effect.fnUntraced(function*(bytes: Uint8Array) {
  const hash = createHash("sha256")
  for (let at = 0; at < bytes.length; at += hashedAtOnce) {
    if (at > 0) yield* nextTurn
    hash.update(bytes.subarray(at, at + hashedAtOnce))
  }
  return hash.digest("hex") as FileHash
})

export const noSession = (id: SessionId) => NotFound.of("Session", id)

export const noSuchFile = (hash: FileHash) => NotFound.of("File", hash)
