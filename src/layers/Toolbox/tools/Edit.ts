/** Replaces a text in a file of the workspace. */
import { Effect, Schema } from "effect"
import { maxWhole } from "../../../domain/Workspace.ts"
import { Workspace } from "../../../services/Workspace.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"
import { homeOf, opened, resolved, toModel } from "./InWorkspace.ts"

const maxText = 512 * 1024

/** Most places that one call changes: finding them holds everybody up. */
const maxPlaces = 100_000

const refuse = (message: string) => new ToolFailed({ message })

/** The places of a text, without overlaps. */
const placesOf = (text: Buffer, wanted: Buffer, most: number): ReadonlyArray<number> => {
  const places: Array<number> = []
  for (let at = text.indexOf(wanted); at >= 0 && places.length < most; at = text.indexOf(wanted, at + wanted.length)) {
    places.push(at)
  }
  return places
}

const replaced = (before: Buffer, places: ReadonlyArray<number>, length: number, by: Buffer): Buffer => {
  const pieces: Array<Buffer> = []
  let from = 0
  for (const at of places) {
    pieces.push(before.subarray(from, at), by)
    from = at + length
  }
  return Buffer.concat([...pieces, before.subarray(from)])
}

export const edit = Effect.map(Workspace, (service) =>
  define({
    name: "Edit",
    description:
      "Replaces a text in a file of the workspace. `old_string` must be exactly what stands there, without the "
      + "numbers of lines that Read shows, and stand there once, unless `replace_all` is true.",
    folderOf: homeOf(service),
    effect: "edit",
    idempotent: false,
    onRequest: true,
    parameters: Schema.Struct({
      file_path: Schema.String.pipe(Schema.minLength(1)),
      old_string: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxText)),
      new_string: Schema.String.pipe(Schema.maxLength(maxText)),
      replace_all: Schema.optionalWith(Schema.Boolean, { exact: true, default: () => false })
    }),
    run: Effect.fnUntraced(function*({ file_path, new_string, old_string, replace_all }, caller) {
      if (old_string === new_string) return yield* refuse("`old_string` and `new_string` are the same.")
      const workspace = yield* opened(service, caller)
      const path = yield* resolved(workspace, caller, file_path)
      const wanted = Buffer.from(old_string, "utf8")
      let count = 0
      yield* workspace.modify(path, (bytes) => {
        const before = Buffer.from(bytes)
        const places = placesOf(before, wanted, replace_all ? maxPlaces + 1 : 2)
        count = places.length
        if (count === 0) return refuse(`There is no such text in ${path}.`)
        if (count > 1 && !replace_all) {
          return refuse(
            `The text stands more than once in ${path}: give more of what is around it, or set replace_all.`
          )
        }
        if (count > maxPlaces) {
          return refuse(`The text stands more than ${maxPlaces} times in ${path}: use Bash with sed.`)
        }
        const by = Buffer.from(new_string, "utf8")
        if (before.length + count * (by.length - wanted.length) > maxWhole) {
          return refuse(`The file would have more than ${maxWhole} bytes.`)
        }
        return Effect.succeed(replaced(before, places, wanted.length, by))
      }).pipe(Effect.mapError((error) => error instanceof ToolFailed ? error : toModel(error)))
      return count === 1 ? `Replaced the text in ${path}.` : `Replaced the text ${count} times in ${path}.`
    })
  }))
