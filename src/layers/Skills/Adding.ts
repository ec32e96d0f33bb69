/** How a skill is added: its files are read, checked and written, and then it is given its place, at once or not at all. */
import { Clock, Effect, Exit, Schema, Scope } from "effect"
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
import * as InLine from "./InLine.ts"
import * as Records from "./Records.ts"
import { ofForm, type Source } from "./Source.ts"
import * as Zip from "./Zip.ts"

const onlyAdmins = new Forbidden({
  detail: "A folder of the server can only be added by an admin: ask one, or upload the skill."
})

const isSkillName = Schema.is(SkillName)

/** Names a place of an owner in a line. */
export const placeOf = (owner: UserId, workspace: string): string => `${owner} ${workspace}`

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

/** What skills that are being added will count for. */
interface Coming {
  skills: number
  bytes: number
}

export const make = (
  records: Effect.Effect.Success<typeof Records.make>,
  bundles: Effect.Effect.Success<typeof Bundles.make>
) => {
  const coming = new Map<UserId, Coming>()
  /** What an owner has is counted and changed by one at a time: short work, while the bytes come before and after. */
  const counting = InLine.make()
  /** A place changes for one skill after the other. */
  const inPlace = InLine.make()

  /** Counts a skill until the scope closes, if there may be one more. */
  const reserve = (owner: UserId, bytes: number) =>
    counting(owner)(Effect.gen(function*() {
      const everywhere = yield* records.everywhere(owner)
      const others = coming.get(owner) ?? { skills: 0, bytes: 0 }
      if (everywhere.length + others.skills >= maxSkillsOfOwner) {
        return yield* limit(`There are at most ${maxSkillsOfOwner} skills of yours, in all places together.`)
      }
      if (everywhere.reduce((sum, skill) => sum + skill.bytes, bytes + others.bytes) > maxBytesOfOwner) {
        return yield* limit(`Skills of yours have at most ${maxBytesOfOwner} bytes, in all places together.`)
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          others.skills++
          others.bytes += bytes
          coming.set(owner, others)
        }),
        () =>
          Effect.sync(() => {
            others.skills--
            others.bytes -= bytes
            if (others.skills === 0) coming.delete(owner)
          })
      )
    }))

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
    const reserved = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(reserved, exit))
    const most = workspace === "" ? maxSkillsOfLibrary : maxSkillsOfWorkspace
    const where = workspace === "" ? "library" : "workspace"
    const taken = (name: string) =>
      new Conflict({ code: "skill_exists", detail: `The ${where} has a skill '${name}' already.` })
    const look = Effect.map(records.fresh(owner, workspace), (there) => ({
      isFull: there.length >= most,
      known: (name: string) => there.find(({ id }) => id === Records.idOf(owner, workspace, name))
    }))
    const tooMany = limit(`A ${where} has at most ${most} skills.`)

    const allows = Effect.fnUntraced(function*({ name: own }: FrontMatter.Main, bytes: number) {
      const name = given ?? own
      if (!isSkillName(name)) return yield* skillRefused("the name is none that a skill may have", "name")
      const { isFull, known } = yield* look
      const other = known(name)
      // It may be the same again: that is known when it has been read.
      if (other !== undefined) return yield* other.bytes === bytes && other.name === name ? Effect.void : taken(name)
      if (isFull) return yield* tooMany
      yield* Scope.extend(reserve(owner, bytes), reserved)
    })

    const written = yield* bundles.write(owner, source, allows)
    return yield* Effect.gen(function*() {
      const { bundle, bytes, digest, main } = written
      const name = given ?? main.name
      // Another may have come while the bytes did.
      const { isFull, known } = yield* look
      const other = known(name)
      if (other !== undefined) {
        yield* bundles.discard(bundle)
        return other.digest === digest ? other : yield* taken(name)
      }
      if (isFull) return yield* tooMany
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
      // From here on it is counted as one that is there.
      yield* Effect.zipRight(Effect.uninterruptible(bundles.publish(skill)), Scope.close(reserved, Exit.void)).pipe(
        counting(owner),
        Effect.ensuring(records.changed),
        Effect.catchTags({
          Conflict: () => taken(name),
          NotFound: () => skillRefused("it was removed while it was added")
        })
      )
      return skill
    }).pipe(inPlace(placeOf(owner, workspace)), Effect.onError(() => bundles.discard(written.bundle)))
  }, Effect.scoped)

  return { addTo, inPlace, open }
}
