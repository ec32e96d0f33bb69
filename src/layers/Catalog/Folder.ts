/** Reads a whole folder of definitions, with all that is wrong in it. */
import type { Fault } from "../../domain/Definition.ts"
import { minIntervalSeconds } from "../../domain/Schedule.ts"
import type { Book } from "../../services/Catalog.ts"
import * as Agents from "./Agents.ts"
import { open, whole } from "./Disk.ts"
import * as Notifications from "./Notifications.ts"
import * as References from "./References.ts"
import * as Schemas from "./Schemas.ts"
import * as Skills from "./Skills.ts"
import * as Tools from "./Tools.ts"

/** Most faults that are told at once. */
const maxFaults = 200

export interface Folder {
  readonly book: Omit<Book, "revision">
  readonly faults: ReadonlyArray<Fault>
}

const inOrder = (a: Fault, b: Fault) => a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1

/** What the folder is held against. */
export interface Around {
  readonly taken?: References.Taken
  /** Schemas that stand above those of the files. */
  readonly schemas?: Schemas.Schemas
  /** Shortest time between two fires of a schedule, in seconds. */
  readonly schedule_min_seconds?: number
  /** Who can be told of runs; nothing is said of that without it. */
  readonly receivers?: Notifications.Reachable
}

/** Never rejects. */
export const read = async (
  root: string,
  { receivers, schedule_min_seconds = minIntervalSeconds, schemas = {}, taken = References.none }: Around = {}
): Promise<Folder> => {
  const empty = { agents: new Map(), tools: new Map(), skills: new Map() }
  const faults: Array<Fault> = []
  try {
    const disk = await open(root)
    if ((await disk.statOf("."))?.isDirectory() !== true) {
      return { book: empty, faults: [whole(root, "This is no folder.", "Name the folder that has agents/ in it.")] }
    }
    const read = {
      agents: await Agents.read(disk, faults, schedule_min_seconds),
      tools: await Tools.read(disk, faults),
      skills: await Skills.read(disk, faults)
    }
    const given = Schemas.added(read.agents, schemas)
    const book = { ...read, agents: given.agents }
    // A definition that is broken is not there: who names it is right all the same.
    if (faults.length === 0) {
      faults.push(
        ...given.faults,
        ...References.faultsOf(book, taken),
        ...Notifications.faultsOf(book.agents, receivers)
      )
    }
    return { book, faults: faults.toSorted(inOrder).slice(0, maxFaults) }
  } catch (cause) {
    const isGone = cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")
    return {
      book: empty,
      faults: [
        whole(root, isGone ? "There is no such folder." : "The folder cannot be read.", "Make it, or name another.")
      ]
    }
  }
}
