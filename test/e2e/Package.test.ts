/** The package as a program elsewhere installs it: packed, in an empty project, with its types. */
import { assert, describe, it } from "@effect/vitest"
import { cp, readdir, readFile, writeFile } from "node:fs/promises"
import { basename, dirname, join, relative, resolve } from "node:path"
import { install, longest, must, pack } from "../support/packed.ts"
import { temporaryFolder } from "../support/Server.ts"

const root = resolve(import.meta.dirname, "../..")
const { exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string>>
}

/** What a module of the repository is called elsewhere; undefined for one that is not handed out. */
const nameOf = (source: string): string | undefined => {
  const built = `./${source.replace(/^src\//, "dist/").replace(/ts$/, "js")}`
  for (const [name, target] of Object.entries(exports)) {
    const [before, after] = target.split("*")
    if (after === undefined && built === target) return name.replace(/^\./, "stoa")
    if (after !== undefined && built.startsWith(before!) && built.endsWith(after)) {
      return name.replace(/^\./, "stoa").replace("*", built.slice(before!.length, -after.length))
    }
  }
  return undefined
}

/** The examples, with the package's names for what they import. */
const copyExamples = async (project: string) => {
  const to = join(project, "examples")
  await cp(join(root, "examples"), to, { recursive: true })
  const files = (await readdir(to, { recursive: true })).filter((file) => file.endsWith(".ts"))
  await Promise.all(files.map(async (file) => {
    const text = await readFile(join(to, file), "utf8")
    const changed = text.replaceAll(/"((?:\.\.\/)+src\/[^"]+)"/g, (_, path: string) => {
      const source = relative(root, resolve(root, "examples", dirname(file), path))
      const name = nameOf(source)
      assert.isDefined(name, `${file} imports ${source}, which the package does not hand out`)
      return JSON.stringify(name)
    })
    assert.notInclude(changed, "/src/")
    await writeFile(join(to, file), changed)
  }))
}

describe("The package", () => {
  it("brings all that the examples need, with types, to an empty project", async () => {
    const project = await temporaryFolder()
    try {
      await install(await pack(project.path), project.path)
      await copyExamples(project.path)
      await writeFile(
        join(project.path, "package.json"),
        JSON.stringify({ name: basename(project.path), type: "module" })
      )
      const compilerOptions = {
        target: "es2023",
        lib: ["es2023", "es2024.string"],
        module: "nodenext",
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: true,
        types: ["node"],
        rewriteRelativeImportExtensions: true,
        rootDir: ".",
        outDir: "built"
      }
      await writeFile(join(project.path, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["examples"] }))
      await must(project.path, process.execPath, join(root, "node_modules/typescript/bin/tsc"), "-p", ".")

      // Every name leads to a module that loads, and a program that was compiled against the types runs.
      const names = Object.keys(exports).filter((name) => !name.includes("*") && !name.endsWith(".json"))
      const all = names.map((name) => `await import(${JSON.stringify(name.replace(/^\./, "stoa"))})`).join("\n")
      await writeFile(join(project.path, "all.mjs"), all)
      await must(project.path, process.execPath, "all.mjs")
      assert.match(
        await must(project.path, process.execPath, "built/examples/own-agent/main.js", "--version"),
        /0\.1\.0/
      )

      const page = await readFile(join(root, "docs/extending.md"), "utf8")
      for (const name of Object.keys(exports).filter((name) => !name.endsWith(".json"))) {
        assert.include(page, `\`${name.replace(/^\./, "stoa")}\``, "docs/extending.md does not name it")
      }
    } finally {
      await project.remove()
    }
  }, longest)
})
