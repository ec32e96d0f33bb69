/**
 * The file that keeps the vault's keys, one a line, newest first. It is made
 * once, whole, by one of the processes that find it missing, and changed whole by
 * one at a time; a file that exists and is bad is never replaced, because that
 * would lose every sealed secret.
 */
import { Clock, Effect, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { keyBytes, type KeySet, VaultKeyUnusable } from "./Key.ts"
import { parseKeys, printKeys } from "./KeyText.ts"

const maxBytes = 16 * 1024

const codeOf = (cause: unknown) => cause instanceof Error && "code" in cause ? String(cause.code) : String(cause)

const unusable = (path: string, problem: string, cause?: unknown) =>
  new VaultKeyUnusable({ message: `The vault key file ${path} ${problem}.`, cause })

const attempt = <A>(path: string, doing: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      unusable(
        path,
        `cannot be ${doing} (${codeOf(cause)}): let this user ${doing === "read" ? "read it" : "write there"}, ` +
          "or give the key as STOA_VAULT_KEY",
        cause
      )
  })

/** Runs `act`; an error with one of these codes is an answer, not a failure. */
const unless = async (codes: ReadonlyArray<string>, act: () => Promise<unknown>) => {
  try {
    await act()
    return true
  } catch (cause) {
    if (codes.includes(codeOf(cause))) return false
    throw cause
  }
}

/** Flushes the folder to disk, so that a power cut cannot lose the only key. Windows has no such call for folders. */
const sync = async (path: string) => {
  if (process.platform === "win32") return
  const handle = await Fs.open(path)
  await handle.sync().finally(() => handle.close())
}

/** Writes the text to disk first and then moves it where `place` says, so that nobody ever reads half a key. */
const written = async (path: string, text: string, place: (aside: string) => Promise<void>) => {
  const aside = `${path}.${randomBytes(6).toString("hex")}.new`
  const file = await Fs.open(aside, "wx", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
    await file.close()
    await place(aside)
  } finally {
    await file.close().catch(() => {})
    await Fs.rm(aside, { force: true })
  }
  await sync(Path.dirname(path))
}

/** Links the file into place: the first link wins. */
const makeFile = async (path: string) => {
  await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
  const keys: KeySet["keys"] = [Redacted.make(new Uint8Array(randomBytes(keyBytes)))]
  await written(path, printKeys({ keys }), async (aside) => {
    const noLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]
    const canLink = await unless(noLinks, () => unless(["EEXIST"], () => Fs.link(aside, path)))
    if (!canLink) {
      await unless(["EEXIST"], () => Fs.copyFile(aside, path, constants.COPYFILE_EXCL))
      await sync(path)
    }
  })
}

const readFile = Effect.fnUntraced(function*(path: string) {
  const { mode, size, text } = yield* attempt(path, "read", async () => {
    const stat = await Fs.stat(path)
    const whole = stat.isFile() && stat.size <= maxBytes
    return { mode: stat.mode, size: stat.size, text: whole ? await Fs.readFile(path, "utf8") : undefined }
  })
  if (text === undefined || size === 0) {
    return yield* unusable(path, "is no key file: put the right one back, or choose another path")
  }
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    return yield* unusable(
      path,
      `is open to other users (mode 0${
        (mode & 0o777).toString(8)
      }): run \`chmod 600 ${path}\`, or give the key as STOA_VAULT_KEY`
    )
  }
  return yield* parseKeys(
    text,
    `The vault key file ${path}`,
    "put the right file back; it is never replaced, because nothing else opens the stored secrets"
  )
})

/** Whether the file exists. A broken link counts as existing: nothing may be made in its place. */
export const isThere = (path: string): Effect.Effect<boolean, VaultKeyUnusable> =>
  attempt(path, "read", () => unless(["ENOENT"], () => Fs.lstat(path)))

/** Makes the file when it does not exist. */
export const ensure = (path: string): Effect.Effect<void, VaultKeyUnusable> =>
  isThere(path).pipe(
    Effect.flatMap((found) => found ? Effect.void : attempt(path, "made", () => makeFile(path)))
  )

/** A mark that changes whenever the file is replaced or written. */
export const markOf = (path: string): Effect.Effect<string, VaultKeyUnusable> =>
  attempt(path, "read", async () => {
    const { ino, mtimeNs, size } = await Fs.stat(path, { bigint: true })
    return `${ino} ${mtimeNs} ${size}`
  })

/** Milliseconds since the file was changed. */
export const age = (path: string): Effect.Effect<number, VaultKeyUnusable> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => attempt(path, "read", async () => Math.max(0, now - (await Fs.stat(path)).mtimeMs))
  )

export interface Read {
  readonly set: KeySet
  /** The mark of this content or of an earlier one. */
  readonly mark: string
}

export const read = (path: string): Effect.Effect<Read, VaultKeyUnusable> =>
  Effect.flatMap(markOf(path), (mark) => Effect.map(readFile(path), (set) => ({ set, mark })))

/** A lock that is older than this was left behind by a process that ended, in milliseconds. */
const staleLock = 30_000

const locked = (path: string) => `${path}.lock`

const lock = async (path: string, now: number): Promise<boolean> => {
  const lock = () => unless(["EEXIST"], async () => (await Fs.open(locked(path), "wx", 0o600)).close())
  if (await lock()) return true
  const { mtimeMs } = await Fs.stat(locked(path))
  if (now - mtimeMs < staleLock) return false
  await Fs.rm(locked(path), { force: true })
  return await lock()
}

/** Replaces the keys with `f` of them, and returns the new content. A link stays a link. */
export const change = (path: string, f: (set: KeySet) => KeySet): Effect.Effect<Read, VaultKeyUnusable> =>
  Effect.gen(function*() {
    const real = yield* attempt(path, "read", () => Fs.realpath(path))
    const now = yield* Clock.currentTimeMillis
    const replace = Effect.gen(function*() {
      const set = f(yield* readFile(real))
      yield* attempt(path, "changed", () => written(real, printKeys(set), (aside) => Fs.rename(aside, real)))
      return yield* read(path)
    })
    return yield* Effect.acquireUseRelease(
      Effect.filterOrFail(
        attempt(path, "changed", () => lock(real, now)),
        (mine) => mine,
        () => unusable(path, `is being changed by another process: try again; if none is, remove ${locked(real)}`)
      ),
      () => replace,
      () => Effect.promise(() => Fs.rm(locked(real), { force: true }))
    )
  })
