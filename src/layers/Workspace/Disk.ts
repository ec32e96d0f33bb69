/**
 * Workspaces as folders on this machine's disk:
 *
 *   owners/<hash of owner>/<key>/files      what the agent sees
 *   owners/<hash of owner>/<key>/meta.json  whose it is
 *   staging/                                files and folders that are being written
 *   trash/                                  what is being removed
 *
 * All on one file system, because they are moved from one to the other.
 */
// oxlint-disable no-await-in-loop -- files are walked one after the other, within few descriptors
import { Clock, Effect, Option, Schema, type Scope, Stream } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { constants, promises as fs } from "node:fs"
import { dirname, join } from "node:path"
import type { UserId } from "../../domain/Ids.ts"
import {
  type Entry,
  type EntryKind,
  full,
  isPlain,
  noRoomFor,
  pathOf,
  refused,
  type WorkspaceKey,
  WorkspaceRecord
} from "../../domain/Workspace.ts"
import { timestampOf } from "../../services/Now.ts"
import { pieceBytes } from "../../services/Workspace.ts"
import type { Backend, Names, Place } from "./Backend.ts"
import { at, codeOf, type Folder, inFolder, io, itself, openChild, openFile, openFolder } from "./Confined.ts"
import * as NewFolder from "./NewFolder.ts"
import * as Trash from "./Trash.ts"

/** How old a file in `staging` is before it is one that a killed server has left, in milliseconds. */
const staleAfter = 3_600_000

/** Bytes of a block, as `st_blocks` counts. */
const block = 512

/** Most workspaces of an owner that are listed. */
const maxListed = 1_000

export const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32)
const isHash = /^[0-9a-f]{32}$/

