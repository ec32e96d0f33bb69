/** What a skill's files are taken from, whatever that is. */
import { Effect, type Scope, type Stream } from "effect"
import type { Invalid } from "../../domain/Errors.ts"
import type { Brought } from "../../domain/SkillFiles.ts"

export interface Source {
  /** The files that are there, by what is told of them. */
  readonly brought: ReadonlyArray<Brought>
  /** Bytes of the archive that they are packed in. */
  readonly packed: number | undefined
  /** The bytes of the file at this place of `brought`. They may be others than were told. */
  readonly bytes: (place: number) => Bytes
}

/** Small files cost less in one piece than as streams. */
export type Bytes<E = Invalid> = Stream.Stream<Uint8Array, E> | Effect.Effect<Uint8Array, E>

/** Opens something as a source; its files are read while the scope is open. */
export type Opening = Effect.Effect<Source, Invalid, Scope.Scope>

/** Files that came in a form. */
export const ofForm = (files: ReadonlyArray<{ readonly path: string; readonly bytes: Uint8Array }>): Source => ({
  brought: files.map(({ bytes, path }) => ({ path, size: bytes.length })),
  packed: undefined,
  bytes: (place) => Effect.succeed(files[place]!.bytes)
})
