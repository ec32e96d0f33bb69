/**
 * Writes a folder with all its files where nobody sees it, and moves it to its place as a whole. So its files need none
 * of the care that paths need in a folder where programs are at work, and who is killed meanwhile leaves no part of it.
 */
import { Effect, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { promises as fs } from "node:fs"
import { join } from "node:path"
import { full, noRoomFor, pathOf, refused } from "../../domain/Workspace.ts"
import type { Names, StagedFile } from "./Backend.ts"
import { at, codeOf, inFolder, io } from "./Confined.ts"
import * as Trash from "./Trash.ts"

/** Files that are written at the same time. */
const concurrency = 8

interface Options<E> {
  readonly files: ReadonlyArray<StagedFile<E>>
  readonly room: number
  readonly staging: string
  readonly trash: string
  /** The user who gets it, if the server may choose. */
  readonly user: number | undefined
  /** How names of the workspace are looked up. */
  readonly at: (names: Names) => Omit<Parameters<typeof inFolder>[0], "make" | "noFollow">
}

/** All folders of the files, each after the one that it is in. */
const foldersOf = (files: ReadonlyArray<{ readonly names: Names }>): ReadonlyArray<string> => [
  ...new Set(files.flatMap(({ names }) => names.slice(0, -1).map((_, i) => join(...names.slice(0, i + 1)))))
]

export const stage = Effect.fnUntraced(function*<E>({ at: find, files, room, staging, trash, user }: Options<E>) {
  const temporary = join(staging, randomUUID())
  const own = async (path: string) => {
    if (user !== undefined) await fs.chown(path, user, user)
  }
  yield* Effect.acquireRelease(
    io("", () => fs.mkdir(temporary, { mode: 0o755 })),
    // It is not there any more when it has found its place.
    () => Effect.promise(() => fs.rm(temporary, { recursive: true, force: true }))
  )
  yield* io("", async () => {
    // oxlint-disable-next-line eslint/no-await-in-loop -- each is made in one that is there
    for (const folder of ["", ...foldersOf(files)]) {
      const path = join(temporary, folder)
      // oxlint-disable-next-line eslint/no-await-in-loop -- each is made in one that is there
      if (folder !== "") await fs.mkdir(path, { mode: 0o755 })
      // oxlint-disable-next-line eslint/no-await-in-loop -- each is made in one that is there
      await own(path)
    }
  })
  let size = 0
  const taken = (piece: Uint8Array) => {
    size += piece.length
    return size > room ? Effect.fail(full(noRoomFor(room))) : Effect.void
  }
  const writeWhole = (path: string, bytes: Effect.Effect<Uint8Array, E>) =>
    Effect.flatMap(bytes, (bytes) =>
      Effect.zipRight(
        taken(bytes),
        io("", async () => {
          await fs.writeFile(path, bytes, { flag: "wx", mode: 0o644 })
          await own(path)
        })
      ))
  const writePieces = (path: string, bytes: Stream.Stream<Uint8Array, E>) =>
    Effect.acquireUseRelease(
      io("", () => fs.open(path, "wx", 0o644)),
      (handle) =>
        Stream.runForEach(bytes, (piece) => Effect.zipRight(taken(piece), io("", () => handle.writeFile(piece)))),
      (handle) => Effect.promise(() => handle.close())
    ).pipe(Effect.zipRight(io("", () => own(path))))
  yield* Effect.forEach(files, ({ bytes, names }) => {
    const path = join(temporary, ...names)
    return Effect.isEffect(bytes) ? writeWhole(path, bytes) : writePieces(path, bytes)
  }, { concurrency, discard: true })
  return {
    size,
    place: (names: Names) =>
      io(
        pathOf(find(names).root, names),
        () =>
          inFolder({ ...find(names), make: true, noFollow: true }, async ({ folder, name }) => {
            if (name === undefined) throw refused(pathOf(find(names).root, names), "is the workspace itself")
            const before = await fs.lstat(at(folder, name)).catch((error: unknown) => {
              if (codeOf(error) !== "ENOENT") throw error
            })
            if (before?.isDirectory() === true) await Trash.discard(folder, name, trash)
            else if (before !== undefined) await fs.unlink(at(folder, name))
            await fs.rename(temporary, at(folder, name))
          })
      )
  }
})
