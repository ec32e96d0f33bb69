import { Context, type Effect } from "effect"
import type { Conflict, Forbidden, Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { SkillId, UserId } from "../domain/Ids.ts"
import type { LibraryCard } from "../domain/LibraryCard.ts"
import type { Asker } from "../domain/Principal.ts"
import type { LibrarySkill, LibrarySkillRecord, SkillFile, WorkspaceSkill } from "../domain/Skill.ts"
import type { FileError } from "../domain/Workspace.ts"
import type { WorkspaceOf } from "./Workspace.ts"

/** Where the files of a new skill come from: an archive, a form, or a folder of the server's disk. */
export type SkillSource =
  | { readonly type: "zip"; readonly bytes: Uint8Array }
  | { readonly type: "files"; readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: Uint8Array }> }
  | { readonly type: "folder"; readonly path: string }

/** A skill as the agents of its workspace know it. */
export interface KnownSkill {
  readonly name: string
  /** One line. */
  readonly description: string
}

/** What is read of a skill. */
export interface ReadSkill {
  readonly text: string
  /** The text is cut: this is the whole size of the file, in bytes. */
  readonly cutOf: number | undefined
  /** All files of the skill. */
  readonly files: ReadonlyArray<SkillFile>
  /** The folder in the workspace in which they stand; undefined where they were not asked to. */
  readonly dir: string | undefined
}

/** Why a skill cannot be added. */
export type SkillRefused = Conflict | Forbidden | Invalid | LimitReached

/** Skills: those of workspaces, which agents read, and those of the tenant's library. */
export class Skills extends Context.Tag("stoa/services/Skills")<Skills, {
  /** The skills of a workspace, by name. What others have changed is seen within seconds. */
  readonly known: (owner: UserId, of: WorkspaceOf) => Effect.Effect<ReadonlyArray<KnownSkill>>
  /**
   * Reads a file of a skill; `SKILL.md` without its front matter when none is named. With `place` the files stand in the
   * workspace when this returns. `NotFound` when there is no such skill or file, `Invalid` when it is no text.
   */
  readonly read: (
    owner: UserId,
    of: WorkspaceOf,
    name: string,
    options: { readonly file?: string | undefined; readonly place: boolean }
  ) => Effect.Effect<ReadSkill, NotFound | Invalid | FileError>

  /** The skills of a workspace as they are shown, by name. */
  readonly inWorkspace: (owner: UserId, of: WorkspaceOf) => Effect.Effect<ReadonlyArray<WorkspaceSkill>, FileError>
  /** Adds a skill, whose files stand in the workspace then. The same files under the same name again change nothing. */
  readonly add: (
    asker: Asker,
    of: WorkspaceOf,
    source: SkillSource
  ) => Effect.Effect<void, SkillRefused | FileError>
  /** Copies skills of the library; the others are told why not, by their ids. */
  readonly addFromLibrary: (
    owner: UserId,
    of: WorkspaceOf,
    ids: ReadonlyArray<string>
  ) => Effect.Effect<{ readonly added: ReadonlyArray<string>; readonly failed: Readonly<Record<string, string>> }>
  /** It is no error when there is none. Its folder in the workspace goes too. */
  readonly remove: (owner: UserId, of: WorkspaceOf, name: string) => Effect.Effect<void>

  /** The tenant's skills and those that admins share, by name. */
  readonly library: (owner: UserId) => Effect.Effect<ReadonlyArray<LibrarySkill>>
  readonly inLibrary: (owner: UserId, id: SkillId) => Effect.Effect<LibrarySkillRecord, NotFound>
  readonly addToLibrary: (
    asker: Asker,
    source: SkillSource,
    options: {
      readonly shared: boolean
      /** The name in the library; the skill's own without it. */
      readonly name?: string | undefined
      /** What a hub says of it. */
      readonly card?: LibraryCard | undefined
    }
  ) => Effect.Effect<LibrarySkill, SkillRefused>
  /** Workspaces keep their copies. */
  readonly removeFromLibrary: (owner: UserId, id: SkillId) => Effect.Effect<void, NotFound>
}>() {}
