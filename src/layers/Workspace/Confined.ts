/**
 * Opens files below a folder, whatever a program in that folder does meanwhile. Each
 * name is looked up in its folder's open descriptor and never through a link, as
 * `openat` does: `/proc/self/fd/N/name`. Links are read, and followed by hand from the
 * root on, so that they lead nowhere else. Elsewhere than on Linux there are plain
 * paths: nothing confines the programs there either.
 */
// oxlint-disable no-await-in-loop -- files are walked one after the other, within few descriptors
import { Effect } from "effect"
import { constants, promises as fs } from "node:fs"
import { join } from "node:path"
import { Gone, LimitReached, NotFound, TooLarge } from "../../domain/Errors.ts"
import {
  type FileError,
  full,
  maxDepth,
  namesOf,
  NoProcesses,
  noSuchPath,
  pathOf,
  PathRefused,
  refused,
  WorkspaceFull
} from "../../domain/Workspace.ts"

const isLinux = process.platform === "linux"

/** Links that one path may lead through. */
const maxLinks = 16

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants
/** Node has no name for it on every platform. A terminal must not become the server's own. */
const O_NOCTTY = constants.O_NOCTTY ?? 0

/** An open folder. */
export interface Folder {
  readonly handle: fs.FileHandle
  /** Where it was found; used only where there is no `/proc`. */
  readonly path: string
}

const isOurs = (error: unknown): error is FileError =>
  [NotFound, PathRefused, WorkspaceFull, TooLarge, Gone, LimitReached, NoProcesses].some((kind) =>
    error instanceof kind
  )

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

const busy = new LimitReached({
  code: "too_many_open_files",
  detail: "The server has too many files open. Try again.",
  retry_after: 2
})

/** What went wrong, in words of workspaces; anything else is a bug. */
const failureOf = (path: string, error: unknown): Effect.Effect<never, FileError> => {
  if (isOurs(error)) return Effect.fail(error)
  switch (codeOf(error)) {
    case "ENOENT":
      return Effect.fail(noSuchPath(path))
    case "ENOTDIR":
      return Effect.fail(refused(path, "leads through something that is no folder"))
    case "ELOOP":
      return Effect.fail(refused(path, "leads through a link that changes"))
    case "EISDIR":
      return Effect.fail(refused(path, "is a folder"))
    case "EACCES":
    case "EPERM":
      return Effect.fail(refused(path, "may not be used: its permissions forbid it"))
    case "ENAMETOOLONG":
      return Effect.fail(refused(path, "is too long"))
    case "ENXIO":
    case "EINVAL":
    case "ENODEV":
      return Effect.fail(refused(path, "is no file"))
    case "EEXIST":
    case "ENOTEMPTY":
    case "EBUSY":
    case "ETXTBSY":
      return Effect.fail(refused(path, "was changed by somebody else just now"))
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return Effect.fail(full("The server's disk is full: delete what is not needed any more."))
    case "EROFS":
      return Effect.fail(full("The server's disk cannot be written."))
    case "EMFILE":
    case "ENFILE":
    case "ENOMEM":
      return Effect.fail(busy)
    default:
      return Effect.die(error)
  }
}

/**
 * Does work on files. It is never left half-way: a descriptor that somebody else
 * closed meanwhile could be another file by then.
 */
export const io = <A>(path: string, work: () => Promise<A>): Effect.Effect<A, FileError> =>
  Effect.uninterruptible(Effect.flatten(Effect.promise(async () => {
    try {
      return Effect.succeed(await work())
    } catch (error) {
      return failureOf(path, error)
    }
  })))

/** A name in an open folder, as a path for the calls of `node:fs`. */
export const at = ({ handle, path }: Folder, name: string | Buffer): string | Buffer => {
  if (typeof name === "string") return isLinux ? `/proc/self/fd/${handle.fd}/${name}` : join(path, name)
  return Buffer.concat([Buffer.from(isLinux ? `/proc/self/fd/${handle.fd}/` : `${path}/`), name])
}

