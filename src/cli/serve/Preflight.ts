/** What a start needs of this machine, asked before anything is made. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Data, Effect, Option } from "effect"
import { dirname, resolve } from "node:path"
import type { Settings } from "../../domain/Settings.ts"

/** `message` says what is missing, and with which option another one is named. */
class CannotStart extends Data.TaggedError("CannotStart")<{ readonly message: string }> {}

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

export const check = ({ data_dir, database_url, models_dir, vault_key }: Settings) =>
  Effect.gen(function*() {
    if (models_dir !== undefined) yield* modelsDir(models_dir)
    // A server whose database and key are elsewhere needs no folder.
    if (database_url === undefined || vault_key === undefined) yield* dataDir(data_dir)
  })
