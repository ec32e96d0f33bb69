/** The files of a workspace in its sandbox. Bytes come into a folder beside it, and are moved to their place when all are there. */
import { Duration, Effect, type Stream } from "effect"
import { randomUUID } from "node:crypto"
import type { UserId } from "../../../domain/Ids.ts"
import {
  type Entry,
  type EntryKind,
  type FileError,
  full,
  isPlain,
  noSuchPath,
  pathOf,
  refused,
  type WorkspaceKey
} from "../../../domain/Workspace.ts"
import { pieceBytes } from "../../../services/Workspace.ts"
import type { Names, Place, StagedFile, Usage } from "../Backend.ts"
import { type Client, E2bFailed, type Sandbox } from "./Client.ts"
import * as Programs from "./Programs.ts"
import { home, root, type Sandboxes, unavailable } from "./Sandboxes.ts"
import * as Upload from "./Upload.ts"

/** Beside the workspace, so that what comes is moved and not copied. */
const staging = `${home}/.stoa`

/** Longest time to remove a folder. */
const removeIn = Duration.minutes(2)

/** Counts what is in a folder: entries, and bytes on the disk. */
const countScript = `cd "$1" && find . -mindepth 1 -printf '%y %b\\n' 2>/dev/null | head -n "$2" |
awk '$1 != "d" { s += $2 } END { printf "%d %.0f", NR, s * 512 }'`

const Kinds: Readonly<Record<string, EntryKind>> = {
  FILE_TYPE_FILE: "file",
  FILE_TYPE_DIRECTORY: "directory",
  FILE_TYPE_SYMLINK: "link"
}

/** As the sandbox tells it; numbers of 64 bits are texts. */
interface Info {
  readonly name?: string
  readonly type?: string | number
  readonly size?: string | number
  readonly mode?: number
  readonly modifiedTime?: string
  readonly symlinkTarget?: string
}

const entryOf = (name: string, { modifiedTime, size, type }: Info, isLink: boolean): Entry => {
  const kind = isLink ? "link" : Kinds[String(type)] ?? "other"
  const modified = Date.parse(modifiedTime ?? "") / 1000
  return {
    name,
    kind,
    size: kind === "file" ? Math.max(0, Number(size ?? 0) || 0) : 0,
    modified: Number.isFinite(modified) ? modified : 0
  }
}

/** What went wrong, in words of workspaces. */
const failureOf = (path: string, error: E2bFailed): FileError => {
  const { code, message, status } = error
  if (status === 507 || /no space left|disk quota|disk space|inodes available/i.test(message)) {
    return full("The disk of the sandbox is full: delete what is not needed any more.")
  }
  if (/not a directory|path is a file/i.test(message)) return refused(path, "leads through something that is no folder")
  if (/file name too long/i.test(message)) return refused(path, "is too long")
  if (/too many (levels of symbolic )?links/i.test(message)) return refused(path, "leads through too many links")
  if (/permission denied|operation not permitted/i.test(message)) {
    return refused(path, "may not be used: its permissions forbid it")
  }
  if (code === "not_found" || status === 404) return noSuchPath(path)
  if (/is a directory/i.test(message)) return refused(path, "is a folder")
  if (/response_too_large/.test(message)) return refused(path, "has too much in it to be read at once")
  return code === "invalid_argument" ? refused(path, "cannot be used") : unavailable(error)
}

const counted = (client: Client, sandbox: Sandbox, most: number) =>
  Effect.flatMap(
    client.patiently(Programs.run(client, sandbox, countScript, [root, String(most)])),
    ({ out }): Effect.Effect<Usage, E2bFailed> => {
      const [, files, bytes] = /^(\d{1,9}) (\d{1,16})$/.exec(out) ?? []
      return files === undefined
        ? Effect.fail(new E2bFailed({ status: 0, code: undefined, message: "The sandbox cannot count its files" }))
        : Effect.succeed({ files: Number(files), bytes: Number(bytes) })
    }
  )

