/**
 * The folder that holds an embedded database: `postgres/` with PostgreSQL's own
 * files, and beside it the lock. Made on first use, readable by its owner only,
 * because PGlite writes its files with mode 0666.
 */
import { Data, Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/** The data folder cannot be used as it is. `message` is one sentence for the person who starts stoa. */
export class DataDirUnusable extends Data.TaggedError("DataDirUnusable")<{
  readonly dataDir: string
  readonly message: string
  readonly cause?: unknown
}> {}

/** The only version PGlite's PostgreSQL opens; a test fails when an upgrade of PGlite changes it. */
export const postgresVersion = "18"

const hints: Record<string, string> = {
  EEXIST: "it is a file, not a folder; choose another --data-dir",
  ENOTDIR: "a part of the path is a file, not a folder; choose another --data-dir",
  EACCES: "stoa may not read and write there; change its owner or permissions, or choose another --data-dir",
  EPERM: "stoa may not read and write there; change its owner or permissions, or choose another --data-dir",
  EROFS: "it is on a read-only disk; choose another --data-dir",
  ENOSPC: "the disk is full; free some space, or choose another --data-dir",
  EDQUOT: "the disk quota is used up; free some space, or choose another --data-dir",
  ENAMETOOLONG: "the path is too long; choose a shorter --data-dir"
}

/** What PGlite's file system throws instead of a code: the numbers are WASI's. */
const errnos: Record<number, string> = { 2: "EACCES", 19: "EDQUOT", 51: "ENOSPC", 63: "EPERM", 69: "EROFS" }

const codeOf = (cause: unknown): Option.Option<string> => {
  if (typeof cause !== "object" || cause === null) return Option.none()
  if ("code" in cause && typeof cause.code === "string") return Option.some(cause.code)
  return "errno" in cause && typeof cause.errno === "number" ? Option.fromNullable(errnos[cause.errno]) : Option.none()
}

export const unusable = (dataDir: string, cause: unknown, detail?: string) =>
  new DataDirUnusable({
    dataDir,
    cause,
    message: `Cannot use the data folder ${dataDir}: ${
      detail ?? Option.match(codeOf(cause), {
        onNone: () => "it cannot be opened; choose another --data-dir",
        onSome: (code) => hints[code] ?? `the system says ${code}; choose another --data-dir`
      })
    }.`
  })

const attempt = <A>(dataDir: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => unusable(dataDir, cause) })

/** Makes the folder when it is missing. Returns its real path: links resolved, so that two names of one folder agree. */
export const ensure = (dataDir: string): Effect.Effect<string, DataDirUnusable> =>
  attempt(dataDir, async () => {
    await Fs.mkdir(dataDir, { recursive: true, mode: 0o700 })
    await Fs.access(dataDir, Fs.constants.R_OK | Fs.constants.W_OK | Fs.constants.X_OK)
    return Fs.realpath(dataDir)
  })

const exists = (path: string) =>
  Fs.stat(path).then(() => true, (cause) => {
    if (cause.code === "ENOENT") return false
    throw cause
  })

/**
 * Makes `postgres/` ready to open; call it with the lock held. `complete` is to
 * be run once the database is open: until then the folder counts as half made,
 * and the next start throws it away and begins again.
 */
export const prepare = Effect.fn("DataDir.prepare")(function*(dataDir: string) {
  const database = Path.join(dataDir, "postgres")
  const unfinished = Path.join(dataDir, "postgres.unfinished")
  const version = Path.join(database, "PG_VERSION")
  if (yield* attempt(dataDir, () => exists(unfinished))) {
    yield* attempt(dataDir, () => Fs.rm(database, { recursive: true, force: true }))
  }
  if (yield* attempt(dataDir, () => exists(version))) {
    const found = (yield* attempt(dataDir, () => Fs.readFile(version, "utf8"))).trim()
    if (found !== postgresVersion) {
      return yield* unusable(
        dataDir,
        undefined,
        `its database was made by PostgreSQL ${found}, this stoa reads ${postgresVersion}; ` +
          "start the stoa that made it and move its data, or choose another --data-dir"
      )
    }
    return { database, isNew: false, complete: Effect.void }
  }
  yield* attempt(dataDir, () => Fs.mkdir(database, { recursive: true, mode: 0o700 }))
  if ((yield* attempt(dataDir, () => Fs.readdir(database))).length > 0) {
    return yield* unusable(
      dataDir,
      undefined,
      `${database} holds files that are no database; choose another --data-dir`
    )
  }
  yield* attempt(dataDir, () => Fs.writeFile(unfinished, "", { mode: 0o600 }))
  return { database, isNew: true, complete: attempt(dataDir, () => Fs.rm(unfinished, { force: true })) }
})

/** PGlite could not open `postgres/`: PostgreSQL's own complaint says more than the exception. */
export const broken = (dataDir: string, cause: unknown, said: ReadonlyArray<string>): DataDirUnusable => {
  if (Option.isSome(codeOf(cause))) return unusable(dataDir, cause)
  const complaint = said.map((line) => /(?:PANIC|FATAL|ERROR):\s*(.*)/.exec(line)?.[1]).findLast((line) =>
    line !== undefined
  )
  return unusable(
    dataDir,
    cause,
    `its database does not open${complaint === undefined ? "" : ` (${complaint})`}; ` +
      "restore the folder from a copy, or choose another --data-dir"
  )
}
