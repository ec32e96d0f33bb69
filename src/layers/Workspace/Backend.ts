/** What a kind of workspace must be able to do; `Shared.ts` makes the service of it, the same for all kinds. */
import type { Effect, Scope, Stream } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import type {
  Entry,
  FileError,
  WorkspaceError,
  WorkspaceKey,
  WorkspaceLimits,
  WorkspaceRecord
} from "../../domain/Workspace.ts"
import type { Command, Ended, Listing, OpenFile, Process, WorkspaceKind } from "../../services/Workspace.ts"

export type Names = ReadonlyArray<string>

export interface Usage {
  readonly bytes: number
  readonly files: number
}

export interface StagedFile<E> {
  readonly names: Names
  readonly bytes: Stream.Stream<Uint8Array, E> | Effect.Effect<Uint8Array, E>
}

/** Bytes that are written, but that nobody can see yet. */
export interface Staged {
  readonly size: number
  /** Puts them at a path; what stood there is replaced at once. */
  readonly place: (names: Names) => Effect.Effect<void, FileError>
}

/** One workspace. Names are those below the root; none are the root. */
export interface Place {
  readonly root: string
  readonly stat: (names: Names) => Effect.Effect<Entry, FileError>
  readonly open: (names: Names) => Effect.Effect<OpenFile, FileError, Scope.Scope>
  readonly list: (names: Names, limit: number) => Effect.Effect<Listing, FileError>
  /** Takes bytes in, at most `room` of them. They are dropped when the scope closes before they have a place. */
  readonly stage: <E>(
    bytes: Stream.Stream<Uint8Array, E>,
    room: number
  ) => Effect.Effect<Staged, FileError | E, Scope.Scope>
  /** The same for a folder. Nothing else has these names, and none leads through a file. */
  readonly stageFolder: <E>(
    files: ReadonlyArray<StagedFile<E>>,
    room: number
  ) => Effect.Effect<Staged, FileError | E, Scope.Scope>
  readonly remove: (names: Names) => Effect.Effect<void, FileError>
  /** Counts, but no further than `most` files. */
  readonly usage: (most: number) => Effect.Effect<Usage, FileError>
}

/** A process that the backend has begun, and a way to end it. */
export interface Begun extends Process {
  readonly end: (why: Ended) => Effect.Effect<void>
}

export interface Spawning {
  readonly place: Place
  readonly cwd: Names
  readonly command: Command
  readonly limits: WorkspaceLimits
  /** What the workspace had when it began. */
  readonly before: Usage
}

export interface Backend {
  readonly kind: WorkspaceKind
  /** The workspace of this record, made if it is not there; `last_used_at` is kept. */
  readonly prepare: (owner: UserId, record: WorkspaceRecord) => Effect.Effect<Place, FileError>
  readonly records: (owner: UserId) => Effect.Effect<ReadonlyArray<WorkspaceRecord>>
  /** Takes it away at once; what takes long is done later. */
  readonly destroy: (owner: UserId, key: WorkspaceKey) => Effect.Effect<void>
  readonly place: (owner: UserId, key: WorkspaceKey) => Place
  /** Undefined where nothing can be run. */
  readonly spawn:
    | ((owner: UserId, key: WorkspaceKey, what: Spawning) => Effect.Effect<Begun, WorkspaceError, Scope.Scope>)
    | undefined
}
