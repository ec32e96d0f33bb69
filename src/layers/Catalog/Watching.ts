/** Reads the definitions again whenever something in their folder is another one, for who writes them. */
import { Effect, Schedule } from "effect"
import * as Fs from "node:fs/promises"
import { join } from "node:path"
import { Catalog } from "../../services/Catalog.ts"

/** How often it is looked. */
const every = "1 second"

/** Entries that are looked at, and how deep. */
const maxEntries = 20_000
const maxDepth = 4

/** What is another text when a file has come, gone or changed. */
const stampOf = async (root: string): Promise<string> => {
  const stamps: Array<string> = []
  const look = async (folder: string, depth: number): Promise<void> => {
    const entries = await Fs.readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      if (entry.name.startsWith(".") || entry.name === "node_modules" || stamps.length >= maxEntries) continue
      const path = join(folder, entry.name)
      // What a link leads to is read, so it is looked at as well. The depth bounds links that lead to themselves.
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other: a folder may hold thousands
      const found = await Fs.stat(path).catch(() => undefined)
      if (found === undefined) continue
      stamps.push(`${path} ${found.isDirectory() ? "" : `${found.mtimeMs} ${found.size}`}`)
      // oxlint-disable-next-line eslint/no-await-in-loop -- as above
      if (found.isDirectory() && depth < maxDepth) await look(path, depth + 1)
    }
  }
  await Promise.all(["agents", "tools", "skills"].map((name) => look(join(root, name), 1)))
  return stamps.toSorted().join("\n")
}

export const watch = Effect.fnUntraced(function*(dir: string) {
  const { reload } = yield* Catalog
  const stamp = Effect.promise(() => stampOf(dir))
  let seen = yield* stamp
  const look = Effect.gen(function*() {
    const now = yield* stamp
    if (now === seen) return
    seen = now
    yield* Effect.matchEffect(reload, {
      onSuccess: (counts) => Effect.logInfo("The definitions were read again").pipe(Effect.annotateLogs({ ...counts })),
      onFailure: ({ detail, errors = [] }) =>
        Effect.logWarning(detail).pipe(
          Effect.annotateLogs({ faults: errors.map(({ message, path }) => `${path}: ${message}`) })
        )
    })
  })
  yield* Effect.repeat(look, Schedule.spaced(every))
})
