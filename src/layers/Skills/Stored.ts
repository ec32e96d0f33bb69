/** Skills as they are stored, copied into the workspaces that have them. */
import { Effect, Layer, Option } from "effect"
import { Conflict, Forbidden, Invalid, NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Asker } from "../../domain/Principal.ts"
import { type Skill, type SkillBundle, skillFolder, viewOf } from "../../domain/Skill.ts"
import { mainFile, skillRefused } from "../../domain/SkillFiles.ts"
import type { FileError } from "../../domain/Workspace.ts"
import { type KnownSkill, type ReadSkill, Skills, type SkillSource } from "../../services/Skills.ts"
import type { Storage } from "../../services/Storage.ts"
import { type OpenWorkspace, Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import * as Adding from "./Adding.ts"
import * as Bundles from "./Bundles.ts"
import * as FrontMatter from "./FrontMatter.ts"
import * as Placing from "./Placing.ts"
import * as Records from "./Records.ts"
import type { Source } from "./Source.ts"

/** Bytes of a file that are read at most. */
const maxRead = 256 * 1024

const onlyAdminsShare = new Forbidden({ detail: "Only an admin can share a skill with all tenants." })

const disabled = new Conflict({ code: "skill_disabled", detail: "It is switched off in the library." })

const textOf = (bytes: Buffer, isCut: boolean): string | undefined => {
  if (bytes.includes(0)) return undefined
  try {
    // A cut may go through a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: isCut })
  } catch {
    return undefined
  }
}

/** A file as the agent names it: below the skill's folder, or with that folder before it. */
const pathIn = (name: string, file: string): string => {
  const folder = `${skillFolder(name)}/`
  const at = file.indexOf(folder)
  const below = at < 0 ? file : file.slice(at + folder.length)
  return below.startsWith("./") ? below.slice(2) : below
}

export const make = Effect.gen(function*() {
  const records = yield* Records.make
  const bundles = yield* Bundles.make
  const workspaces = yield* Workspace
  const { addTo, inPlace, open } = Adding.make(records, bundles)
  const lineOf = (owner: UserId, of: WorkspaceOf) => inPlace(Adding.placeOf(owner, workspaces.keyOf(owner, of)))

  /** Adds a skill to a workspace that is open. */
  const addToWorkspace = Effect.fnUntraced(function*(
    owner: UserId,
    of: WorkspaceOf,
    workspace: OpenWorkspace,
    source: Source,
    from?: Skill
  ) {
    const skill = yield* addTo(
      { owner, workspace: workspaces.keyOf(owner, of), name: from?.name, card: from?.card },
      source,
      (skill, bundle) =>
        Effect.catchTag(
          Placing.place(workspace, skill, bundle, bundles),
          "NotFound",
          () => skillRefused("it was removed while it was added")
        ).pipe(Effect.tapError(() => Placing.take(workspace, skill.name)))
    )
    // A workspace that was deleted meanwhile took the skills away that it had then.
    yield* Effect.tapError(workspace.stat(workspace.root), () => records.remove(skill))
    return skill
  })

  const add = Effect.fn("Skills.add")((asker: Asker, of: WorkspaceOf, source: SkillSource) =>
    Effect.gen(function*() {
      const opened = yield* open(asker, source)
      const workspace = yield* workspaces.open(asker.user_id, of)
      yield* addToWorkspace(asker.user_id, of, workspace, opened)
    }).pipe(Effect.scoped)
  )

  const copy = Effect.fnUntraced(function*(owner: UserId, of: WorkspaceOf, id: string) {
    const skill = yield* records.inLibrary(owner, id)
    if (skill === undefined) return yield* NotFound.of("Skill", id)
    if (!skill.enabled) return yield* disabled
    const source = yield* bundles.sourceOf(skill)
    const workspace = yield* workspaces.open(owner, of)
    return yield* addToWorkspace(owner, of, workspace, source, skill)
  })

  const addFromLibrary = Effect.fn("Skills.addFromLibrary")(
    function*(owner: UserId, of: WorkspaceOf, ids: ReadonlyArray<string>) {
      const results = yield* Effect.forEach(new Set(ids), (id) =>
        copy(owner, of, id).pipe(
          Effect.scoped,
          Effect.match({
            onSuccess: ({ name }) => ({ id, name, why: undefined }),
            onFailure: ({ detail }) => ({ id, name: undefined, why: detail })
          })
        ))
      return {
        added: results.flatMap(({ name }) => name === undefined ? [] : [name]),
        failed: Object.fromEntries(results.flatMap(({ id, why }) => why === undefined ? [] : [[id, why]]))
      }
    }
  )

  const addToLibrary = Effect.fn("Skills.addToLibrary")(
    (
      asker: Asker,
      source: SkillSource,
      options: Pick<Adding.Target, "card" | "name"> & { readonly shared: boolean }
    ) =>
      Effect.gen(function*() {
        if (options.shared && !asker.isAdmin) return yield* onlyAdminsShare
        const opened = yield* open(asker, source)
        const skill = yield* addTo({ ...options, owner: asker.user_id, workspace: "" }, opened, () => Effect.void)
        return viewOf(skill, asker.user_id)
      }).pipe(Effect.scoped)
  )

  const ofWorkspace = (owner: UserId, of: WorkspaceOf) => records.ofWorkspace(owner, () => workspaces.keyOf(owner, of))

  const remove = Effect.fn("Skills.remove")((owner: UserId, of: WorkspaceOf, name: string) =>
    Effect.gen(function*() {
      const key = workspaces.keyOf(owner, of)
      const skill = (yield* records.fresh(owner, key)).find(({ id }) => id === Records.idOf(owner, key, name))
      if (skill === undefined) return
      yield* records.remove(skill)
      // The skill is gone; its files are only what the agent finds in its folder.
      yield* Effect.ignore(
        Effect.flatMap(workspaces.open(owner, of), (workspace) => Placing.take(workspace, skill.name))
      )
    }).pipe(Effect.scoped, lineOf(owner, of))
  )

  /** Where the files of a skill stand. Where there is no room for them they do not, and can be read all the same. */
  const placed = (owner: UserId, of: WorkspaceOf, skill: Skill, bundle: SkillBundle) =>
    Effect.flatMap(workspaces.open(owner, of), (workspace) =>
      Placing.isPlaced(workspace, skill).pipe(
        // Only what has to be written waits for its turn.
        Effect.flatMap((isPlaced) =>
          isPlaced ? Effect.void : lineOf(owner, of)(Placing.place(workspace, skill, bundle, bundles))
        ),
        Effect.as(`${workspace.root}/${skillFolder(skill.name)}`)
      )).pipe(
        Effect.scoped,
        Effect.catchTags({
          WorkspaceFull: () => Effect.succeed(undefined),
          LimitReached: () => Effect.succeed(undefined)
        })
      )

  const read = Effect.fn("Skills.read")(function*(
    owner: UserId,
    of: WorkspaceOf,
    name: string,
    { file, place }: { readonly file?: string | undefined; readonly place: boolean }
  ): Effect.fn.Return<ReadSkill, NotFound | Invalid | FileError> {
    const skill = (yield* ofWorkspace(owner, of)).find((skill) => skill.name === name)
    if (skill === undefined) return yield* NotFound.of("Skill", name.slice(0, 200))
    const bundle = yield* bundles.get(skill)
    const dir = place ? yield* placed(owner, of, skill, bundle) : undefined
    const path = file === undefined ? mainFile : pathIn(skill.name, file)
    const size = bundle.files.find((one) => one.path === path)?.size ?? 0
    const isCut = size > maxRead
    const text = textOf(yield* bundles.whole(bundles.file(bundle, path, maxRead)), isCut)
    if (text === undefined) {
      return yield* new Invalid({
        code: "no_text",
        detail: `'${path}' is no text (${size} bytes).${dir === undefined ? "" : ` It stands in ${dir}.`}`
      })
    }
    return {
      text: file === undefined ? FrontMatter.split(text)?.body ?? text : text,
      cutOf: isCut ? size : undefined,
      files: bundle.files,
      dir
    }
  })

  const markdownOf = (bundle: SkillBundle) =>
    Effect.map(bundles.whole(bundles.file(bundle, mainFile)), (bytes) => `${bytes}`)

  const inWorkspace = Effect.fn("Skills.inWorkspace")((owner: UserId, of: WorkspaceOf) =>
    Effect.gen(function*() {
      const skills = yield* records.fresh(owner, workspaces.keyOf(owner, of))
      if (skills.length === 0) return []
      const { root } = yield* workspaces.open(owner, of)
      const shown = yield* Effect.forEach(skills, (skill) =>
        Effect.map(
          // It may have been removed since.
          Effect.option(Effect.flatMap(bundles.get(skill), markdownOf)),
          Option.map((markdown) => ({
            name: skill.name,
            description: skill.description,
            dir: `${root}/${skillFolder(skill.name)}`,
            markdown,
            updated_at: Date.parse(skill.updated_at) / 1000
          }))
        ))
      return shown.flatMap(Option.toArray)
    }).pipe(Effect.scoped)
  )

  yield* workspaces.onRemoved((owner, key) =>
    Effect.flatMap(records.fresh(owner, key), (skills) => Effect.forEach(skills, records.remove, { discard: true }))
  )

  return Skills.of({
    known: (owner, of): Effect.Effect<ReadonlyArray<KnownSkill>> => ofWorkspace(owner, of),
    read,
    inWorkspace,
    add,
    addFromLibrary,
    remove,
    library: (owner) => Effect.map(records.library(owner), (skills) => skills.map((skill) => viewOf(skill, owner))),
    inLibrary: Effect.fn("Skills.inLibrary")(function*(owner, id) {
      const skill = yield* records.inLibrary(owner, id)
      if (skill === undefined) return yield* NotFound.of("Skill", id)
      const bundle = yield* bundles.get(skill)
      return {
        ...viewOf(skill, owner),
        markdown: yield* markdownOf(bundle),
        files: bundle.files,
        created_at: skill.created_at,
        updated_at: skill.updated_at
      }
    }),
    addToLibrary,
    removeFromLibrary: Effect.fn("Skills.removeFromLibrary")(function*(owner, id) {
      const skill = yield* records.inLibrary(owner, id)
      if (skill?.user_id !== owner) return yield* NotFound.of("Skill", id)
      yield* records.remove(skill)
    })
  })
})

export const layer: Layer.Layer<Skills, never, Storage | Workspace> = Layer.scoped(Skills, make)
