/** The stored skills, and what this process remembers of them for a moment: agents that have none, which are most, cost nothing. */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { SkillId, type UserId } from "../../domain/Ids.ts"
import { maxSkillsOfLibrary, maxSkillsOfOwner, maxSkillsOfWorkspace, type Skill } from "../../domain/Skill.ts"
import type { WorkspaceKey } from "../../domain/Workspace.ts"
import { Storage } from "../../services/Storage.ts"
import * as Remembered from "../Remembered.ts"

/** Owners and workspaces that are remembered at most. */
const maxOwners = 10_000
const maxWorkspaces = 1_000

/** Most skills that all admins share. */
const maxShared = 256

const byName = (a: Skill, b: Skill) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1

export const make = Effect.map(Storage, ({ skillBundles, skills }) => {
  const onHost = Remembered.make<boolean>(1)
  const owners = Remembered.make<boolean>(maxOwners)
  const workspaces = Remembered.make<ReadonlyArray<Skill>>(maxWorkspaces)

  const changed = Effect.sync(() => {
    onHost.forget()
    owners.forget()
    workspaces.forget()
  })

  const hasSome = onHost.get("", Effect.map(skills.host.scan(undefined, 1), ({ items }) => items.length > 0))

  /** Those of an owner, in one place or in all. */
  const all = (owner: UserId, most: number, where?: { readonly workspace: string }) =>
    Effect.gen(function*() {
      const found: Array<Skill> = []
      for (let cursor: string | null | undefined; cursor !== null && found.length < most;) {
        const page: { items: ReadonlyArray<Skill>; next_cursor: string | null } = yield* Effect.orDie(
          skills.list(owner, { limit: most, ...(cursor !== undefined && { cursor }) }, where)
        )
        found.push(...page.items)
        cursor = page.next_cursor
      }
      return found.toSorted(byName)
    })

  /** Those of a workspace, or of the library, whose key is empty. */
  const fresh = (owner: UserId, workspace: string) =>
    all(owner, workspace === "" ? maxSkillsOfLibrary : maxSkillsOfWorkspace, { workspace })

  const shared = Effect.map(
    Effect.orDie(skills.host.list({ limit: maxShared }, { shared: "yes" })),
    ({ items }) => items.filter(({ workspace }) => workspace === "")
  )

  return {
    /** The skills of a workspace. `keyOf` is asked only when the owner has some. */
    ofWorkspace: (owner: UserId, keyOf: () => WorkspaceKey): Effect.Effect<ReadonlyArray<Skill>> =>
      Effect.flatMap(hasSome, (some) => {
        if (!some) return Effect.succeed(none)
        const has = Effect.map(Effect.orDie(skills.list(owner, { limit: 1 })), ({ items }) => items.length > 0)
        return Effect.flatMap(owners.get(owner, has), (hasSkills) => {
          if (!hasSkills) return Effect.succeed(none)
          const key = keyOf()
          return workspaces.get(`${owner} ${key}`, fresh(owner, key))
        })
      }),
    fresh,
    everywhere: (owner: UserId) => all(owner, maxSkillsOfOwner),
    library: (owner: UserId): Effect.Effect<ReadonlyArray<Skill>> =>
      Effect.map(
        Effect.all([fresh(owner, ""), shared]),
        ([mine, shared]) => [...mine, ...shared.filter(({ user_id }) => user_id !== owner)].toSorted(byName)
      ),
    /** A skill of the owner's library, or one that an admin shares. */
    inLibrary: (owner: UserId, id: string): Effect.Effect<Skill | undefined> =>
      skills.host.get(id).pipe(
        Effect.map((skill) => skill.workspace === "" && (skill.user_id === owner || skill.shared) ? skill : undefined),
        Effect.orElseSucceed(() => undefined)
      ),
    /** Removes the skill with its files, at once. */
    remove: ({ bundle, user_id }: Skill) =>
      Effect.ensuring(Effect.ignore(skillBundles.remove(user_id, bundle)), changed),
    changed
  }
})

const none: ReadonlyArray<Skill> = []

/** The id of a skill. Each name has one in its place, whatever its case, so that two who add it at once cannot both do it. */
export const idOf = (owner: UserId, workspace: string, name: string): SkillId =>
  SkillId.make(
    createHash("sha256").update(JSON.stringify([owner, workspace, name.normalize("NFC").toLowerCase()])).digest("hex")
      .slice(0, 32)
  )
