/** Skills in workspaces on a disk: large ones, full ones, and such as are read while they come. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either, Fiber, type Layer, type Scope, Stream } from "effect"
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { isPlain } from "../../src/domain/Workspace.ts"
import * as Host from "../../src/layers/Host.ts"
import * as OnlyFiles from "../../src/layers/Workspace/OnlyFiles.ts"
import { Skills } from "../../src/services/Skills.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { mayMount, smallDisk } from "../support/smallDisk.ts"
import { limits, options, put, someOf, temporary, text } from "../support/workspaces.ts"
import { skillMd, skillZip, zipOf } from "../support/zips.ts"

type Services = Layer.Layer.Success<ReturnType<typeof hostIn>>

const hostIn = (dir: string, files = 5_000, bytes = limits.bytes) =>
  Host.over(Host.memory, {
    workspace: OnlyFiles.layer({ ...options, limits: { ...limits, files, bytes }, dir, why: "a test says so" })
  })

const within = <A, E>(
  work: (dir: string) => Effect.Effect<A, E, Services>,
  files?: number,
  bytes?: number,
  where: Effect.Effect<string, never, Scope.Scope> = temporary
) =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(where, (dir) => Effect.provide(work(dir), hostIn(dir, files, bytes)))))

const by = (user_id: ReturnType<typeof freshOwner>) => ({ user_id, isAdmin: false })

const large = (files: number) =>
  zipOf([
    { name: "SKILL.md", data: skillMd("large") },
    ...Array.from({ length: files }, (_, i) => ({ name: `d${i % 20}/f${i}`, data: `file ${i}` }))
  ])

describe("A skill", () => {
  it("of many small files is never seen in part, and keeps no other skill of its owner waiting", async () => {
    await within(() =>
      Effect.gen(function*() {
        const skills = yield* Skills
        const owner = freshOwner()
        const of = someOf()
        const other = someOf()
        yield* skills.add(by(owner), other, { type: "zip", bytes: skillZip("small", { "a.txt": "a" }) })
        const files = 1_990
        const adding = yield* Effect.fork(Effect.timed(skills.add(by(owner), of, { type: "zip", bytes: large(files) })))
        const workspace = yield* (yield* Workspace).open(owner, of)
        const seen = new Set<number>()
        let others = 0
        while ((yield* Fiber.poll(adding))._tag === "None") {
          const inside = yield* Effect.either(workspace.list("skills/large", 10_000))
          if (Either.isRight(inside)) seen.add(inside.right.entries.length)
          yield* skills.read(owner, other, "small", { file: "a.txt", place: true })
          yield* skills.add(by(owner), other, { type: "zip", bytes: skillZip(`small-${others}`) })
          if (others++ > 10) break
          yield* Effect.sleep("5 millis")
        }
        const [took] = yield* Fiber.join(adding)
        assert.isAbove(others, 2)
        for (const count of seen) assert.strictEqual(count, 21)
        assert.lengthOf(
          (yield* workspace.list("skills/large/d7", 1_000)).entries,
          files / 20 + (files % 20 > 7 ? 0.5 : -0.5)
        )
        assert.isBelow(Duration.toMillis(took), patience(10_000))
      }).pipe(Effect.scoped)
    )
  }, patience(60_000))

  it("can be read where the workspace is full, and its files stand there when there is room again", async () => {
    await within(() =>
      Effect.gen(function*() {
        const skills = yield* Skills
        const owner = freshOwner()
        const of = someOf()
        yield* skills.add(by(owner), of, { type: "zip", bytes: skillZip("forms", { "a.txt": "a" }) })
        const workspace = yield* (yield* Workspace).open(owner, of)
        yield* workspace.remove("skills")
        for (let n = 0; n < 9; n++) yield* put(workspace, `f${n}`, "x")
        const full = yield* skills.read(owner, of, "forms", { place: true })
        assert.deepStrictEqual([full.text, full.dir], ["Do it well.", undefined])
        assert.strictEqual((yield* skills.read(owner, of, "forms", { file: "a.txt", place: true })).text, "a")
        assert.strictEqual((yield* Effect.flip(workspace.stat("skills/forms")))._tag, "NotFound")
        const more = yield* Effect.flip(skills.add(by(owner), of, { type: "zip", bytes: skillZip("more") }))
        assert.strictEqual(more._tag, "WorkspaceFull")
        assert.deepStrictEqual((yield* skills.known(owner, of)).map(({ name }) => name), ["forms"])
        for (let n = 0; n < 5; n++) yield* workspace.remove(`f${n}`)
        const { dir } = yield* skills.read(owner, of, "forms", { place: true })
        assert.strictEqual(yield* text(workspace, `${dir}/a.txt`), "a")
      }).pipe(Effect.scoped), 10)
  }, patience(30_000))

  it.skipIf(!mayMount)(
    "and a file for which the disk has no room are refused with that reason, and leave nothing",
    async () => {
      await within(
        (dir) =>
          Effect.gen(function*() {
            const skills = yield* Skills
            const owner = freshOwner()
            const of = someOf()
            const workspace = yield* (yield* Workspace).open(owner, of)
            yield* skills.add(by(owner), of, { type: "zip", bytes: skillZip("forms", { "a.txt": "a" }) })
            yield* put(workspace, "kept", Buffer.alloc(1_000_000))
            const data = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * 7919 + (i >> 8) * 31) & 255))
            const refused = [
              yield* Effect.flip(put(workspace, "big", data)),
              yield* Effect.flip(put(workspace, "kept", data)),
              yield* Effect.flip(workspace.writeFolder("many", [{ path: "a/b", bytes: Stream.succeed(data) }])),
              yield* Effect.flip(
                skills.add(by(owner), of, { type: "zip", bytes: skillZip("large", { "b.bin": data }) })
              )
            ]
            for (const { _tag, detail } of refused) {
              assert.deepStrictEqual([_tag, detail.includes("disk is full")], ["WorkspaceFull", true], detail)
            }
            assert.strictEqual((yield* workspace.stat("kept")).size, 1_000_000)
            assert.deepStrictEqual((yield* workspace.list("", 10)).entries.map(({ name }) => name), ["kept", "skills"])
            assert.deepStrictEqual((yield* skills.known(owner, of)).map(({ name }) => name), ["forms"])
            assert.deepStrictEqual(readdirSync(join(dir, "staging")), [])
            yield* workspace.remove("skills/forms")
            yield* put(workspace, "rest", Buffer.alloc(900_000))
            assert.strictEqual((yield* skills.read(owner, of, "forms", { place: true })).text, "Do it well.")
          }).pipe(Effect.scoped),
        5_000,
        limits.bytes,
        smallDisk
      )
    },
    patience(30_000)
  )

  it("that a killed server was putting in its place stands there whole afterwards, or not at all", async () => {
    await within((dir) =>
      Effect.gen(function*() {
        const skills = yield* Skills
        const owner = freshOwner()
        const of = someOf()
        yield* skills.add(by(owner), of, { type: "zip", bytes: skillZip("forms", { "a/b.txt": "b" }) })
        const workspace = yield* (yield* Workspace).open(owner, of)
        // What it has left: a part that nobody sees, and a list that tells of a skill which is not there.
        mkdirSync(join(dir, "staging", "half", "a"), { recursive: true })
        yield* workspace.remove("skills/forms")
        assert.deepStrictEqual((yield* workspace.list("skills", 10)).entries.map(({ name }) => name), [".skills"])
        const { dir: at } = yield* skills.read(owner, of, "forms", { place: true })
        assert.strictEqual(yield* text(workspace, `${at}/a/b.txt`), "b")
        // An upload that is given up.
        const adding = yield* Effect.fork(skills.add(by(owner), of, { type: "zip", bytes: large(500) }))
        yield* Effect.sleep("60 millis")
        yield* Fiber.interrupt(adding)
        const inside = yield* Effect.either(workspace.list("skills/large", 1_000))
        assert.isTrue(Either.isLeft(inside) || inside.right.entries.length === 21)
        assert.lengthOf(readdirSync(join(dir, "staging")), 1)
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("has no file whose name turns or hides what stands around it", async () => {
    const odd = [
      "a\u202egnp.exe",
      "a\u2066b",
      "a\u200eb",
      "\u061ca",
      "a\u200bb",
      "a\ufeff",
      "a\u00adb",
      "a\u2028b",
      "a\x7fb",
      "a\u{e0041}"
    ]
    await within(() =>
      Effect.gen(function*() {
        const skills = yield* Skills
        for (const name of odd) {
          const refused = yield* Effect.flip(
            skills.add(by(freshOwner()), someOf(), { type: "zip", bytes: skillZip("forms", { [name]: "x" }) })
          )
          assert.deepInclude(refused, { _tag: "Invalid", code: "skill_refused" }, JSON.stringify(name))
          assert.isFalse(isPlain(name), JSON.stringify(name))
        }
        // These are words and pictures of people.
        const good = { "می\u200cخواهم.md": "x", "👩\u200d💻.md": "x", "naïve ä.md": "x" }
        yield* skills.add(by(freshOwner()), someOf(), { type: "zip", bytes: skillZip("forms", good) })
      })
    )
  }, patience(30_000))
})
