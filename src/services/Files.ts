import { Context, Effect, Stream } from "effect"
import type { NotFound } from "../domain/Errors.ts"
import type { FileHash, StoredFile } from "../domain/File.ts"
import type { SessionId, Timestamp, UserId } from "../domain/Ids.ts"

/** Bytes of a file that are written and read at a time: each is a statement of its own, so that none takes long. */
export const pieceBytes = 256 * 1024

/** A file on its way into storage. */
export interface NewFile {
  /** In lower case, without parameters. */
  readonly media_type: string
  readonly name: string | null
  readonly bytes: Uint8Array
}

/** The place where the search for files that no session holds goes on. */
export interface SweepPlace {
  readonly owner: string
  readonly hash: string
}

/** What one step of a sweep did. */
export interface Swept {
  /** Sessions' holds on files that were looked at because nothing is known to name them, and those of them that were ended. */
  readonly looked: number
  readonly ended: number
  /** Files whose bytes were removed. */
  readonly removed: number
  /** Undefined at the end. */
  readonly next: SweepPlace | undefined
}

/**
 * The bytes of sessions' files. An owner's file is stored once by its hash, and
 * each session that names it holds it; when no session holds it any more, its
 * bytes go. Owners never share bytes, so that nobody learns what another has.
 */
export class Files extends Context.Tag("stoa/services/Files")<Files, {
  /**
   * Stores a file for a session; it is durable when this returns. The same bytes
   * again are no second file. `NotFound` when the session is gone. Nothing names
   * the file yet: `keep` it when something durable does.
   */
  readonly put: (owner: UserId, session: SessionId, file: NewFile) => Effect.Effect<StoredFile, NotFound>
  /** `NotFound` when this session of this owner does not hold it. */
  readonly get: (owner: UserId, session: SessionId, hash: FileHash) => Effect.Effect<StoredFile, NotFound>
  /** The `n`th piece of it, from 0: `pieceBytes` long, but for the last one. */
  readonly piece: (
    owner: UserId,
    session: SessionId,
    hash: FileHash,
    n: number
  ) => Effect.Effect<Uint8Array, NotFound>
  /** Something durable names these files, so that the sweep need not look for it. */
  readonly keep: (session: SessionId, hashes: ReadonlyArray<FileHash>) => Effect.Effect<void>
  /**
   * One step of the clean-up. Ends holds that are older than `before`, that were
   * never kept, and that no message and no run of their session names, once no run
   * is open there; then removes files that no session holds, from `after` on.
   */
  readonly sweep: (before: Timestamp, after: SweepPlace | undefined) => Effect.Effect<Swept>
}>() {}

type Service = Context.Tag.Service<Files>

/** The bytes from `from` to `to`, the last one included, a piece at a time. */
export const bytesOf = (
  { piece }: Pick<Service, "piece">,
  owner: UserId,
  { hash, session_id }: StoredFile,
  from: number,
  to: number
): Stream.Stream<Uint8Array, NotFound> => {
  const first = Math.floor(from / pieceBytes)
  const last = Math.floor(to / pieceBytes)
  return Stream.mapEffect(
    Stream.range(first, last),
    (n) =>
      Effect.map(piece(owner, session_id, hash, n), (bytes) =>
        bytes.subarray(
          n === first ? from - n * pieceBytes : 0,
          n === last ? to + 1 - n * pieceBytes : bytes.length
        ))
  )
}

/** All of its bytes. */
export const wholeOf = Effect.fnUntraced(
  function*({ piece }: Pick<Service, "piece">, owner: UserId, { hash, session_id, size }: StoredFile) {
    const pieces: Array<Uint8Array> = []
    for (let n = 0; n * pieceBytes < size; n++) pieces.push(yield* piece(owner, session_id, hash, n))
    return Buffer.concat(pieces)
  }
)
