/** Finds files of the workspace by their names. */
import { Effect, Schema, Stream } from "effect"
import { Workspace } from "../../../services/Workspace.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"
import { homeOf, opened, resolved } from "./InWorkspace.ts"
import * as Searcher from "./Searcher.ts"
import * as Walk from "./Walk.ts"

/** Most files that are listed. */
const maxListed = 200

const maxPattern = 1_000

const words = (error: { readonly _tag: string; readonly detail?: string; readonly message?: string }) =>
  new ToolFailed({ message: error.detail ?? error.message ?? "The search failed." })

export const glob = Effect.map(Workspace, (service) =>
  define({
    name: "Glob",
    description: "Finds files of the workspace by a pattern such as `**/*.ts` or `src/{a,b}/*.md`, newest first.",
    folderOf: homeOf(service),
    effect: "read",
    idempotent: true,
    onRequest: true,
    parameters: Schema.Struct({
      pattern: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxPattern)),
      path: Schema.optionalWith(Schema.String, { exact: true, default: () => "." })
        .annotations({ description: "The folder to look in; where the session is, when left out." })
    }),
    run: Effect.fnUntraced(function*({ path, pattern }, caller) {
      const workspace = yield* opened(service, caller)
      const from = yield* resolved(workspace, caller, path)
      const wanted = pattern.startsWith(`${from}/`) ? pattern.slice(from.length + 1) : pattern
      const report = { truncated: false }
      const found = yield* Effect.gen(function*() {
        const searcher = yield* Searcher.make
        yield* searcher.start({ globs: [[wanted]], anchored: true, ignoreCase: false, multiline: false })
        return yield* Stream.runCollect(Walk.files({ workspace, from, searcher, ignore: false }, report))
      }).pipe(Effect.mapError(words))
      const all = [...found].toSorted((a, b) => b.entry.modified - a.entry.modified || a.path.localeCompare(b.path))
      if (all.length === 0) {
        return report.truncated
          ? "No file found among those that were looked at: name a folder."
          : "No file found."
      }
      const cut = all.length > maxListed || report.truncated
        ? `\n[${all.length} files were found${report.truncated ? " before the search was cut short" : ""}; ${
          Math.min(maxListed, all.length)
        } are listed.]`
        : ""
      return `${all.slice(0, maxListed).map(({ path }) => `${from}/${path}`).join("\n")}${cut}`
    })
  }))
