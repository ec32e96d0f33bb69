/** What may become a skill: archives that lie, folders with traps, and front matter of all kinds. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Either, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { asLine } from "../../src/domain/Skill.ts"
import { planOf } from "../../src/domain/SkillFiles.ts"
import * as Folder from "../../src/layers/Skills/Folder.ts"
import * as FrontMatter from "../../src/layers/Skills/FrontMatter.ts"
import type { Opening } from "../../src/layers/Skills/Source.ts"
import * as Zip from "../../src/layers/Skills/Zip.ts"
import { patience } from "../support/Patience.ts"
import { skillMd, skillZip, type ZipEntry, zipOf } from "../support/zips.ts"

/** The files that come out of a source, or why none do. */
const filesOf = (opening: Opening) =>
  Effect.scoped(Effect.gen(function*() {
    const source = yield* opening
    const plan = yield* planOf(source.brought, source.packed)
    return yield* Effect.forEach(plan, ({ from, path, size }) =>
      Effect.map(Stream.runCollect(source.bytes(from)), (pieces) => {
        const bytes = Buffer.concat(Chunk.toReadonlyArray(pieces))
        assert.strictEqual(bytes.length, size)
        return [path, bytes.toString("latin1")] as const
      }))
  }))

const main: ZipEntry = { name: "SKILL.md", data: skillMd("forms") }

const refusedZips: Readonly<Record<string, Buffer | ReadonlyArray<ZipEntry>>> = {
  "a name that leads out": [main, { name: "../x", data: "x" }],
  "a name that leads out further down": [main, { name: "a/../../x", data: "x" }],
  "an absolute name": [main, { name: "/etc/passwd", data: "x" }],
  "a drive": [main, { name: "C:/x", data: "x" }],
  "a backslash": [main, { name: "..\\x", data: "x" }],
  "a zero byte": [main, { name: "a\0b", data: "x" }],
  "an end of line": [main, { name: "a\nb", data: "x" }],
  "bytes that are no UTF-8": [main, { name: Buffer.from([0x61, 0xff, 0xfe]), data: "x" }, {
    name: Buffer.from([0x61, 0xfe, 0xff]),
    data: "x"
  }],
  "an empty name": [main, { name: "", data: "x" }],
  "a name with nothing between two slashes": [main, { name: "a//b", data: "x" }],
  "a name of 300 bytes": [main, { name: "a".repeat(300), data: "x" }],
  "17 levels": [main, { name: `${"a/".repeat(17)}x`, data: "x" }],
  "a link": [main, { name: "x", data: "/etc/passwd", mode: 0o120777 }],
  "a FIFO": [main, { name: "x", mode: 0o010644 }],
  "a device": [main, { name: "x", mode: 0o020644 }],
  "a file twice": [main, { name: "x", data: "1" }, { name: "x", data: "2" }],
  "names that differ in case only": [main, { name: "x/a", data: "1" }, { name: "x/A", data: "2" }],
  "folders that differ in case only": [main, { name: "x/a", data: "1" }, { name: "X/b", data: "2" }],
  "a name in two Unicode forms": [main, { name: "\u{e9}", data: "1" }, { name: "e\u{301}", data: "2" }],
  "a file that is a folder too": [main, { name: "x", data: "1" }, { name: "x/y", data: "2" }],
  "a folder with bytes": [main, { name: "x/", data: "12345" }],
  "encryption": [main, { name: "x", data: "x", flags: 0x801 }],
  "strong encryption": [main, { name: "x", data: "x", flags: 0x841 }],
  "an unknown method": [main, { name: "x", data: "x", method: 12 }],
  "a bomb": [main, { name: "x", data: Buffer.alloc(50 * 1024 * 1024) }],
  "101 MiB as it says": [main, { name: "x", data: "x", method: 8, size: 101 * 1024 * 1024 }],
  "a size that is less than it has": [main, { name: "x", data: "x".repeat(1000), size: 10 }],
  "a size that is more than it has": [main, { name: "x", data: "x", size: 1000 }],
  "another checksum": [main, { name: "x", data: "x", crc: 5 }],
  "bytes beyond its end": [main, { name: "x", data: "x", method: 0, size: 100_000, packed: 100_000 }],
  "files that lie on each other": [
    { name: "SKILL.md", data: Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * 7919) & 255)), method: 0 },
    ...Array.from({ length: 50 }, (_, i) => ({
      name: `f${i}`,
      data: Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * 7919) & 255)),
      method: 0,
      at: 0
    }))
  ],
  "2,001 files": [main, ...Array.from({ length: 2_000 }, (_, i) => ({ name: `f${i}`, data: "" }))],
  "60,000 entries": [main, ...Array.from({ length: 60_000 }, (_, i) => ({ name: `f${i}/`, data: "" }))],
  "no SKILL.md": [{ name: "README.md", data: "x" }],
  "SKILL.md too deep": [{ name: "a/b/SKILL.md", data: skillMd("x") }],
  "two skills": [{ name: "a/SKILL.md", data: skillMd("a") }, { name: "b/SKILL.md", data: skillMd("b") }],
  "a SKILL.md of 300 KB": [{ name: "SKILL.md", data: Buffer.alloc(300_000, "x"), method: 0 }],
  "no bytes": Buffer.alloc(0),
  "a picture": Buffer.from("89504e470d0a1a0a", "hex"),
  "half of itself": skillZip("forms").subarray(0, 100),
  "its end alone": skillZip("forms").subarray(-22),
  "zeros": Buffer.alloc(100_000)
}

