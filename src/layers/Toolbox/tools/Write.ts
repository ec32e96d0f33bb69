/** Writes whole files of the workspace. */
import { Effect, Schema, Stream } from "effect"
import { Workspace } from "../../../services/Workspace.ts"
import { define } from "../BuiltInTool.ts"
import { failed, homeOf, opened, resolved } from "./InWorkspace.ts"

/** Longest text, in characters: a call's arguments have not many more. */
const maxContent = 1024 * 1024

export const write = Effect.map(Workspace, (service) =>
  define({
    name: "Write",
    description:
      "Writes a file of the workspace, and makes the folders above it. What was in the file before is replaced.",
    folderOf: homeOf(service),
    effect: "edit",
    idempotent: true,
    onRequest: true,
    parameters: Schema.Struct({
      file_path: Schema.String.pipe(Schema.minLength(1)),
      content: Schema.String.pipe(Schema.maxLength(maxContent))
    }),
    run: Effect.fnUntraced(function*({ content, file_path }, caller) {
      const workspace = yield* opened(service, caller)
      const path = yield* resolved(workspace, caller, file_path)
      const size = yield* failed(workspace.write(path, Stream.succeed(Buffer.from(content, "utf8"))))
      return `Wrote ${size} bytes to ${path}.`
    })
  }))
