/**
 * The file that keeps the vault's keys, one a line, newest first. It is made
 * once, whole, by one of the processes that find it missing; a file that exists
 * and is bad is never replaced, because that would lose every sealed secret.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { keyBytes, type VaultKeys, VaultKeyUnusable } from "./Key.ts"
import { parseKeys } from "./KeyText.ts"

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
        `cannot be ${doing} (${codeOf(cause)}): let this user ${doing === "made" ? "write there" : "read it"}, ` +
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

/** Onto the disk, so that a power cut cannot take the only key away. Windows has no such call for folders. */
const sync = async (path: string) => {
  if (process.platform === "win32") return
  const handle = await Fs.open(path)
  await handle.sync().finally(() => handle.close())
}

/** Written aside and linked into place: nobody ever reads half a key, and the first link wins. */
const makeFile = async (path: string) => {
  const folder = Path.dirname(path)
  const aside = `${path}.${randomBytes(6).toString("hex")}.new`
  await Fs.mkdir(folder, { recursive: true, mode: 0o700 })
  const file = await Fs.open(aside, "wx", 0o600)
  try {
    await file.writeFile(`${randomBytes(keyBytes).toString("base64")}\n`)
    await file.sync()
    await file.close()
    const noLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]
    const canLink = await unless(noLinks, () => unless(["EEXIST"], () => Fs.link(aside, path)))
    if (!canLink) {
      await unless(["EEXIST"], () => Fs.copyFile(aside, path, constants.COPYFILE_EXCL))
      await sync(path)
    }
  } finally {
    await file.close().catch(() => {})
    await Fs.rm(aside, { force: true })
  }
  await sync(folder)
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

export const fileKeys = (path: string): Effect.Effect<VaultKeys, VaultKeyUnusable> =>
  attempt(path, "read", () => unless(["ENOENT"], () => Fs.lstat(path))).pipe(
    Effect.flatMap((found) => found ? Effect.void : attempt(path, "made", () => makeFile(path))),
    Effect.zipRight(readFile(path))
  )