interface Info {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

const kindOf = (info: Info): EntryKind =>
  info.isFile() ? "file" : info.isDirectory() ? "directory" : info.isSymbolicLink() ? "link" : "other"

const entryOf = (name: string, info: Info & { readonly size: number; readonly mtimeMs: number }): Entry => ({
  name,
  kind: kindOf(info),
  size: info.isFile() ? info.size : 0,
  modified: info.mtimeMs / 1000
})

const Meta = Schema.parseJson(WorkspaceRecord)

export interface Options {
  readonly dir: string
  /** The root as programs see it; undefined where they see the folder itself. */
  readonly root: string | undefined
  /** The user whose a workspace's files are; undefined where all are the server's own. */
  readonly userOf?: (key: WorkspaceKey) => number | undefined
}

/** Counts what is in a folder: bytes on the disk, and entries. */
const count = async (folder: Folder, sum: { bytes: number; files: number }, most: number): Promise<void> => {
  for await (
    const entry of await fs.opendir(itself(folder), { encoding: "buffer" as BufferEncoding, bufferSize: 256 })
  ) {
    if (++sum.files > most) return
    const name = entry.name as unknown as Buffer
    try {
      if (entry.isDirectory()) {
        const child = await openChild(folder, name)
        try {
          await count(child, sum, most)
        } finally {
          await child.handle.close()
        }
      } else sum.bytes += (await fs.lstat(at(folder, name))).blocks * block
    } catch (error) {
      // It went away or may not be read: a program is at work there.
      if (!["ENOENT", "EACCES", "ENOTDIR", "ELOOP"].includes(codeOf(error) ?? "")) throw error
    }
  }
}

/** Gives a folder and all that is in it to a user: the server ran as another one before. */
const adopt = async (folder: Folder, user: number): Promise<void> => {
  await folder.handle.chown(user, user)
  for await (
    const entry of await fs.opendir(itself(folder), { encoding: "buffer" as BufferEncoding, bufferSize: 256 })
  ) {
    const name = entry.name as unknown as Buffer
    if (!entry.isDirectory()) await fs.lchown(at(folder, name), user, user)
    else {
      const child = await openChild(folder, name)
      try {
        await adopt(child, user)
      } finally {
        await child.handle.close()
      }
    }
  }
}

/** Makes the folder of a workspace, for its user. */
const makeFiles = async (files: string, user: number | undefined): Promise<void> => {
  await fs.mkdir(files, { recursive: true, mode: 0o700 })
  if (user === undefined) return
  const folder = await openFolder(files)
  try {
    if ((await folder.handle.stat()).uid !== user) await adopt(folder, user)
  } finally {
    await folder.handle.close()
  }
}

interface Folders {
  readonly staging: string
  readonly trash: string
}

/** The functions of one workspace's folder. */
const placeAt = (host: string, root: string, user: number | undefined, { staging, trash }: Folders): Place => {
  const of = (names: Names) => ({ host, root, names, user })
  const remove = (names: Names) =>
    io(pathOf(root, names), () =>
      inFolder({ ...of(names), noFollow: true }, async ({ folder, name }) => {
        if (name === undefined) throw refused(root, "is the workspace itself")
        const info = await fs.lstat(at(folder, name))
        await (info.isDirectory() ? Trash.discard(folder, name, trash) : fs.unlink(at(folder, name)))
      }))

  return {
    root,
    stat: (names) =>
      io(pathOf(root, names), () =>
        inFolder(of(names), async ({ folder, name }) =>
          name === undefined
            ? entryOf("", await folder.handle.stat())
            : entryOf(name, await fs.lstat(at(folder, name))))),
    open: Effect.fnUntraced(function*(names) {
      const path = pathOf(root, names)
      const { handle, info } = yield* Effect.acquireRelease(
        io(path, () =>
          inFolder(of(names), async ({ folder, name }) => {
            if (name === undefined) throw refused(path, "is a folder")
            const handle = await openFile(folder, name, path)
            return { handle, info: await handle.stat() }
          })),
        ({ handle }) => Effect.promise(() => handle.close())
      )
      return {
        size: info.size,
        modified: info.mtimeMs / 1000,
        read: (offset, length) =>
          io(path, async () => {
            const buffer = Buffer.allocUnsafe(Math.min(length, pieceBytes))
            const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
            return buffer.subarray(0, bytesRead)
          })
      }
    }),
    list: (names, limit) =>
      io(pathOf(root, names), () =>
        inFolder(of(names), async ({ folder, name }) => {
          const listed = name === undefined ? folder : await openChild(folder, name).catch(async (error: unknown) => {
            if (codeOf(error) !== "ENOTDIR") throw error
            throw refused(pathOf(root, names), "is no folder")
          })
          try {
            const found: Array<string> = []
            let truncated = false
            for await (const entry of await fs.opendir(itself(listed), { bufferSize: 256 })) {
              truncated = found.length >= limit
              if (truncated) break
              found.push(entry.name)
            }
            const entries: Array<Entry> = []
            for (const name of found.toSorted()) {
              try {
                entries.push(entryOf(name, await fs.lstat(at(listed, name))))
              } catch (error) {
                // Removed since, or of bytes that are no text.
                if (codeOf(error) !== "ENOENT") throw error
              }
            }
            return { entries, truncated }
          } finally {
            if (listed !== folder) await listed.handle.close()
          }
        })),
    stage: <E>(bytes: Stream.Stream<Uint8Array, E>, room: number) =>
      Effect.gen(function*() {
        const temporary = join(staging, randomUUID())
        const handle = yield* Effect.acquireRelease(
          io("", () => fs.open(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644)),
          (handle) =>
            Effect.promise(async () => {
              await handle.close()
              // It is not there any more when it has found its place.
              await fs.rm(temporary, { force: true })
            })
        )
        let size = 0
        yield* Stream.runForEach(bytes, (piece) => {
          size += piece.length
          return size > room
            ? Effect.fail(full(noRoomFor(room)))
            : Effect.asVoid(io("", () => handle.writeFile(piece)))
        })
        return {
          size,
          place: (names: Names) =>
            io(pathOf(root, names), () =>
              inFolder({ ...of(names), make: true }, async ({ folder, name }) => {
                if (name === undefined) throw refused(root, "is a folder")
                if (!isPlain(name)) throw refused(pathOf(root, names), "has characters that no name may have")
                const before = await fs.lstat(at(folder, name)).catch(() => undefined)
                if (before?.isDirectory() === true) throw refused(pathOf(root, names), "is a folder")
                if (before !== undefined && !before.isFile()) throw refused(pathOf(root, names), "is no file")
                // A program stays one when it is edited.
                if (before !== undefined) await handle.chmod(before.mode & 0o777)
                if (user !== undefined) await handle.chown(user, user)
                await fs.rename(temporary, at(folder, name))
              }))
        }
      }),
    stageFolder: (files, room) => NewFolder.stage({ files, room, staging, trash, user, at: of }),
    remove,
    usage: (most) =>
      io(root, async () => {
        const sum = { bytes: 0, files: 0 }
        await inFolder(of([]), ({ folder }) => count(folder, sum, most))
        return sum
      })
  }
}

export const make = Effect.fnUntraced(function*({ dir, root, userOf = () => undefined }: Options) {
  const owners = join(dir, "owners")
  const staging = join(dir, "staging")
  const trash = join(dir, "trash")
  yield* Effect.promise(async () => {
    for (const folder of [dir, owners, staging, trash]) await fs.mkdir(folder, { recursive: true, mode: 0o700 })
  })

  const folderOf = (owner: UserId, key: WorkspaceKey) => join(owners, hashOf(owner), key)
  const filesOf = (owner: UserId, key: WorkspaceKey) => join(folderOf(owner, key), "files")
  const place = (owner: UserId, key: WorkspaceKey): Place =>
    placeAt(filesOf(owner, key), root ?? filesOf(owner, key), userOf(key), { staging, trash })

  const readMeta = (folder: string) =>
    Effect.promise(() => fs.readFile(join(folder, "meta.json"), "utf8").catch(() => "")).pipe(
      Effect.flatMap(Schema.decode(Meta)),
      Effect.option
    )

  /** Removes what is in the trash, once at a time. */
  const lock = yield* Effect.makeSemaphore(1)
  const scope: Scope.Scope = yield* Effect.scope
  const emptying = Effect.promise(() => Trash.empty(trash)).pipe(
    Effect.catchAllCause((cause) => Effect.logWarning("A removed workspace is not gone from the disk yet", cause)),
    lock.withPermits(1)
  )
  const emptyLater = Effect.forkIn(emptying, scope)

  /** What a killed server has left behind. */
  const sweep = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.promise(async () => {
      for (const name of await fs.readdir(staging)) {
        const path = join(staging, name)
        const info = await fs.lstat(path).catch(() => undefined)
        if (info !== undefined && now - info.mtimeMs > staleAfter) await fs.rm(path, { recursive: true, force: true })
      }
    })
    yield* emptying
  })
  yield* Effect.forkScoped(sweep)

