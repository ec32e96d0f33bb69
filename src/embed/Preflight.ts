/** What a start needs of this machine, asked before anything is made. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Data, Effect, Option } from "effect"
import { dirname, resolve } from "node:path"
import { sentenceOf } from "../domain/Definition.ts"
import { isLoopback, type Settings } from "../domain/Settings.ts"
import * as CatalogFiles from "../layers/Catalog/Files.ts"
import * as Host from "../layers/Host.ts"
import type { Extensions } from "./Extensions.ts"
import { problemOf } from "./Sandbox.ts"

/** `message` says what is missing, and with which option another one is named. */
/** @public The types of the package name it. */
export class CannotStart extends Data.TaggedError("CannotStart")<{ readonly message: string }> {}

const refuse = (message: string) => new CannotStart({ message })

const modelsDir = Effect.fnUntraced(function*(folder: string) {
  const files = yield* FileSystem.FileSystem
  const info = yield* Effect.option(files.stat(folder))
  if (Option.isNone(info)) {
    return yield* refuse(`There is no folder ${resolve(folder)}: make it, or name another with --models-dir.`)
  }
  if (info.value.type !== "Directory") {
    return yield* refuse(`${resolve(folder)} is no folder: name another with --models-dir.`)
  }
  yield* Effect.mapError(
    files.readDirectory(folder),
    () => refuse(`${resolve(folder)} cannot be read: change its permissions, or name another with --models-dir.`)
  )
})

const dataDir = Effect.fnUntraced(function*(folder: string) {
  const files = yield* FileSystem.FileSystem
  let place = resolve(folder)
  // What is not there is made in the nearest folder that is.
  while (!(yield* Effect.orElseSucceed(files.exists(place), () => false)) && place !== dirname(place)) {
    place = dirname(place)
  }
  const info = yield* Effect.option(files.stat(place))
  if (!Option.exists(info, ({ type }) => type === "Directory")) {
    return yield* refuse(`${place} is no folder, so data cannot be kept in it: name another with --data-dir.`)
  }
  yield* Effect.mapError(
    files.access(place, { readable: true, writable: true }),
    () => refuse(`This user may not write in ${place}: change its permissions, or name another with --data-dir.`)
  )
})

/** Programs without a sandbox are for one person on a machine of their own. */
const workspace = Effect.fnUntraced(function*(settings: Settings) {
  const { host, workspace } = settings
  if (workspace === "local" && !isLoopback(host)) {
    return yield* refuse(
      `Agents' programs would run without a sandbox (STOA_WORKSPACE=local) while others can reach ${host}: listen on `
        + "127.0.0.1, or install bubblewrap and leave the setting out."
    )
  }
  if (workspace === "local" && process.getuid?.() === 0) {
    return yield* refuse(
      "Agents' programs would run as root without a sandbox (STOA_WORKSPACE=local): run stoa as a user of its own."
    )
  }
  if (workspace === "bubblewrap" || workspace === "docker" || workspace === "e2b") {
    const problem = yield* problemOf(settings)
    if (problem !== undefined) {
      return yield* refuse(
        `${problem}. Without STOA_WORKSPACE=${workspace} the server starts, and agents have files but run nothing.`
      )
    }
  }
})

/** Faults that are told at most; `stoa check` tells all. */
const maxFaults = 20

/** What an operator has defined is served whole, or not at all. */
const definitions = Effect.fnUntraced(function*(options: CatalogFiles.Options) {
  const { book, faults } = yield* CatalogFiles.check(options)
  const warnings = faults.filter(({ level }) => level === "warning")
  if (warnings.length > 0) {
    yield* Effect.logWarning("Some of the definitions have no effect").pipe(
      Effect.annotateLogs({ faults: warnings.slice(0, maxFaults).map(sentenceOf) })
    )
  }
  const errors = faults.filter(({ level }) => level === "error")
  if (errors.length === 0) return { book, faults }
  return yield* refuse(
    ["The definitions are not served:", ...errors.slice(0, maxFaults).map(sentenceOf)].join("\n")
  )
})

/** Answers what was read already, for the host. */
export const check = (settings: Settings, extensions: Extensions = {}) =>
  Effect.gen(function*() {
    const defined = settings.definitions_dir === undefined
      ? undefined
      : yield* definitions(Host.definitionsOf(settings.definitions_dir, settings, extensions))
    if (settings.models_dir !== undefined) yield* modelsDir(settings.models_dir)
    yield* dataDir(settings.data_dir)
    if (settings.workspace_dir !== undefined) yield* dataDir(settings.workspace_dir)
    yield* workspace(settings)
    // Where the folder is watched, what has changed since then would not be noticed.
    const looked: Host.Looked = settings.watch ? {} : { definitions: defined }
    return looked
  })