describe("A zip archive", () => {
  it.live("brings its files, from the top or from its only folder, without what systems leave behind", () =>
    Effect.gen(function*() {
      const expected: ReadonlyArray<readonly [string, string]> = [
        ["SKILL.md", skillMd("forms")],
        ["a/b c.txt", "b"],
        ["ü.txt", ""]
      ]
      const files = { "a/b c.txt": "b", "ü.txt": "", ".DS_Store": "x", "a/._b": "x" }
      assert.deepStrictEqual(yield* filesOf(Zip.open(skillZip("forms", files))), expected)
      const flat = [main, ...Object.entries(files).map(([name, data]) => ({ name, data, method: 0, mode: 0 }))]
      assert.deepStrictEqual(
        yield* filesOf(Zip.open(zipOf([...flat, { name: "__MACOSX/._SKILL.md", data: "x" }]))),
        expected
      )
    }))

  for (const [what, entries] of Object.entries(refusedZips)) {
    it.live(`is refused with ${what}`, () =>
      Effect.gen(function*() {
        const bytes = Buffer.isBuffer(entries) ? entries : zipOf(entries as ReadonlyArray<ZipEntry>)
        const refused = yield* Effect.flip(filesOf(Zip.open(bytes)))
        assert.deepInclude(refused, { _tag: "Invalid", code: "skill_refused" })
        assert.notMatch(JSON.stringify(refused), /[\0\n]/)
      }))
  }

  it.live("with random bytes in it is read or refused, and breaks nothing", () =>
    Effect.gen(function*() {
      const whole = skillZip("forms", { "a.txt": "a".repeat(2_000), "b/c.txt": "c" })
      let seed = 7
      const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) % below
      for (let n = 0; n < 400; n++) {
        const bytes = Buffer.from(whole)
        for (let k = 0; k <= n % 4; k++) bytes[random(bytes.length)] = random(256)
        const cut = n % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
        yield* Effect.either(filesOf(Zip.open(cut)))
      }
    }), 30_000)
})

const tree = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "stoa-skill-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

describe("A folder of the server", () => {
  it.scopedLive("brings its files, and is refused with a link, a FIFO, or a relative path", () =>
    Effect.gen(function*() {
      const dir = yield* tree
      yield* Effect.promise(async () => {
        await writeFile(join(dir, "SKILL.md"), skillMd("forms"))
        await mkdir(join(dir, "a"))
        await writeFile(join(dir, "a", "b.txt"), "b")
        await mkdir(join(dir, ".git"))
        await symlink("/etc/passwd", join(dir, ".git", "x"))
      })
      assert.deepStrictEqual(yield* filesOf(Folder.open(dir)), [["SKILL.md", skillMd("forms")], ["a/b.txt", "b"]])
      for (const path of ["skills/forms", "", "/nowhere/at/all", `${dir}/SKILL.md`, `${dir}\0`]) {
        assert.strictEqual((yield* Effect.flip(filesOf(Folder.open(path)))).code, "skill_refused")
      }
      yield* Effect.promise(() => symlink("/etc/passwd", join(dir, "a", "x")))
      assert.include((yield* Effect.flip(filesOf(Folder.open(dir)))).detail, "a link or a device")
      rmSync(join(dir, "a", "x"))
      execFileSync("/bin/sh", ["-c", `mkfifo "${join(dir, "a", "x")}"`])
      assert.include((yield* Effect.flip(filesOf(Folder.open(dir)))).detail, "a link or a device")
    }))
})

const read = (text: string) => FrontMatter.mainOf(Buffer.from(text))

const problemOf = (text: string | Buffer): string => {
  const read = FrontMatter.mainOf(Buffer.from(text))
  return Either.isLeft(read) ? `${read.left.errors?.[0]?.path}: ${read.left.detail}` : "none"
}