  return {
    dir,
    filesOf,
    place,
    prepare: Effect.fnUntraced(function*(owner: UserId, record: WorkspaceRecord) {
      const folder = folderOf(owner, record.id)
      const known = yield* readMeta(folder)
      const meta = Schema.encodeSync(Meta)({
        ...record,
        ...known._tag === "Some" && { created_at: known.value.created_at },
        last_used_at: timestampOf(yield* Clock.currentTimeMillis)
      })
      yield* io("", async () => {
        await makeFiles(join(folder, "files"), userOf(record.id))
        const temporary = join(staging, randomUUID())
        await fs.writeFile(temporary, meta, { mode: 0o600 })
        await fs.rename(temporary, join(folder, "meta.json"))
      })
      return place(owner, record.id)
    }),
    /** The record of a workspace by the hash of its owner, as the folders are named. */
    recordIn: (owner: string, key: string) =>
      isHash.test(owner) && isHash.test(key)
        ? Effect.map(readMeta(join(owners, owner, key)), Option.getOrUndefined)
        : Effect.succeed(undefined),
    folderOf,
    records: Effect.fnUntraced(function*(owner: UserId) {
      const folder = join(owners, hashOf(owner))
      const keys = yield* Effect.promise(() => fs.readdir(folder).catch(() => []))
      const all = yield* Effect.forEach(keys.slice(0, maxListed), (key) => readMeta(join(folder, key)), {
        concurrency: 8
      })
      return all.flatMap((meta) => meta._tag === "Some" ? [meta.value] : [])
    }),
    destroy: Effect.fnUntraced(function*(owner: UserId, key: WorkspaceKey) {
      yield* Effect.promise(async () => {
        const folder = folderOf(owner, key)
        try {
          await fs.rename(folder, join(trash, randomUUID()))
          // The owner's folder goes with the last workspace in it.
          await fs.rmdir(dirname(folder)).catch(() => {})
        } catch (error) {
          if (codeOf(error) !== "ENOENT") throw error
        }
      })
      yield* emptyLater
    })
  } satisfies Omit<Backend, "kind" | "spawn"> & {
    dir: string
    filesOf: typeof filesOf
    folderOf: typeof folderOf
    recordIn: (owner: string, key: string) => Effect.Effect<WorkspaceRecord | undefined>
  }
})