const placeOf = (
  client: Client,
  sandboxes: Sandboxes,
  owner: UserId,
  key: WorkspaceKey,
  isQuiet: boolean
): Place => {
  const at = <A>(
    path: string,
    work: (sandbox: Sandbox) => Effect.Effect<A, E2bFailed>,
    quietly = isQuiet
  ): Effect.Effect<A, FileError> =>
    Effect.catchTag(
      sandboxes.within(owner, key, ({ sandbox }) => work(sandbox), quietly),
      "E2bFailed",
      (error) => Effect.fail(failureOf(path, error))
    )

  const ask = (path: string, method: string, body: object, within?: Duration.Duration) =>
    at(path, (sandbox) => client.patiently(client.rpc(sandbox, `filesystem.Filesystem/${method}`, body, within)))

  const infoOf = (path: string): Effect.Effect<Info, FileError> =>
    Effect.map(ask(path, "Stat", { path }), (body) => (body as { readonly entry?: Info } | undefined)?.entry ?? {})

  const found = (path: string) =>
    infoOf(path).pipe(Effect.catchIf((error) => error.code === "no_such_path", () => Effect.succeed(undefined)))

  const stat = (names: Names) =>
    Effect.gen(function*() {
      const path = pathOf(root, names)
      const info = yield* infoOf(path)
      const entry = entryOf(names.at(-1) ?? "", info, false)
      // The size of a link is its own; it is followed.
      if (entry.kind !== "file" || info.symlinkTarget === undefined || info.symlinkTarget === "") return entry
      return entryOf(entry.name, yield* infoOf(info.symlinkTarget), false)
    })

  const move = (source: string, destination: string) => ask(destination, "Move", { source, destination })
  const discard = (path: string) =>
    Effect.ignore(Effect.interruptible(
      at(path, (sandbox) => client.rpc(sandbox, "filesystem.Filesystem/Remove", { path }, removeIn), true)
    ))
  const touched = Effect.catchTag(
    sandboxes.within(owner, key, (held) =>
      Effect.sync(() => {
        held.isEmpty = false
      })),
    "E2bFailed",
    (error) => Effect.fail(unavailable(error))
  )

  const staged = Effect.acquireRelease(
    Effect.sync(() => ({ path: `${staging}/${randomUUID()}`, isThere: false })),
    (one) => one.isThere ? discard(one.path) : Effect.void
  )

  return {
    root,
    stat,
    open: Effect.fnUntraced(function*(names) {
      const path = pathOf(root, names)
      const { kind, modified, size } = yield* stat(names)
      if (kind === "directory") return yield* refused(path, "is a folder")
      if (kind !== "file") return yield* refused(path, "is no file")
      let state: string | null | undefined
      /** What was read last: small files come whole, and stay what they were. */
      let known: { readonly from: number; readonly bytes: Uint8Array } | undefined
      return {
        size,
        modified,
        read: (offset, length) =>
          Effect.gen(function*() {
            if (
              offset >= size && known !== undefined || length === 0 || size === 0 && offset > 0
            ) return new Uint8Array(0)
            const upTo = known === undefined ? -1 : known.from + known.bytes.length
            if (known !== undefined && offset >= known.from && (offset < upTo || upTo >= size)) {
              return known.bytes.subarray(offset - known.from, offset - known.from + length)
            }
            const from = size <= pieceBytes ? 0 : Math.min(offset, Number.MAX_SAFE_INTEGER - pieceBytes)
            const { bytes, headers, status } = yield* at(path, (sandbox) =>
              client.patiently(client.download(sandbox, path, from, from + pieceBytes - 1)).pipe(
                Effect.catchIf(({ status }) =>
                  status === 416, () => Effect.succeed(undefined))
              )).pipe(Effect.map((answer) =>
                answer ?? { bytes: new Uint8Array(0), headers: undefined, status: 206 }
              ))
            const total = Number(/\/(\d{1,16})$/.exec(headers?.get("content-range") ?? "")?.[1] ?? size)
            const now = headers?.get("last-modified")
            // What has only grown is what it was, as far as it was read.
            if (total < size || (total === size && state !== undefined && now !== undefined && now !== state)) {
              return yield* refused(path, "was changed while it was read")
            }
            if (now !== undefined) state = now
            // One that knows no ranges sends the whole.
            known = { from, bytes: status === 206 ? bytes : bytes.subarray(from, from + pieceBytes) }
            return known.bytes.subarray(offset - from, offset - from + length)
          })
      }
    }),
    list: (names, limit) =>
      Effect.gen(function*() {
        const path = pathOf(root, names)
        const body = yield* Effect.mapError(
          ask(path, "ListDir", { path, depth: 1 }),
          (error) => error._tag === "PathRefused" ? refused(path, "is no folder") : error
        )
        const { entries = [] } = (body ?? {}) as { readonly entries?: ReadonlyArray<Info> }
        return {
          entries: entries.map((info) => entryOf(info.name ?? "", info, (info.symlinkTarget ?? "") !== ""))
            .toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0).slice(0, limit),
          truncated: entries.length > limit
        }
      }),
    stage: <E>(bytes: Stream.Stream<Uint8Array, E>, room: number) =>
      Effect.gen(function*() {
        const one = yield* staged
        one.isThere = true
        const size = yield* Upload.send(client, at, one.path, [{ path: "file", bytes }], room)
        return {
          size,
          place: (names: Names) =>
            Effect.gen(function*() {
              const path = pathOf(root, names)
              if (names.length === 0) return yield* refused(root, "is a folder")
              if (!isPlain(names.at(-1)!)) return yield* refused(path, "has characters that no name may have")
              const before = yield* found(path)
              const kind = before === undefined ? "file" : entryOf("", before, false).kind
              if (kind === "directory") return yield* refused(path, "is a folder")
              if (kind !== "file") return yield* refused(path, "is no file")
              const mode = (before?.mode ?? 0) & 0o777
              // A program stays one when it is edited.
              if ((mode & 0o111) !== 0) {
                yield* at(
                  path,
                  (sandbox) => Programs.run(client, sandbox, "chmod \"$1\" \"$2\"", [mode.toString(8), one.path])
                )
              }
              yield* touched
              yield* move(one.path, before?.symlinkTarget || path)
              one.isThere = false
            })
        }
      }),
    stageFolder: <E>(files: ReadonlyArray<StagedFile<E>>, room: number) =>
      Effect.gen(function*() {
        const one = yield* staged
        one.isThere = true
        const paths = files.map(({ bytes, names }) => ({ path: [one.path, ...names].join("/"), bytes }))
        yield* ask(one.path, "MakeDir", { path: one.path })
        const size = files.length === 0 ? 0 : yield* Upload.send(client, at, undefined, paths, room)
        return {
          size,
          place: (names: Names) =>
            Effect.gen(function*() {
              const path = pathOf(root, names)
              if (names.length === 0) return yield* refused(path, "is the workspace itself")
              const old = `${staging}/${randomUUID()}`
              yield* touched
              if ((yield* found(path)) !== undefined) yield* move(path, old)
              yield* move(one.path, path)
              one.isThere = false
              yield* discard(old)
            })
        }
      }),
    remove: (names) =>
      Effect.gen(function*() {
        const path = pathOf(root, names)
        if (names.length === 0) return yield* refused(root, "is the workspace itself")
        yield* infoOf(path)
        yield* ask(path, "Remove", { path }, removeIn)
      }),
    usage: (most) =>
      sandboxes.within(
        owner,
        key,
        ({ isEmpty, sandbox }) =>
          isEmpty ? Effect.succeed<Usage>({ files: 0, bytes: 0 }) : counted(client, sandbox, most),
        isQuiet
      ).pipe(Effect.mapError((error) => error._tag === "E2bFailed" ? unavailable(error) : error))
  }
}

export { placeOf as make }
