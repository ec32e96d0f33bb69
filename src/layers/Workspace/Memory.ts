/** Workspaces in memory: they have files and links, nothing can be run in them, and they end with the process. For tests. */
import { Clock, Effect, Layer, Stream } from "effect"
import { Gone } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import {
  type Entry,
  type FileError,
  full,
  isPlain,
  noRoomFor,
  noSuchPath,
  pathOf,
  refused,
  type WorkspaceKey,
  type WorkspaceRecord
} from "../../domain/Workspace.ts"
import { Workspace } from "../../services/Workspace.ts"
import type { Backend, Names, Place, StagedFile } from "./Backend.ts"
import * as Shared from "./Shared.ts"

const root = "/workspace"

interface File {
  readonly bytes: Uint8Array
  readonly modified: number
}

type Folder = Map<string, Folder | File>

const isFolder = (node: Folder | File | undefined): node is Folder => node instanceof Map

const entryOf = (name: string, node: Folder | File): Entry =>
  isFolder(node)
    ? { name, kind: "directory", size: 0, modified: 0 }
    : { name, kind: "file", size: node.bytes.length, modified: node.modified }

const usageOf = (folder: Folder): { bytes: number; files: number } => {
  const sum = { bytes: 0, files: 0 }
  for (const node of folder.values()) {
    const { bytes, files } = isFolder(node) ? usageOf(node) : { bytes: node.bytes.length, files: 0 }
    sum.bytes += bytes
    sum.files += files + 1
  }
  return sum
}

const gone = new Gone({ code: "workspace_deleted", detail: "The workspace has been deleted." })

const placeOf = (top: () => Folder | undefined): Place => {
  const find = (names: Names) =>
    Effect.suspend((): Effect.Effect<Folder | File, FileError> => {
      let node: Folder | File | undefined = top()
      if (node === undefined) return gone
      for (const name of names) {
        if (!isFolder(node)) return refused(pathOf(root, names), "leads through something that is no folder")
        node = node.get(name)
        if (node === undefined) return noSuchPath(pathOf(root, names))
      }
      return Effect.succeed(node)
    })

  const folderFor = (names: Names, make: boolean) =>
    Effect.suspend((): Effect.Effect<Folder, FileError> => {
      let folder = top()
      if (folder === undefined) return gone
      for (const name of names) {
        let next: Folder | File | undefined = folder.get(name)
        if (next === undefined) {
          if (!make) return noSuchPath(pathOf(root, names))
          folder.set(name, next = new Map())
        }
        if (!isFolder(next)) return refused(pathOf(root, names), "leads through something that is no folder")
        folder = next
      }
      return Effect.succeed(folder)
    })

  return {
    root,
    stat: (names) => Effect.map(find(names), (node) => entryOf(names.at(-1) ?? "", node)),
    open: (names) =>
      Effect.flatMap(find(names), (node) =>
        isFolder(node)
          ? refused(pathOf(root, names), "is a folder")
          : Effect.succeed({
            size: node.bytes.length,
            modified: node.modified,
            read: (offset: number, length: number) => Effect.succeed(node.bytes.subarray(offset, offset + length))
          })),
    list: (names, limit) =>
      Effect.flatMap(find(names), (node) =>
        isFolder(node)
          ? Effect.succeed({
            entries: [...node.keys()].toSorted().slice(0, limit).map((name) => entryOf(name, node.get(name)!)),
            truncated: node.size > limit
          })
          : refused(pathOf(root, names), "is no folder")),
    stage: Effect.fnUntraced(function*<E>(bytes: Stream.Stream<Uint8Array, E>, room: number) {
      const pieces: Array<Uint8Array> = []
      let size = 0
      yield* Stream.runForEach(bytes, (piece) => {
        size += piece.length
        pieces.push(piece)
        return size > room
          ? full(noRoomFor(room))
          : Effect.void
      })
      const now = yield* Clock.currentTimeMillis
      return {
        size,
        place: Effect.fnUntraced(function*(names: Names) {
          const name = names.at(-1)
          if (name === undefined) return yield* refused(root, "is a folder")
          if (!isPlain(name)) return yield* refused(pathOf(root, names), "has characters that no name may have")
          const folder = yield* folderFor(names.slice(0, -1), true)
          if (isFolder(folder.get(name))) return yield* refused(pathOf(root, names), "is a folder")
          folder.set(name, { bytes: Buffer.concat(pieces), modified: now / 1000 })
        })
      }
    }),
    stageFolder: Effect.fnUntraced(function*<E>(files: ReadonlyArray<StagedFile<E>>, room: number) {
      const whole: Folder = new Map()
      const modified = (yield* Clock.currentTimeMillis) / 1000
      let size = 0
      for (const { bytes, names } of files) {
        const pieces: Array<Uint8Array> = []
        yield* Stream.runForEach(Effect.isEffect(bytes) ? Stream.fromEffect(bytes) : bytes, (piece) => {
          size += piece.length
          pieces.push(piece)
          return size > room ? full(noRoomFor(room)) : Effect.void
        })
        let folder = whole
        for (const name of names.slice(0, -1)) {
          const next = folder.get(name) ?? new Map()
          folder.set(name, next)
          if (isFolder(next)) folder = next
        }
        folder.set(names.at(-1)!, { bytes: Buffer.concat(pieces), modified })
      }
      return {
        size,
        place: Effect.fnUntraced(function*(names: Names) {
          const name = names.at(-1)
          if (name === undefined) return yield* refused(root, "is the workspace itself")
          const folder = yield* folderFor(names.slice(0, -1), true)
          folder.set(name, whole)
        })
      }
    }),
    remove: Effect.fnUntraced(function*(names) {
      const name = names.at(-1)
      if (name === undefined) return yield* refused(root, "is the workspace itself")
      const folder = yield* folderFor(names.slice(0, -1), false)
      if (!folder.delete(name)) return yield* noSuchPath(pathOf(root, names))
    }),
    usage: () => Effect.suspend(() => Effect.succeed(usageOf(top() ?? new Map())))
  }
}

export const make = (options: Shared.Options) =>
  Effect.suspend(() => {
    const all = new Map<string, { readonly owner: UserId; readonly record: WorkspaceRecord; readonly files: Folder }>()
    const nameOf = (owner: UserId, key: WorkspaceKey) => `${owner} ${key}`
    const place = (owner: UserId, key: WorkspaceKey) => {
      const at = all.get(nameOf(owner, key))?.files
      return placeOf(() => all.get(nameOf(owner, key))?.files === at ? at : undefined)
    }
    const backend: Backend = {
      kind: { name: "memory", runs: false, about: "Workspaces are kept in memory, and nothing can be run in them" },
      spawn: undefined,
      place,
      prepare: (owner, record) =>
        Effect.sync(() => {
          const known = all.get(nameOf(owner, record.id))
          all.set(nameOf(owner, record.id), {
            owner,
            record: { ...record, created_at: known?.record.created_at ?? record.created_at },
            files: known?.files ?? new Map()
          })
          return place(owner, record.id)
        }),
      records: (owner) =>
        Effect.sync(() => [...all.values()].filter((one) => one.owner === owner).map(({ record }) => record)),
      destroy: (owner, key) => Effect.sync(() => void all.delete(nameOf(owner, key)))
    }
    return Shared.make(backend, options)
  })

export const layer = (options: Shared.Options): Layer.Layer<Workspace> => Layer.scoped(Workspace, make(options))