/** The folder itself, for `readdir`. */
export const itself = ({ handle, path }: Folder): string => isLinux ? `/proc/self/fd/${handle.fd}` : path

export const openFolder = async (path: string): Promise<Folder> => ({
  handle: await fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
  path
})

export const openChild = async (parent: Folder, name: string | Buffer): Promise<Folder> => ({
  handle: await fs.open(at(parent, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
  path: join(parent.path, name.toString())
})

/** The names that a link leads to, from the root on. */
const targetOf = (
  root: string,
  before: ReadonlyArray<string>,
  target: string,
  rest: ReadonlyArray<string>,
  path: string
) => {
  const names = namesOf(root, before, target)
  if (names._tag === "Left") throw refused(path, "is a link that leads out of the workspace")
  return [...names.right, ...rest]
}

interface Found {
  /** The folder that holds it; the root itself when there is no name. */
  readonly folder: Folder
  readonly name: string | undefined
}

interface Walk {
  /** The path of the root on this machine, and as programs in it see it. */
  readonly host: string
  readonly root: string
  readonly names: ReadonlyArray<string>
  /** Folders that are not there are made; for this user, if the server may choose. */
  readonly make?: boolean
  readonly user?: number | undefined
  /** A link at the end is meant itself. */
  readonly noFollow?: boolean
}

/** Finds the folder of a path and lends it to `use`. */
export const inFolder = async <A>(
  { host, make, names, noFollow, root, user }: Walk,
  use: (found: Found) => Promise<A>
): Promise<A> => {
  const path = pathOf(root, names)
  let left = names
  for (let links = 0;; links++) {
    if (links > maxLinks) throw refused(path, "leads through too many links")
    if (left.length > maxDepth) throw refused(path, `is more than ${maxDepth} levels deep`)
    let folder: Folder
    try {
      folder = await openFolder(host)
    } catch (error) {
      // Its own folder is gone: somebody has deleted the workspace.
      throw codeOf(error) === "ENOENT"
        ? new Gone({ code: "workspace_deleted", detail: "The workspace has been deleted." })
        : error
    }
    try {
      let turned: ReadonlyArray<string> | undefined
      for (const [depth, name] of left.entries()) {
        const isLast = depth === left.length - 1
        if (isLast && noFollow === true) return await use({ folder, name })
        const link = await linkAt(folder, name)
        if (link !== undefined) {
          turned = targetOf(root, left.slice(0, depth), link, left.slice(depth + 1), path)
          break
        }
        if (isLast) return await use({ folder, name })
        const isNew = make === true && await makeFolder(folder, name)
        const next = await openChild(folder, name)
        await folder.handle.close()
        folder = next
        if (isNew && user !== undefined) await next.handle.chown(user, user)
      }
      if (turned === undefined) return await use({ folder, name: undefined })
      left = turned
    } finally {
      await folder.handle.close()
    }
  }
}

/** Where a link leads; undefined when there is no link. */
const linkAt = async (folder: Folder, name: string): Promise<string | undefined> => {
  try {
    return await fs.readlink(at(folder, name))
  } catch (error) {
    const code = codeOf(error)
    if (code === "EINVAL" || code === "ENOENT" || code === "UNKNOWN") return undefined
    throw error
  }
}

/** Whether it was made now. */
const makeFolder = async (folder: Folder, name: string): Promise<boolean> => {
  try {
    await fs.mkdir(at(folder, name), 0o755)
    return true
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
    return false
  }
}

/** Opens a file for reading, and nothing that is none: opening a FIFO would wait, and a device could do anything. */
export const openFile = async (folder: Folder, name: string, path: string): Promise<fs.FileHandle> => {
  const before = await fs.lstat(at(folder, name))
  if (before.isDirectory()) throw refused(path, "is a folder")
  if (!before.isFile()) throw refused(path, "is no file")
  const handle = await fs.open(at(folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
  try {
    // It may have been exchanged in between.
    if (!(await handle.stat()).isFile()) throw refused(path, "is no file")
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}
