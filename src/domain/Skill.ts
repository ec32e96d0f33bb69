/**
 * Skills: folders of instructions, scripts and other files for a kind of task. A skill stands in a workspace, where its
 * agents know it by name and description and read it when they need it, or in a tenant's library, from which it is
 * copied into workspaces.
 */
import { Schema } from "effect"
import { SkillBundleId, SkillId, Timestamp, UserId } from "./Ids.ts"
import { LibraryCard } from "./LibraryCard.ts"

/** Most skills of one workspace, of one library, and of one owner in all places. */
export const maxSkillsOfWorkspace = 32
export const maxSkillsOfLibrary = 64
export const maxSkillsOfOwner = 512

/** Bytes of all skills of an owner. */
export const maxBytesOfOwner: number = 512 * 1024 * 1024

/** Longest description, in characters: all of them stand in the prompt. */
const maxDescription = 1_024

/** The name is a folder's name too. */
export const SkillName = Schema.String.pipe(
  Schema.pattern(/^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}_. -]{0,62}[\p{L}\p{M}\p{N}_-])?$/u, {
    message: () =>
      "Expected 1 to 64 letters, digits, blanks, dots, dashes or underscores, a letter or digit first and no blank or dot last"
  })
)

/** Blanks and ends of lines become one blank, and what shows nothing goes: in a prompt a description is one line. */
export const asLine = (text: string): string =>
  text.toWellFormed().replaceAll(/[\s\p{Cc}]+/gu, " ").replaceAll(/[\p{Cf}\p{Zl}\p{Zp}]/gu, "").trim()

/** What `SKILL.md` says of the skill at its top. Whatever else stands there is left alone. */
export const FrontMatter = Schema.Struct({
  name: SkillName,
  description: Schema.String.pipe(
    Schema.maxLength(maxDescription, { message: () => `Expected at most ${maxDescription} characters` }),
    Schema.filter((text) => asLine(text) !== "" || "Expected a text: it is what an agent finds the skill by")
  )
})
export type FrontMatter = typeof FrontMatter.Type

export const Skill = Schema.Struct({
  id: SkillId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  name: Schema.String,
  description: Schema.String,
  /** The key of its workspace; empty in the library. */
  workspace: Schema.String,
  /** An admin lends it to all tenants. */
  shared: Schema.Boolean,
  enabled: Schema.Boolean,
  bundle: SkillBundleId,
  /** SHA-256 over the names and bytes of its files. */
  digest: Schema.String,
  bytes: Schema.Int,
  files: Schema.Int,
  card: LibraryCard
})
export interface Skill extends Schema.Schema.Type<typeof Skill> {}

export const SkillFile = Schema.Struct({ path: Schema.String, size: Schema.Int }).annotations({
  identifier: "SkillFile"
})
export type SkillFile = typeof SkillFile.Type

/** The files of a skill, one behind the other. It never changes, and goes with its skill. */
export const SkillBundle = Schema.Struct({
  id: SkillBundleId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** False while its pieces are being written: no skill has it yet. */
  is_whole: Schema.Boolean,
  /** In the order of their bytes, `SKILL.md` first. */
  files: Schema.Array(SkillFile)
})
export interface SkillBundle extends Schema.Schema.Type<typeof SkillBundle> {}

/** Some of the bytes of a bundle. */
export const SkillPiece = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  bundle: SkillBundleId,
  /** As base64. */
  data: Schema.String
})
export interface SkillPiece extends Schema.Schema.Type<typeof SkillPiece> {}

/** The folder of a skill in its workspace, below the root. */
export const skillFolder = (name: string): string => `skills/${name}`

/** A skill of a workspace as it is shown. */
export const WorkspaceSkill = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** Its folder in the workspace, as programs there see it. */
  dir: Schema.String,
  markdown: Schema.String,
  /** Seconds since 1970, with a fraction. */
  updated_at: Schema.Number
}).annotations({ identifier: "WorkspaceSkill" })
export type WorkspaceSkill = typeof WorkspaceSkill.Type

const ofLibrary = {
  id: SkillId,
  name: Schema.String,
  enabled: Schema.Boolean,
  ...LibraryCard.fields,
  shared: Schema.Boolean,
  /** Whether the asker may remove it: what an admin shares belongs to the admin. */
  editable: Schema.Boolean
}

/** A skill of the library as it is shown. */
export const LibrarySkill = Schema.Struct(ofLibrary).annotations({ identifier: "LibrarySkill" })
export type LibrarySkill = typeof LibrarySkill.Type

export const LibrarySkillRecord = Schema.Struct({
  ...ofLibrary,
  markdown: Schema.String,
  /** `SKILL.md` first, the others by path. */
  files: Schema.Array(SkillFile),
  created_at: Timestamp,
  updated_at: Timestamp
}).annotations({ identifier: "LibrarySkillRecord" })
export type LibrarySkillRecord = typeof LibrarySkillRecord.Type

export const viewOf = (
  { card, description, enabled, id, name, shared, user_id }: Skill,
  owner: UserId
): LibrarySkill => ({
  ...card,
  id,
  name,
  enabled,
  description,
  shared,
  editable: user_id === owner
})
