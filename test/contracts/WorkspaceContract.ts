/** What every Workspace layer promises: about files all of them, about programs those that run any. */
import { assert, layer } from "@effect/vitest"
import { Effect, Either, type Layer, Schedule, Stream } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { freshId, freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { fresh, limits, put, sh, someOf, text } from "../support/workspaces.ts"

const tagOf = <A>(outcome: Either.Either<A, { readonly _tag: string }>) =>
  Either.isLeft(outcome) ? outcome.left._tag : "worked"

const names = (listing: { readonly entries: ReadonlyArray<{ readonly name: string }> }) =>
  listing.entries.map(({ name }) => name)

export const workspaceContract = <E>(
  name: string,
  backend: Layer.Layer<Workspace, E>,
  { runs }: { readonly runs: boolean }
) =>
  layer(backend, { timeout: patience(60_000), excludeTestServices: true })(`Workspace contract: ${name}`, (it) => {
    it.scoped("gives back what was written, under relative and absolute paths, and makes the folders above", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        assert.strictEqual(yield* put(w, "a/b/c.txt", "one"), 3)
        assert.strictEqual(yield* text(w, `${w.root}/a/b/c.txt`), "one")
        assert.strictEqual(yield* text(w, "./a/./b/../b//c.txt"), "one")
        yield* put(w, "a/b/c.txt", "two")
        assert.strictEqual(yield* text(w, "a/b/c.txt"), "two")
        assert.deepInclude(yield* w.stat("a/b/c.txt"), { name: "c.txt", kind: "file", size: 3 })
        assert.deepInclude(yield* w.stat("a/b"), { kind: "directory" })
        assert.deepInclude(yield* w.stat(w.root), { kind: "directory" })
      }))

    it.scoped("reads ranges, and nothing past the end", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* put(w, "f", "0123456789")
        const file = yield* w.open("f")
        assert.strictEqual(file.size, 10)
        const at = (offset: number, length: number) =>
          Effect.map(file.read(offset, length), (bytes) => Buffer.from(bytes).toString())
        assert.strictEqual(yield* at(2, 3), "234")
        assert.strictEqual(yield* at(8, 100), "89")
        assert.strictEqual(yield* at(10, 1), "")
        assert.strictEqual(yield* at(1e12, 1), "")
      }))

    it.scoped("lists by name, up to a limit, and says when there is more", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        for (const file of ["b", "a", "c/d", ".hidden"]) yield* put(w, file, "")
        const all = yield* w.list("", 10)
        assert.deepStrictEqual([names(all), all.truncated], [[".hidden", "a", "b", "c"], false])
        const some = yield* w.list(w.root, 2)
        assert.deepStrictEqual([some.entries.length, some.truncated], [2, true])
        assert.strictEqual(tagOf(yield* Effect.either(w.list("a", 10))), "PathRefused")
        assert.strictEqual(tagOf(yield* Effect.either(w.list("nowhere", 10))), "NotFound")
      }))

    it.scoped("removes files and whole folders, and never the workspace itself", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        for (const file of ["f", "d/e/f/g", "d/h"]) yield* put(w, file, "x")
        yield* w.remove("f")
        yield* w.remove("d")
        assert.deepStrictEqual(names(yield* w.list("", 10)), [])
        assert.strictEqual(tagOf(yield* Effect.either(w.remove("f"))), "NotFound")
        for (const path of ["", ".", w.root, "a/.."]) {
          assert.strictEqual(tagOf(yield* Effect.either(w.remove(path))), "PathRefused", path)
        }
      }))

    it.scoped("refuses what is no path of it", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* put(w, "file", "x")
        yield* put(w, "folder/x", "x")
        const bad = [
          "../x",
          "a/../../x",
          "/etc/passwd",
          "/",
          `${w.root}/../x`,
          `${w.root}x`,
          "a\0b",
          "x".repeat(256),
          "ä".repeat(128),
          `${"d/".repeat(65)}x`,
          "x/".repeat(5000)
        ]
        for (const path of bad) {
          for (const work of [text(w, path), put(w, path, ""), w.list(path, 1), w.stat(path), w.remove(path)]) {
            assert.strictEqual(
              tagOf(yield* Effect.either<unknown, { _tag: string }, never>(work)),
              "PathRefused",
              path.slice(0, 50)
            )
          }
        }
        assert.strictEqual(tagOf(yield* Effect.either(text(w, "folder"))), "PathRefused")
        assert.strictEqual(tagOf(yield* Effect.either(put(w, "folder", ""))), "PathRefused")
        assert.strictEqual(tagOf(yield* Effect.either(put(w, "file/x", ""))), "PathRefused")
        assert.strictEqual(tagOf(yield* Effect.either(put(w, "line\nbreak", ""))), "PathRefused")
        assert.strictEqual(tagOf(yield* Effect.either(text(w, "nothing"))), "NotFound")
      }))

    it.scoped("takes odd names and bytes as they are", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        const odd = ["a b", "-rf", "ä€😀", "$(id)", "`id`", "'\"", "\\", "*", "C:\\x", "~", "#", "%2e%2e", "con"]
        for (const name of odd) {
          yield* put(w, name, bytes)
          const file = yield* w.open(name)
          assert.deepStrictEqual(new Uint8Array(yield* file.read(0, 1000)), bytes, name)
        }
        assert.sameMembers(names(yield* w.list("", 100)), odd)
      }))

    it.scoped("keeps within its bytes and files, and nothing of what was too much", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const piece = Buffer.alloc(1024 * 1024)
        const tooMuch = Stream.forever(Stream.succeed(piece)).pipe(Stream.take(40))
        assert.strictEqual(tagOf(yield* Effect.either(w.write("big", tooMuch))), "WorkspaceFull")
        assert.deepStrictEqual(names(yield* w.list("", 10)), [])
        yield* Effect.forEach(Array.from({ length: limits.files }, (_, i) => `f${i}`), (path) => put(w, path, "x"), {
          concurrency: 8,
          discard: true
        })
        assert.strictEqual(tagOf(yield* Effect.either(put(w, "more", "x"))), "WorkspaceFull")
      }))

    it.scoped("changes a file for one after the other, so that no change is lost", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* put(w, "count", "0")
        const next = w.modify("count", (before) => Effect.succeed(Buffer.from(String(Number(before.toString()) + 1))))
        yield* Effect.all(Array.from({ length: 20 }, () => next), { concurrency: "unbounded" })
        assert.strictEqual(yield* text(w, "count"), "20")
        assert.strictEqual(yield* Effect.flip(w.modify("count", () => Effect.fail("no" as const))), "no")
      }))

    it.scoped("is shared by an agent's sessions, and never by two owners or two agents", () =>
      Effect.gen(function*() {
        const [ada, agent, workspace] = [freshOwner(), freshId(), freshId()]
        const one = yield* fresh(ada, someOf(agent, workspace))
        yield* put(one, "f", "mine")
        assert.strictEqual(yield* text(yield* fresh(ada, someOf(agent)), "f"), "mine")
        for (const other of [yield* fresh(freshOwner(), someOf(agent, workspace)), yield* fresh(ada, someOf())]) {
          assert.notStrictEqual(other.id, one.id)
          assert.strictEqual(tagOf(yield* Effect.either(text(other, "f"))), "NotFound")
        }
      }))

    it.scoped("is made once when many ask at once", () =>
      Effect.gen(function*() {
        const [owner, of] = [freshOwner(), someOf()]
        const all = yield* Effect.all(Array.from({ length: 20 }, () => fresh(owner, of)), { concurrency: "unbounded" })
        yield* Effect.forEach(all, (w, i) => put(w, `f${i}`, "x"), { concurrency: "unbounded" })
        assert.lengthOf((yield* all[0]!.list("", 100)).entries, 20)
        assert.lengthOf(yield* Effect.flatMap(Workspace, ({ list }) => list(owner)), 1)
      }))

    it.scoped("lists, measures and removes an owner's own only; who has a removed one open is told so", () =>
      Effect.gen(function*() {
        const service = yield* Workspace
        const [ada, grace, of] = [freshOwner(), freshOwner(), someOf()]
        const w = yield* fresh(ada, of)
        yield* put(w, "f", "x")
        const [record] = yield* service.list(ada)
        assert.deepInclude(record, { id: w.id, isolation: "agent", agent_id: of.agent_id, workspace_id: null })
        assert.deepStrictEqual(yield* service.list(grace), [])
        for (const work of [service.get(grace, w.id), service.usage(grace, w.id), service.remove(grace, w.id)]) {
          assert.strictEqual(tagOf(yield* Effect.either<unknown, { _tag: string }, never>(work)), "NotFound")
        }
        assert.strictEqual((yield* service.usage(ada, w.id)).files, 1)
        yield* service.remove(ada, w.id)
        for (const work of [text(w, "f"), put(w, "f", "y"), w.list("", 1)]) {
          assert.strictEqual(tagOf(yield* Effect.either<unknown, { _tag: string }, never>(work)), "Gone")
        }
        assert.deepStrictEqual(yield* service.list(ada), [])
        const again = yield* fresh(ada, of)
        assert.deepStrictEqual(names(yield* again.list("", 10)), [])
      }))

    it.scoped("goes with its agent", () =>
      Effect.gen(function*() {
        const service = yield* Workspace
        const [ada, of] = [freshOwner(), someOf()]
        yield* Effect.scoped(Effect.flatMap(fresh(ada, of), (w) => put(w, "f", "x")))
        yield* service.sessionRemoved(ada, "s" as SessionId, of, Effect.succeed(false))
        assert.lengthOf(yield* service.list(ada), 1)
        yield* service.agentRemoved(ada, of.agent_id)
        assert.lengthOf(yield* service.list(ada), 0)
      }))

    it.scoped("is made, used and removed by many at once", () =>
      Effect.gen(function*() {
        const service = yield* Workspace
        const owner = freshOwner()
        const agents = Array.from({ length: 5 }, () => someOf())
        const one = (i: number) =>
          Effect.scoped(Effect.gen(function*() {
            const w = yield* fresh(owner, agents[i % 5])
            yield* Effect.either(put(w, `f${i}`, "x"))
            yield* Effect.either(text(w, `f${i}`))
            if (i % 7 === 0) yield* Effect.either(service.remove(owner, w.id))
          }))
        yield* Effect.forEach(Array.from({ length: 100 }, (_, i) => i), one, { concurrency: 20, discard: true })
        yield* Effect.forEach(yield* service.list(owner), ({ id }) => service.remove(owner, id), { discard: true })
        assert.deepStrictEqual(yield* service.list(owner), [])
      }))

    if (!runs) {
      it.scoped("says that nothing can be run", () =>
        Effect.gen(function*() {
          const w = yield* fresh()
          const { kind } = yield* Workspace
          assert.isFalse(kind.runs)
          const error = yield* Effect.flip(Effect.scoped(w.spawn({ argv: ["true"] })))
          assert.deepInclude(error, { _tag: "NoProcesses", status: 501 })
        }))
      return
    }

    it.scoped("runs programs on its files, with words, variables and a folder, and says how they ended", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* put(w, "d/in.txt", "hello")
        const ran = yield* sh(w, "cat in.txt; echo \" $A\" >&2; pwd; echo out > out.txt; exit 3", {
          cwd: "d",
          env: { A: "it's \"A\"\n" }
        })
        assert.deepStrictEqual(ran, { out: `hello${w.root}/d\n`, err: " it's \"A\"\n\n", code: 3, ended: undefined })
        assert.strictEqual(yield* text(w, "d/out.txt"), "out\n")
        assert.strictEqual(tagOf(yield* Effect.either(sh(w, "true", { cwd: "nowhere" }))), "NotFound")
        assert.strictEqual(tagOf(yield* Effect.either(sh(w, "true", { cwd: "/etc" }))), "PathRefused")
      }))

    it.scoped("streams output as it comes, and takes input", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const program = yield* w.spawn({ argv: ["/bin/cat"] })
        const seen: Array<string> = []
        yield* program.write(Buffer.from("one"))
        yield* program.stdout.pipe(
          Stream.tap((bytes) => {
            seen.push(Buffer.from(bytes).toString())
            if (seen.length === 1) return program.write(Buffer.from("two"))
            return program.endInput
          }),
          Stream.runDrain
        )
        assert.strictEqual(seen.join(""), "onetwo")
        assert.deepStrictEqual(yield* program.exit, { code: 0, signal: null, ended: undefined })
      }))

    it.scoped("ends what takes too long, prints too much or writes too much, with the reason", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const outcomes = yield* Effect.all([
          sh(w, "echo begun; sleep 1000", { timeout: 500 }),
          sh(w, "yes", { maxOutput: 100_000 }),
          sh(w, "for i in 1 2 3 4; do head -c 20000000 /dev/zero > f$i; done; sleep 1000")
        ], { concurrency: 3 })
        assert.deepStrictEqual(outcomes.map(({ ended }) => ended), ["timeout", "output", "disk"])
        assert.strictEqual(outcomes[0]?.out, "begun\n")
        assert.strictEqual(tagOf(yield* Effect.either(put(w, "more", "x"))), "WorkspaceFull")
        // A full workspace can be emptied.
        assert.strictEqual((yield* sh(w, "rm f*")).code, 0)
        yield* put(w, "more", "x")
      }))

    it.scoped("leaves nothing running: not what goes to the background, nor what leaves its group, nor what ignores signals", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const still = (file: string) =>
          Effect.gen(function*() {
            const size = Effect.map(w.stat(file), ({ size }) => size)
            yield* Effect.sleep("300 millis")
            const before = yield* size
            yield* Effect.sleep("500 millis")
            return (yield* size) > before
          })
        const ticking = (file: string) => `while :; do echo x >> ${file}; sleep 0.05; done`
        yield* sh(
          w,
          `( ${ticking("a")} ) & (trap '' TERM HUP INT; setsid sh -c '${ticking("b")}') >/dev/null 2>&1 & sleep 0.5`
        )
        yield* Effect.scoped(Effect.gen(function*() {
          yield* w.spawn({ argv: ["/bin/sh", "-c", `trap '' TERM; ${ticking("c")}`] })
          yield* Effect.retry(w.stat("c"), { times: 500, schedule: Schedule.spaced("20 millis") })
        }))
        for (const file of ["a", "b", "c"]) assert.isFalse(yield* still(file), file)
      }))

    it.scoped("ends what runs when it is removed, and says why", () =>
      Effect.gen(function*() {
        const service = yield* Workspace
        const owner = freshOwner()
        const w = yield* fresh(owner)
        const program = yield* w.spawn({ argv: ["sleep", "1000"] })
        yield* service.remove(owner, w.id)
        assert.strictEqual((yield* program.exit).ended, "deleted")
        assert.strictEqual(tagOf(yield* Effect.either(sh(w, "true"))), "Gone")
      }))

    it.scoped("runs a bounded number of programs at once, and counts them right", () =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 12 }),
          () => Effect.either(sh(w, "sleep 0.5")),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(outcomes.filter((one) => tagOf(one) === "LimitReached").length, 4)
        assert.strictEqual((yield* sh(w, "echo again")).out, "again\n")
      }))
  })
