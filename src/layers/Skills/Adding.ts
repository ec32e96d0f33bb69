/** How a skill is added: its files are read, checked and written, and then it is given its place, at once or not at all. */
import { Clock, Effect, Schema, type Scope } from "effect"
import { Conflict, Forbidden, type Invalid, LimitReached } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { LibraryCard } from "../../domain/LibraryCard.ts"
import type { Asker } from "../../domain/Principal.ts"
import {
  maxBytesOfOwner,
  maxSkillsOfLibrary,
  maxSkillsOfOwner,
  maxSkillsOfWorkspace,
  type Skill,
  type SkillBundle,
  SkillName
} from "../../domain/Skill.ts"
import { skillRefused } from "../../domain/SkillFiles.ts"
import { timestampOf } from "../../services/Now.ts"
import type { SkillSource } from "../../services/Skills.ts"
import type * as Bundles from "./Bundles.ts"
import * as Folder from "./Folder.ts"
import type * as FrontMatter from "./FrontMatter.ts"
import * as Records from "./Records.ts"
import { ofForm, type Source } from "./Source.ts"
import * as Zip from "./Zip.ts"

const onlyAdmins = new Forbidden({
  detail: "A folder of the server can only be added by an admin: ask one, or upload the skill."
})

const isSkillName = Schema.is(SkillName)

const limit = (detail: string) => new LimitReached({ code: "too_many_skills", detail })

/** Where a skill is to stand: a workspace, or the library. */
export interface Target {
  readonly owner: UserId
  /** The key of the workspace; empty for the library. */
  readonly workspace: string
  readonly name?: string | undefined
  readonly shared?: boolean
  readonly card?: LibraryCard | undefined
}

export const make = (
  records: Effect.Effect.Success<typeof Records.make>,
  bundles: Effect.Effect.Success<typeof Bundles.make>
) => {
  const open = (
    { isAdmin }: Asker,
    source: SkillSource
  ): Effect.Effect<Source, Forbidden | Invalid, Scope.Scope> => {
    switch (source.type) {
      case "zip":
        return Zip.open(source.bytes)
      case "files":
        return Effect.succeed(ofForm(source.files))
      case "folder":
        return isAdmin ? Folder.open(source.path) : onlyAdmins
    }
  }

  /** Writes a skill and gives it its place. `settle` is done before anybody knows of it. */
  const addTo = Effect.fnUntraced(function*<E>(
    { card, name: given, owner, shared = false, workspace }: Target,
    source: Source,
    settle: (skill: Skill, bundle: SkillBundle) => Effect.Effect<void, E>
  ) {
    const there = yield* records.fresh(owner, workspace)
    const most = workspace === "" ? maxSkillsOfLibrary : maxSkillsOfWorkspace
    const where = workspace === "" ? "library" : "workspace"
    const taken = (name: string) =>
      new Conflict({ code: "skill_exists", detail: `The ${where} has a skill '${name}' already.` })
    const known = (name: string) => there.find(({ id }) => id === Records.idOf(owner, workspace, name))

    const allows = Effect.fnUntraced(function*({ name: own }: FrontMatter.Main, bytes: number) {
      const name = given ?? own
      if (!isSkillName(name)) return yield* skillRefused("the name is none that a skill may have", "name")
      const other = known(name)
      // It may be the same again: that is known when it has been read.
      if (other !== undefined) return yield* other.bytes === bytes && other.name === name ? Effect.void : taken(name)
      if (there.length >= most) return yield* limit(`A ${where} has at most ${most} skills.`)
      const everywhere = yield* records.everywhere(owner)
      if (everywhere.length >= maxSkillsOfOwner) {
        return yield* limit(`There are at most ${maxSkillsOfOwner} skills of yours, in all places together.`)
      }
      if (everywhere.reduce((sum, skill) => sum + skill.bytes, bytes) > maxBytesOfOwner) {
        return yield* limit(`Skills of yours have at most ${maxBytesOfOwner} bytes, in all places together.`)
      }
    })

    const written = yield* bundles.write(owner, source, allows)
    return yield* Effect.gen(function*() {
      const { bundle, bytes, digest, main } = written
      const name = given ?? main.name
      const other = known(name)
      if (other !== undefined) {
        yield* bundles.discard(bundle)
        return other.digest === digest ? other : yield* taken(name)
      }
      const at = timestampOf(yield* Clock.currentTimeMillis)
      const skill: Skill = {
        id: Records.idOf(owner, workspace, name),
        user_id: owner,
        created_at: at,
        updated_at: at,
        name,
        description: main.description,
        workspace,
        shared,
        enabled: true,
        bundle: bundle.id,
        digest,
        bytes,
        files: bundle.files.length,
        card: card ?? main.card
      }
      yield* settle(skill, bundle)
      yield* Effect.uninterruptible(bundles.publish(skill)).pipe(
        Effect.ensuring(records.changed),
        Effect.catchTags({
          Conflict: () => taken(name),
          NotFound: () => skillRefused("it was removed while it was added")
        })
      )
      return skill
    }).pipe(Effect.onError(() => bundles.discard(written.bundle)))
  })

  return { addTo, open }
}
