/** The folders in a folder, whose names are the names of what they define. */
import { Schema } from "effect"
import { DefinitionId, type Fault } from "../../domain/Definition.ts"
import { type Disk, gathering, whole } from "./Disk.ts"

/** Most agents, most tools and most skills. */
export const maxDefinitions = 5_000

const isId = Schema.is(DefinitionId)

export const idsIn = async (disk: Disk, folder: string, faults: Array<Fault>): Promise<ReadonlyArray<DefinitionId>> => {
  const names = await gathering(faults, () => disk.namesIn(folder)) ?? []
  const ids: Array<DefinitionId> = []
  for (const name of names) {
    // Texts beside the folders are no definitions.
    if (name.endsWith(".md")) continue
    const place = `${folder}/${name}`
    // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other: a thousand need not be open at once
    const isFolder = await gathering(faults, async () => (await disk.statOf(place))?.isDirectory() ?? false)
    if (isFolder !== true) continue
    if (isId(name)) ids.push(name)
    else {
      faults.push(whole(
        place,
        "The name of the folder is no name of a definition.",
        "Use 1 to 64 small letters, digits, dashes or underscores, a letter or digit first."
      ))
    }
  }
  if (ids.length > maxDefinitions) {
    faults.push(whole(folder, `There are more than ${maxDefinitions} definitions.`, "Move some away."))
  }
  return ids.slice(0, maxDefinitions)
}

/** Definitions that are read at the same time. */
const concurrency = 16

/** Does the work for each, a few at a time, and answers in their order. */
export const forEach = async <A>(
  ids: ReadonlyArray<DefinitionId>,
  work: (id: DefinitionId) => Promise<A>
): Promise<ReadonlyArray<readonly [DefinitionId, A]>> => {
  const all: Array<readonly [DefinitionId, A]> = []
  for (let i = 0; i < ids.length; i += concurrency) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- a few at a time: thousands need not be open at once
    all.push(...await Promise.all(ids.slice(i, i + concurrency).map(async (id) => [id, await work(id)] as const)))
  }
  return all
}
