/** A new project out of the files in templates/project, which are a part of the package. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Effect, Option, Schema } from "effect"
import { basename, dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { failed, misused } from "./Failed.ts"

// The same way from src/cli and from dist/cli.
const packageRoot = fileURLToPath(new URL("../../", import.meta.url)).replace(/[/\\]$/, "")
const template = join(packageRoot, "templates", "project")

/** What stands in the template for the name of the project. */
const placeholder = "project-name"

/** npm leaves files of these names out of a package, so they have others there. */
const renamed: Readonly<Record<string, string>> = { "_gitignore": ".gitignore", "_env.example": ".env.example" }

const Versions = Schema.Record({ key: Schema.String, value: Schema.String })

/** The part of a package.json that is written anew: versions that the template leaves open. */
const Manifest = Schema.parseJson(
  Schema.Struct(
    { dependencies: Versions, devDependencies: Versions },
    { key: Schema.String, value: Schema.Unknown }
  )
)

/** What npm has installed beside each other, and where each came from. */
const Installed = Schema.parseJson(Schema.Struct({
  packages: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ resolved: Schema.optional(Schema.String) })
  })
}))

const isName = (text: string) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text)

const slashed = (path: string) => path.replaceAll("\\", "/")

/**
 * Where the package that runs was installed from, as a package.json below `folder` names it. Never a version alone: a
 * registry might have another package of this name.
 */
const ownSource = Effect.fnUntraced(function*(folder: string) {
  const { exists, readFileString, realPath } = yield* FileSystem.FileSystem
  // A relative path does not lead through a link and back.
  const real = yield* realPath(folder)
  const fileOf = (path: string) => `file:${slashed(relative(real, path))}`
  const modules = dirname(packageRoot)
  const found = yield* Effect.option(
    Effect.flatMap(readFileString(join(modules, ".package-lock.json")), Schema.decodeUnknown(Installed))
  )
  const resolved = Option.getOrUndefined(found)?.packages[`node_modules/${basename(packageRoot)}`]?.resolved
  if (resolved === undefined) return fileOf(packageRoot)
  if (!resolved.startsWith("file:")) return resolved
  const packed = resolve(dirname(modules), resolved.slice("file:".length))
  const isThere = yield* Effect.orElseSucceed(exists(packed), () => false)
  return fileOf(isThere ? packed : packageRoot)
})

/** The template's package.json with the versions that this package was built and tested with. */
const manifestOf = Effect.fnUntraced(function*(text: string, source: string) {
  const { readFileString } = yield* FileSystem.FileSystem
  const own = yield* Schema.decodeUnknown(Manifest)(yield* readFileString(join(packageRoot, "package.json")))
  const known: typeof Versions.Type = { ...own.devDependencies, ...own.dependencies, stoa: source }
  const manifest = yield* Schema.decodeUnknown(Manifest)(text)
  const pinned = (versions: typeof Versions.Type) =>
    Object.fromEntries(Object.entries(versions).map(([name, version]) => [name, known[name] ?? version]))
  const { dependencies, devDependencies, ...rest } = manifest
  const written = { ...rest, dependencies: pinned(dependencies), devDependencies: pinned(devDependencies) }
  return `${JSON.stringify(written, undefined, 2)}\n`
})

export interface Made {
  readonly folder: string
  readonly files: ReadonlyArray<string>
}

/** Makes the folder `name` below `within`. `source` is from where npm is to install this package. */
export const make = Effect.fn("Project.make")(
  function*(within: string, name: string, source: Option.Option<string>) {
    const files = yield* FileSystem.FileSystem
    if (!isName(name)) {
      return yield* misused(
        "A project's name has 1 to 64 small letters, digits, dots, dashes and underscores, and begins with a letter or digit."
      )
    }
    const all = (yield* files.readDirectory(template, { recursive: true })).map(slashed).toSorted()
    const manifest = yield* Schema.decodeUnknown(Manifest)(yield* files.readFileString(join(template, "package.json")))
    // npm installs no package into one of the same name.
    if (name in manifest.dependencies || name in manifest.devDependencies || name === "node_modules") {
      return yield* misused(`A project cannot be called ${name}: choose another name.`)
    }
    const folder = join(within, name)
    yield* files.makeDirectory(folder, { recursive: true })
    if ((yield* files.readDirectory(folder)).length > 0) {
      return yield* failed(`The folder ${name} is not empty: choose another name, or remove it.`)
    }
    const written: Array<string> = []
    for (const path of all) {
      const from = join(template, path)
      if ((yield* files.stat(from)).type === "Directory") continue
      const text = (yield* files.readFileString(from)).replaceAll(placeholder, name)
      const to = renamed[path] ?? path
      const content = to === "package.json"
        ? yield* manifestOf(text, Option.getOrElse(source, () => "") || (yield* ownSource(folder)))
        : text
      yield* files.makeDirectory(dirname(join(folder, to)), { recursive: true })
      // Nothing that has come there meanwhile is overwritten.
      yield* files.writeFileString(join(folder, to), content, { flag: "wx" })
      written.push(to)
    }
    const made: Made = { folder, files: written }
    return made
  },
  (made, _, name) =>
    Effect.catchTags(made, {
      SystemError: ({ reason }) => failed(`The project ${name} cannot be made in this folder (${reason}).`),
      BadArgument: () => failed(`The project ${name} cannot be made in this folder.`)
    })
)
