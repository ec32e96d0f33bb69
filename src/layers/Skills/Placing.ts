/**
 * Puts the files of skills into their workspace, where programs can use them. A list there says which skills stand in it
 * and by which digest, so that what stands is not written again. An agent may change what is its own; what it reads of a
 * skill comes from storage.
 */
import { Effect, Either, Schema, Stream } from "effect"
import type { NotFound } from "../../domain/Errors.ts"
import { type Skill, type SkillBundle, skillFolder } from "../../domain/Skill.ts"
import { mainFile } from "../../domain/SkillFiles.ts"
import type { FileError } from "../../domain/Workspace.ts"
import { type OpenWorkspace, readUpTo } from "../../services/Workspace.ts"
import type * as Bundles from "./Bundles.ts"

const listFile = "skills/.skills"
const maxList = 64 * 1024

const Standing = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String }))

/** Names and digests. Whatever else stands in the list is as if there were none. */
const standing = (workspace: OpenWorkspace): Effect.Effect<Readonly<Record<string, string>>> =>
  readUpTo(workspace, listFile, maxList).pipe(
    Effect.flatMap((bytes) => Schema.decode(Standing)(bytes.toString("utf8"))),
    Effect.orElseSucceed(() => ({}))
  )

const isThere = (workspace: OpenWorkspace, { name }: Pick<Skill, "name">) =>
  Effect.map(Effect.either(workspace.stat(`${skillFolder(name)}/${mainFile}`)), Either.isRight)

const list = (workspace: OpenWorkspace, skills: Readonly<Record<string, string>>) =>
  workspace.write(listFile, streamOf(Buffer.from(JSON.stringify(skills))))

const streamOf = (bytes: Uint8Array) => Stream.succeed(bytes)

/** Removes the folder of a skill, if it is there. */
const clear = (workspace: OpenWorkspace, name: string): Effect.Effect<void, FileError> =>
  Effect.catchTag(workspace.remove(skillFolder(name)), "NotFound", () => Effect.void)

type Placed = Pick<Skill, "digest" | "name">

const stands = (before: Readonly<Record<string, string>>, workspace: OpenWorkspace, { digest, name }: Placed) =>
  Object.hasOwn(before, name) && before[name] === digest ? isThere(workspace, { name }) : Effect.succeed(false)

/** Whether it stands in the workspace already. */
export const isPlaced = (workspace: OpenWorkspace, skill: Placed): Effect.Effect<boolean> =>
  Effect.flatMap(standing(workspace), (before) => stands(before, workspace, skill))

/** Called for one workspace at a time. */
export const place = Effect.fnUntraced(function*(
  workspace: OpenWorkspace,
  { digest, name }: Placed,
  bundle: SkillBundle,
  { reader }: Pick<Effect.Effect.Success<typeof Bundles.make>, "reader">
) {
  const before = yield* standing(workspace)
  if (yield* stands(before, workspace, { digest, name })) return
  // Together they may be more than the workspace may have.
  yield* clear(workspace, name)
  const read = reader(bundle)
  yield* workspace.writeFolder(skillFolder(name), bundle.files.map(({ path }) => ({ path, bytes: read(path) })))
  // Last: what is listed stands there whole.
  yield* list(workspace, { ...before, [name]: digest })
}) satisfies (...args: never) => Effect.Effect<void, FileError | NotFound>

/** What cannot be taken away stays: it is the workspace's. */
export const take = Effect.fnUntraced(function*(workspace: OpenWorkspace, name: string) {
  yield* Effect.ignore(clear(workspace, name))
  const { [name]: gone, ...rest } = yield* standing(workspace)
  if (gone !== undefined) yield* Effect.ignore(list(workspace, rest))
})
