/** A folder of the server's disk as a source. Links, devices and what changes meanwhile are refused. */
// oxlint-disable no-await-in-loop -- folders are walked one after the other, within few descriptors
import { Effect, Option, Stream } from "effect"
import { constants, promises as fs } from "node:fs"
import { isAbsolute, join } from "node:path"
import { Invalid } from "../../domain/Errors.ts"
import { type Brought, maxSkillFiles, skillRefused } from "../../domain/SkillFiles.ts"
import type { Opening } from "./Source.ts"

/** Entries that are looked at, and folders in each other. */
const maxEntries = maxSkillFiles * 2
const maxDepth = 16

const pieceBytes = 256 * 1024

const notThere = skillRefused("there is no folder at this path of the server that the server may read", "skill_path")

/** Its own refusals pass; whatever else went wrong says nothing of the server's disk. */
const tried = <A>(work: () => Promise<A>): Effect.Effect<A, Invalid> =>
  Effect.tryPromise({ try: work, catch: (error) => error instanceof Invalid ? error : notThere })

const walk = async (root: string, below: string, depth: number, found: Array<Brought>): Promise<void> => {
  if (depth > maxDepth) throw skillRefused(`a file is more than ${maxDepth} levels deep`, below)
  for (const entry of await fs.readdir(join(root, below), { withFileTypes: true })) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`
    if (entry.name === ".git") continue
    if (entry.isDirectory()) await walk(root, path, depth + 1, found)
    else if (!entry.isFile()) throw skillRefused("a file of the folder is a link or a device", path)
    else found.push({ path, size: (await fs.lstat(join(root, path))).size })
    if (found.length > maxEntries) throw skillRefused(`it has more than ${maxSkillFiles} files`)
  }
}

const openFile = async (path: string) => {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  // It may have been exchanged since it was found.
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw notThere
}

export const open = Effect.fnUntraced(function*(path: string) {
  if (!isAbsolute(path) || path.includes("\0")) {
    return yield* skillRefused("the path must be an absolute one of the server", "skill_path")
  }
  const brought: Array<Brought> = []
  yield* tried(() => walk(path, "", 1, brought))
  return {
    brought,
    packed: undefined,
    bytes: (place: number) =>
      Stream.unwrapScoped(Effect.map(
        Effect.acquireRelease(
          tried(() => openFile(join(path, brought[place]!.path))),
          (handle) => Effect.promise(() => handle.close())
        ),
        (handle) =>
          Stream.unfoldEffect(0, (at) =>
            Effect.map(
              tried(() => handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, at)),
              ({ buffer, bytesRead }) =>
                bytesRead === 0 ? Option.none() : Option.some([buffer.subarray(0, bytesRead), at + bytesRead] as const)
            ))
      ))
  }
}) satisfies (path: string) => Opening
