import { Context, type Duration, Effect, type Scope, type Stream } from "effect"
import type { NotFound } from "../domain/Errors.ts"
import type { AgentId, SessionId, UserId, WorkspaceId } from "../domain/Ids.ts"
import type { Entry, FileError, WorkspaceError, WorkspaceKey, WorkspaceRecord } from "../domain/Workspace.ts"

/** A file that stays open, whatever happens to its name meanwhile. */
export interface OpenFile {
  readonly size: number
  readonly modified: number
  /** The bytes from `offset` on, at most `length`; none at the end. */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, FileError>
}

/** A file that is to stand in a new folder. */
export interface NewFile<E> {
  /** Below the folder: `a/b/c`. */
  readonly path: string
  /** Small files cost less in one piece. */
  readonly bytes: Stream.Stream<Uint8Array, E> | Effect.Effect<Uint8Array, E>
}

export interface Listing {
  /** By name. */
  readonly entries: ReadonlyArray<Entry>
  /** There are more than are listed. */
  readonly truncated: boolean
}

export interface Command {
  /** The program and its words; no shell is in between. */
  readonly argv: readonly [string, ...ReadonlyArray<string>]
  /** A path of the workspace; its root without one. */
  readonly cwd?: string
  /** Beside these there are only PATH, HOME, USER, LANG, TERM and TMPDIR. */
  readonly env?: Readonly<Record<string, string>>
  /** Without a time it ends when its scope does. */
  readonly timeout?: Duration.DurationInput
  /** Most bytes that it may print, both streams together; Infinity for servers, which run for long. */
  readonly maxOutput?: number
}

/** Why a process was ended. */
export type Ended = "timeout" | "memory" | "processes" | "disk" | "output" | "deleted"

export interface Exit {
  /** Null when it was killed. */
  readonly code: number | null
  readonly signal: string | null
  /** Undefined when it ended by itself. */
  readonly ended: Ended | undefined
}

export interface Process {
  /** Each is read once; what is not read holds the process up. */
  readonly stdout: Stream.Stream<Uint8Array>
  readonly stderr: Stream.Stream<Uint8Array>
  /** Waits while the process does not read. What comes after its end is dropped. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  readonly endInput: Effect.Effect<void>
  /** When all its processes are gone and both streams have been read to their end. */
  readonly exit: Effect.Effect<Exit>
}

/** A workspace in use. Paths are absolute below `root`, or relative to it. */
export interface OpenWorkspace {
  readonly id: WorkspaceKey
  /** The absolute path of the root, as its programs see it. */
  readonly root: string
  /** What stands at the path; links are followed within the workspace. */
  readonly stat: (path: string) => Effect.Effect<Entry, FileError>
  /** Files only: FIFOs, sockets and devices are refused without being opened. */
  readonly open: (path: string) => Effect.Effect<OpenFile, FileError, Scope.Scope>
  /** What stands in a folder, at most `limit`. Links are listed as links. */
  readonly list: (path: string, limit: number) => Effect.Effect<Listing, FileError>
  /**
   * Writes a whole file, and makes the folders above it. Readers see the file before or the
   * file after. Resolves to its size. `failed` errors of the stream are the caller's own.
   */
  readonly write: <E>(path: string, bytes: Stream.Stream<Uint8Array, E>) => Effect.Effect<number, FileError | E>
  /**
   * Puts a folder with all its files at a path; what stood there goes. Readers see the folder before, none for a moment,
   * or the whole one, and never a part of it. It costs less than to write each file by itself.
   */
  readonly writeFolder: <E>(path: string, files: ReadonlyArray<NewFile<E>>) => Effect.Effect<void, FileError | E>
  /** Changes a file of at most `maxWhole` bytes; nobody else who writes through this service comes in between. */
  readonly modify: <E>(
    path: string,
    change: (before: Uint8Array) => Effect.Effect<Uint8Array, E>
  ) => Effect.Effect<void, FileError | E>
  /** Removes a file, a link, or a folder with all that is in it. Never the root. */
  readonly remove: (path: string) => Effect.Effect<void, FileError>
  /** Runs a program. All its processes are gone when the scope closes. */
  readonly spawn: (command: Command) => Effect.Effect<Process, WorkspaceError, Scope.Scope>
}

/** Whose workspace: the policy decides which of these counts. */
export interface WorkspaceOf {
  readonly agent_id: AgentId
  readonly workspace_id: WorkspaceId
}

export interface WorkspaceKind {
  readonly name: string
  /** Whether programs can be run. */
  readonly runs: boolean
  /** What an operator should know about it, in a sentence. */
  readonly about: string
}

/** The folders that agents work in, and the programs that they run there. */
export class Workspace extends Context.Tag("stoa/services/Workspace")<Workspace, {
  readonly kind: WorkspaceKind
  /** The key of a workspace, whether it is there or not. */
  readonly keyOf: (owner: UserId, of: WorkspaceOf) => WorkspaceKey
  /** Tells of each workspace that is removed, while the scope is open. */
  readonly onRemoved: (
    tell: (owner: UserId, id: WorkspaceKey) => Effect.Effect<void>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** The workspace, made if it is not there. While the scope is open it is not evicted. */
  readonly open: (owner: UserId, of: WorkspaceOf) => Effect.Effect<OpenWorkspace, FileError, Scope.Scope>
  /** The owner's workspaces, newest first. */
  readonly list: (owner: UserId) => Effect.Effect<ReadonlyArray<WorkspaceRecord>>
  readonly get: (owner: UserId, id: WorkspaceKey) => Effect.Effect<WorkspaceRecord, NotFound>
  /** Bytes and files of it, those below the root. */
  readonly usage: (owner: UserId, id: WorkspaceKey) => Effect.Effect<{ bytes: number; files: number }, NotFound>
  /** Ends what runs in it and removes it. Who has it open gets `Gone`. */
  readonly remove: (owner: UserId, id: WorkspaceKey) => Effect.Effect<void, NotFound>
  /** An agent is gone, and what belongs to it alone. */
  readonly agentRemoved: (owner: UserId, agent: AgentId) => Effect.Effect<void>
  /**
   * A session is gone, and with it what it has kept in its workspace. Where sessions have workspaces of their own, that
   * goes too, unless `isUsed` says that another session has it; this is asked only there.
   */
  readonly sessionRemoved: (
    owner: UserId,
    session: SessionId,
    of: WorkspaceOf,
    isUsed: Effect.Effect<boolean>
  ) => Effect.Effect<void>
}>() {}

/** A whole file of at most `limit` bytes; longer ones are cut there. */
export const readUpTo = (workspace: OpenWorkspace, path: string, limit: number) =>
  Effect.scoped(Effect.flatMap(workspace.open(path), (file) =>
    Effect.map(
      Effect.iterate([] as ReadonlyArray<Uint8Array>, {
        // Each piece is at most `pieceBytes`, so that other fibers come in between.
        while: (pieces) => pieces.at(-1)?.length !== 0 && sizeOf(pieces) < limit,
        body: (pieces) =>
          Effect.map(
            file.read(sizeOf(pieces), Math.min(pieceBytes, limit - sizeOf(pieces))),
            (next) => [...pieces, next]
          )
      }),
      (pieces) => Buffer.concat(pieces)
    )))

export const pieceBytes = 256 * 1024

const sizeOf = (pieces: ReadonlyArray<Uint8Array>) => pieces.reduce((sum, { length }) => sum + length, 0)