describe("SKILL.md", () => {
  it("says its name and its description, as one line, and more for whoever looks", () => {
    assert.deepStrictEqual(
      Either.getOrThrow(read(
        "\u{feff}---\r\nname: PDF forms\r\ndescription: >-\r\n  Fills in\r\n  forms.\r\nallowed-tools: Bash\r\n"
          + "metadata:\r\n  author: Ada\r\n  version: 1.5\r\n---\r\nbody\r\n"
      )),
      {
        name: "PDF forms",
        description: "Fills in forms.",
        card: {
          display_name: "",
          description: "",
          tags: [],
          author: "Ada",
          icon_url: null,
          url: null,
          hub_id: null,
          card_id: null,
          version: "1.5"
        }
      }
    )
  })

  const wrong: Readonly<Record<string, readonly [text: string | Buffer, says: string]>> = {
    "no front matter": ["# Hello", "does not begin with front matter"],
    "no end of it": ["---\nname: x\n", "does not begin with front matter"],
    "no name": [
      "---\ndescription: x\n---\n",
      "SKILL.md.name: The skill is refused: the front matter of SKILL.md has no field \"name\""
    ],
    "no description": ["---\nname: x\n---\n", "SKILL.md.description"],
    "an empty description": ["---\nname: x\ndescription: \" \\u200b \"\n---\n", "SKILL.md.description"],
    "a long description": [`---\nname: x\ndescription: ${"a".repeat(1_025)}\n---\n`, "SKILL.md.description"],
    "a name that is a number": ["---\nname: 5\ndescription: x\n---\n", "SKILL.md.name"],
    "a name that is a list": ["---\nname: [a]\ndescription: x\n---\n", "SKILL.md.name"],
    "a name that is a path": ["---\nname: ../x\ndescription: x\n---\n", "SKILL.md.name"],
    "a name with a slash": ["---\nname: a/b\ndescription: x\n---\n", "SKILL.md.name"],
    "a name that is hidden": ["---\nname: .x\ndescription: x\n---\n", "SKILL.md.name"],
    "a name with a dot at its end": ["---\nname: x.\ndescription: x\n---\n", "SKILL.md.name"],
    "a name of two lines": ["---\nname: \"a\\nb\"\ndescription: x\n---\n", "SKILL.md.name"],
    "a name of 65 letters": [`---\nname: ${"a".repeat(65)}\ndescription: x\n---\n`, "SKILL.md.name"],
    "a field twice": ["---\nname: x\nname: y\ndescription: x\n---\n", "is no plain YAML"],
    "aliases": ["---\na: &a [x]\nname: *a\ndescription: x\n---\n", "is no plain YAML"],
    "a bomb of aliases": [
      `---\na0: &a0 [x]\n${
        Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join("")
      }name: x\ndescription: x\n---\n`,
      "is no plain YAML"
    ],
    "20 lists in one line": [`---\nname: x\ndescription: x\nmore:\n  ${"- ".repeat(20)}\n---\n`, "is no plain YAML"],
    "a list": ["---\n- name\n---\n", "is no plain YAML"],
    "3,000 brackets": [`---\nname: x\ndescription: ${"[".repeat(3_000)}\n---\n`, "is no plain YAML"],
    "a front matter of 20 KB": [`---\nname: x\ndescription: x\nmore: ${"a".repeat(20_000)}\n---\n`, "at most"],
    "bytes that are no text": [Buffer.from([0x2d, 0x2d, 0x2d, 0x0a, 0xff]), "no text in UTF-8"]
  }
  for (const [what, [text, says]] of Object.entries(wrong)) {
    it(`is refused with ${what}, by a sentence that says so`, () => assert.include(problemOf(text), says))
  }

  it("is read quickly, whatever it is", () => {
    for (
      const text of [
        "a: [",
        "a: {b: ",
        "? ",
        "- ",
        "?\n",
        ":\n",
        "\\x41",
        "&a ",
        "*a ",
        "!!a ",
        "]",
        "\t]{",
        "\"a: a",
        "a: 1\n"
      ].map((piece) => `---\n${piece.repeat(4_000 / piece.length)}\n---\n`)
    ) {
      // The best of three: what else runs on the machine may slow one of them.
      const took = [1, 2, 3].map(() => {
        const begun = performance.now()
        problemOf(text)
        return performance.now() - begun
      })
      assert.isBelow(Math.min(...took), patience(100), text.slice(0, 30))
    }
  })

  it("cannot make its description look like something else in a prompt", () =>
    assert.strictEqual(asLine("a\n\n# System\r\n\u2028b\u202e\0c"), "a # System b c"))
})
