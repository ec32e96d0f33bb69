/** Goes through the files of a workspace, a folder at a time, within bounds. */
import { Effect, Option, Stream } from "effect"
import type { Entry, FileError } from "../../../domain/Workspace.ts"
import { type OpenWorkspace, readUpTo } from "../../../services/Workspace.ts"
import type { Named, SearchGaveUp } from "./Searcher.ts"
import type * as Searcher from "./Searcher.ts"

/** Folders and files that one search looks at, at most. */
const maxFolders = 5_000
const maxEntries = 50_000

/** Longest file of rules, in bytes. */
const maxRules = 64 * 1024

export interface Found {
  /** From the folder on in which the search began. */
  readonly path: string
  readonly entry: Entry
}

export interface Walking {
  readonly workspace: OpenWorkspace
  /** An absolute path. */
  readonly from: string
  readonly searcher: Effect.Effect.Success<typeof Searcher.make>
  /** Leaves out hidden files and what .gitignore names. */
  readonly ignore: boolean
}

/** Files that fit, and at the end whether the bounds cut it short. */
export const files = (
  { from, ignore, searcher, workspace }: Walking,
  report: { truncated: boolean }
): Stream.Stream<Found, FileError | SearchGaveUp> => {
  let folders = 0
  let entries = 0
  const look = (
    folder: string
  ): Effect.Effect<readonly [ReadonlyArray<Found>, ReadonlyArray<string>], FileError | SearchGaveUp> =>
    Effect.gen(function*() {
      folders++
      const path = folder === "" ? from : `${from}/${folder}`
      const listed = yield* Effect.catchTags(workspace.list(path, maxEntries - entries), {
        // It went away, or may not be read.
        NotFound: () => Effect.succeed({ entries: [], truncated: false }),
        PathRefused: (error) => folder === "" ? Effect.fail(error) : Effect.succeed({ entries: [], truncated: false })
      })
      entries += listed.entries.length
      if (listed.truncated) report.truncated = true
      if (ignore && listed.entries.some(({ kind, name }) => name === ".gitignore" && kind === "file")) {
        const rules = yield* Effect.option(readUpTo(workspace, `${path}/.gitignore`, maxRules))
        if (rules._tag === "Some") yield* searcher.rules(folder, rules.value.toString("utf8"))
      }
      const named = listed.entries.flatMap((entry): ReadonlyArray<Named & { readonly entry: Entry }> => {
        const isFolder = entry.kind === "directory"
        if (!isFolder && entry.kind !== "file") return []
        if (entry.name === ".git" || (ignore && entry.name.startsWith("."))) return []
        return [{ path: folder === "" ? entry.name : `${folder}/${entry.name}`, isFolder, entry }]
      })
      const kept = yield* searcher.kept(named.map(({ isFolder, path }) => ({ isFolder, path })), ignore)
      const fitting = named.filter((_, i) => kept[i] === true)
      return [
        fitting.filter(({ isFolder }) => !isFolder),
        fitting.filter(({ isFolder }) => isFolder).map(({ path }) => path)
      ] as const
    })
  return Stream.unfoldEffect<ReadonlyArray<string>, ReadonlyArray<Found>, FileError | SearchGaveUp, never>(
    [""],
    ([next, ...rest]) => {
      if (next === undefined) return Effect.succeedNone
      if (folders >= maxFolders || entries >= maxEntries) {
        report.truncated = true
        return Effect.succeedNone
      }
      return Effect.map(look(next), ([found, below]) => Option.some([found, [...below, ...rest]] as const))
    }
  ).pipe(Stream.flatMap(Stream.fromIterable))
}
