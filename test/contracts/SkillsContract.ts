/** What skills promise, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, type Layer } from "effect"
import type { SkillBundleId, SkillId, Timestamp, UserId } from "../../src/domain/Ids.ts"
import { maxSkillsOfWorkspace } from "../../src/domain/Skill.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Bundles from "../../src/layers/Skills/Bundles.ts"
import { Skills, type SkillSource } from "../../src/services/Skills.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { someOf, text } from "../support/workspaces.ts"
import { skillMd, skillZip, zipOf } from "../support/zips.ts"

const zip = (bytes: Uint8Array): SkillSource => ({ type: "zip", bytes })

const by = (user_id: UserId, isAdmin = false) => ({ user_id, isAdmin })

/** Bytes that do not pack, and cross the borders of pieces. */
const noise = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 7919 + (i >> 8) * 31) & 255))

export const skillsContract = <E>(name: string, memories: Layer.Layer<Host.Memories, E>): void =>
  layer(Host.over(memories), { timeout: patience(120_000), excludeTestServices: true })(
    `Skills contract: ${name}`,
    (it) => {
      it.effect("adds a skill to a workspace, with its files in it, lists it, and removes it", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          const data = noise(600_000)
          assert.deepStrictEqual(yield* skills.inWorkspace(owner, of), [])
          yield* skills.add(by(owner), of, zip(skillZip("forms", { "scripts/run.sh": "echo hi", "data.bin": data })))
          assert.deepInclude((yield* skills.inWorkspace(owner, of))[0], {
            name: "forms",
            description: "Fills in forms.",
            dir: "/workspace/skills/forms",
            markdown: skillMd("forms")
          })
          const workspace = yield* (yield* Workspace).open(owner, of)
          assert.strictEqual(yield* text(workspace, "skills/forms/scripts/run.sh"), "echo hi")
          assert.deepStrictEqual((yield* workspace.stat("skills/forms/data.bin")).size, data.length)
          assert.deepStrictEqual((yield* skills.known(owner, of)).map(({ name }) => name), ["forms"])
          const read = yield* skills.read(owner, of, "forms", { place: false })
          assert.deepStrictEqual([read.text, read.files.map(({ path }) => path)], [
            "Do it well.",
            ["SKILL.md", "data.bin", "scripts/run.sh"]
          ])
          assert.strictEqual(
            (yield* skills.read(owner, of, "forms", { file: "scripts/run.sh", place: false })).text,
            "echo hi"
          )
          assert.include(
            (yield* Effect.flip(skills.read(owner, of, "forms", { file: "data.bin", place: false }))).detail,
            "is no text"
          )
          for (let n = 0; n < 2; n++) yield* skills.remove(owner, of, "forms")
          assert.deepStrictEqual(yield* skills.inWorkspace(owner, of), [])
          assert.strictEqual((yield* Effect.flip(workspace.stat("skills/forms")))._tag, "NotFound")
          assert.deepStrictEqual((yield* (yield* Storage).skillPieces.list(owner, { limit: 10 })).items, [])
        }).pipe(Effect.scoped))

      it.effect("takes the same files again as they are, and others under a taken name not, whatever its case", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          const add = (bytes: Buffer) => skills.add(by(owner), of, zip(bytes))
          yield* add(skillZip("forms"))
          yield* add(skillZip("forms"))
          for (
            const other of [skillZip("forms", { "x.md": "x" }), zipOf([{ name: "SKILL.md", data: skillMd("FORMS") }])]
          ) {
            assert.deepInclude(yield* Effect.flip(add(other)), { _tag: "Conflict", code: "skill_exists" })
          }
          assert.lengthOf(yield* skills.inWorkspace(owner, of), 1)
          assert.lengthOf((yield* (yield* Storage).skillBundles.list(owner, { limit: 10 })).items, 1)
        }))

      it.effect("makes one of two that are added at once under one name", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          const added = yield* Effect.forEach(
            ["a", "b", "c", "d"],
            (body) => Effect.either(skills.add(by(owner), of, zip(skillZip("forms", { "x.md": body })))),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(added.map(({ _tag }) => _tag).toSorted(), ["Left", "Left", "Left", "Right"])
          assert.lengthOf(yield* skills.inWorkspace(owner, of), 1)
        }))

      it.effect("copies skills of the library, which is the tenant's own, and tells why others were not", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const other = freshOwner()
          const of = someOf()
          const { id } = yield* skills.addToLibrary(by(owner), zip(skillZip("forms", { "a.txt": "a" })), {
            shared: false
          })
          const foreign = yield* skills.addToLibrary(by(other), zip(skillZip("secret")), { shared: false })
          assert.deepStrictEqual((yield* skills.library(owner)).map(({ name }) => name), ["forms"])
          assert.strictEqual((yield* Effect.flip(skills.inLibrary(owner, foreign.id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(skills.removeFromLibrary(owner, foreign.id)))._tag, "NotFound")
          const { added, failed } = yield* skills.addFromLibrary(owner, of, [id, foreign.id, "nothing"])
          assert.deepStrictEqual([added, Object.keys(failed)], [["forms"], [foreign.id, "nothing"]])
          assert.strictEqual((yield* skills.inLibrary(owner, id)).markdown, skillMd("forms"))
          // The copy stays.
          yield* skills.removeFromLibrary(owner, id)
          assert.deepStrictEqual(yield* skills.library(owner), [])
          assert.strictEqual((yield* skills.read(owner, of, "forms", { file: "a.txt", place: true })).text, "a")
          // A skill of a workspace is none of the library, although its id is known.
          const [inWorkspace] = (yield* (yield* Storage).skills.list(owner, { limit: 10 })).items
          assert.strictEqual((yield* Effect.flip(skills.inLibrary(owner, inWorkspace!.id)))._tag, "NotFound")
        }))

      it.effect("lends what an admin shares to everybody, and to nobody else the right to change it", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const admin = freshOwner()
          const owner = freshOwner()
          assert.strictEqual(
            (yield* Effect.flip(skills.addToLibrary(by(owner), zip(skillZip("all")), { shared: true })))._tag,
            "Forbidden"
          )
          const { id } = yield* skills.addToLibrary(by(admin, true), zip(skillZip("all")), { shared: true })
          const seen = (yield* skills.library(owner)).find((skill) => skill.id === id)
          assert.deepInclude(seen, { name: "all", shared: true, editable: false })
          assert.strictEqual((yield* Effect.flip(skills.removeFromLibrary(owner, id)))._tag, "NotFound")
          assert.deepStrictEqual((yield* skills.addFromLibrary(owner, someOf(), [id])).added, ["all"])
          yield* skills.removeFromLibrary(admin, id)
          assert.isUndefined((yield* skills.library(owner)).find((skill) => skill.id === id))
        }))

      it.effect("lets nobody see the skills of another tenant, of another workspace, or of one that was deleted", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const workspaces = yield* Workspace
          const owner = freshOwner()
          const of = someOf()
          yield* skills.add(by(owner), of, zip(skillZip("mine")))
          assert.deepStrictEqual(yield* skills.known(freshOwner(), of), [])
          assert.deepStrictEqual(yield* skills.known(owner, someOf()), [])
          yield* workspaces.remove(owner, workspaces.keyOf(owner, of))
          assert.deepStrictEqual(yield* skills.known(owner, of), [])
          assert.deepStrictEqual((yield* (yield* Storage).skillBundles.list(owner, { limit: 10 })).items, [])
          yield* skills.add(by(owner), of, zip(skillZip("mine", { "new.md": "new" })))
          assert.lengthOf(yield* skills.inWorkspace(owner, of), 1)
        }))

      it.effect("puts the files back when the agent has taken them away", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          yield* skills.add(by(owner), of, zip(skillZip("forms", { "a/b.txt": "b" })))
          const workspace = yield* (yield* Workspace).open(owner, of)
          yield* workspace.remove("skills")
          const { dir } = yield* skills.read(owner, of, "forms", { place: true })
          assert.strictEqual(yield* text(workspace, `${dir}/a/b.txt`), "b")
        }).pipe(Effect.scoped))

      it.effect("leaves nothing of a skill that is refused, or whose upload was given up", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          const broken = zipOf([
            { name: "SKILL.md", data: skillMd("forms") },
            { name: "big.bin", data: noise(700_000), crc: 1 }
          ])
          assert.deepInclude(yield* Effect.flip(skills.add(by(owner), of, zip(broken))), { code: "skill_refused" })
          const fiber = yield* Effect.fork(
            skills.add(by(owner), of, zip(skillZip("forms", { "big.bin": noise(3_000_000) })))
          )
          yield* Effect.sleep("3 millis")
          yield* Fiber.interrupt(fiber)
          const { skillBundles, skillPieces } = yield* Storage
          const known = yield* skills.inWorkspace(owner, of)
          assert.lengthOf((yield* skillBundles.list(owner, { limit: 10 })).items, known.length)
          if (known.length === 0) assert.lengthOf((yield* skillPieces.list(owner, { limit: 1 })).items, 0)
        }))

      it.effect("sweeps away what a killed process has left half written, and nothing that is in use", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const { skillBundles } = yield* Storage
          const owner = freshOwner()
          const of = someOf()
          yield* skills.add(by(owner), of, zip(skillZip("forms")))
          const [whole] = (yield* skillBundles.list(owner, { limit: 10 })).items
          const opened = (mark: string, created_at: Timestamp) =>
            skillBundles.insert({
              ...whole!,
              id: `${mark}${whole!.id}` as SkillBundleId,
              created_at,
              is_whole: false
            })
          yield* opened("old", "2020-01-01T00:00:00.000Z" as Timestamp)
          yield* opened("new", whole!.created_at)
          yield* Effect.scoped(Effect.flatMap(Bundles.make, ({ sweep }) => sweep))
          const left = (yield* skillBundles.list(owner, { limit: 10 })).items.map(({ id }) => id.slice(0, 3))
          assert.sameMembers(left, [whole!.id.slice(0, 3), "new"])
        }))

      it.effect("has no more skills in a workspace than it may", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          const of = someOf()
          const add = (n: number) => skills.add(by(owner), of, zip(skillZip(`skill-${n}`)))
          for (let n = 0; n < maxSkillsOfWorkspace; n++) yield* add(n)
          assert.deepInclude(yield* Effect.flip(add(99)), { _tag: "LimitReached", code: "too_many_skills" })
          yield* skills.remove(owner, of, "skill-0")
          yield* add(99)
          // Always in one order: the prompt that names them stays the same.
          const names = (yield* skills.known(owner, of)).map(({ name }) => name)
          assert.deepStrictEqual(names, names.toSorted())
        }))

      it.effect("says not found of what is not there", () =>
        Effect.gen(function*() {
          const skills = yield* Skills
          const owner = freshOwner()
          assert.strictEqual((yield* Effect.flip(skills.inLibrary(owner, "none" as SkillId)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(skills.removeFromLibrary(owner, "none" as SkillId)))._tag, "NotFound")
          assert.strictEqual(
            (yield* Effect.flip(skills.read(owner, someOf(), "none", { place: true })))._tag,
            "NotFound"
          )
        }))
    }
  )
