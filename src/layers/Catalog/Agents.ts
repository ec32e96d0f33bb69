/** Reads `agents/`: what all agents are told, and each agent with what it alone is told. */
import { Either } from "effect"
import { type AgentDefinition, AgentFrontMatter, type DefinitionId, type Fault } from "../../domain/Definition.ts"
import { type Disk, gathering, Refused, whole } from "./Disk.ts"
import { reader } from "./FrontMatter.ts"
import { forEach, idsIn } from "./Names.ts"
import * as Schedules from "./Schedules.ts"

export const folder = "agents"

/** Bytes of one file, and characters of everything that an agent is told. */
const maxFile = 256 * 1024
const maxPrompt = 512 * 1024

/** Most tenants of whom one agent remembers something. */
const maxMemories = 1_000

/** Most files of an agent's context. */
const maxContext = 128

const decode = reader(AgentFrontMatter, Object.keys(AgentFrontMatter.fields))

const textOf = async (disk: Disk, place: string) => (await disk.textOf(place, maxFile))?.text.trim() ?? ""

const filled = (texts: ReadonlyArray<string>) => texts.filter((text) => text !== "")

const contextOf = async (disk: Disk, own: string, named: ReadonlyArray<string>) => {
  const found = (await disk.namesIn(`${own}/context`)).filter((name) => name.endsWith(".md"))
  const explicit = named.map((path) => ({ name: path, places: [`${own}/${path}`, `${folder}/${path}`] }))
  const automatic = found.map((name) => ({ name: `context/${name}`, places: [`${own}/context/${name}`] }))
  const seen = new Set<string>()
  const all = [...automatic, ...explicit].filter(({ name }) => !seen.has(name) && seen.add(name))
  if (all.length > maxContext) {
    throw new Refused(whole(`${own}/context`, `There are more than ${maxContext} files of context.`, "Join some."))
  }
  const read: Array<{ readonly name: string; readonly text: string }> = []
  for (const { name, places } of all) {
    let text: string | undefined
    for (const place of places) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- the nearer one is the one
      text ??= (await disk.textOf(place, maxFile))?.text
    }
    if (text === undefined) {
      throw new Refused(
        whole(`${own}/AGENT.md`, `The context ${name} is not there.`, "Add the file, or take the name out.")
      )
    }
    if (text.trim() !== "") read.push({ name, text: text.trim() })
  }
  return read
}

const noMemory: AgentDefinition["layers"]["memory"] = { all: "", of: new Map() }

/** `MEMORY.md`, and `memory/<tenant>.md`: their first lines. */
const memoryOf = async (disk: Disk, own: string, { memory }: AgentFrontMatter) => {
  if (memory?.enabled !== true) return noMemory
  const read = async (place: string) =>
    (await textOf(disk, place)).split("\n").slice(0, memory.max_memory_md_lines).join("\n").trim()
  const names = (await disk.namesIn(`${own}/memory`)).filter((name) => name.endsWith(".md"))
  if (names.length > maxMemories) {
    throw new Refused(
      whole(`${own}/memory`, `There are memories of more than ${maxMemories} tenants.`, "Take some away.")
    )
  }
  const of = new Map<string, string>()
  for (const name of names) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other: a thousand need not be open at once
    of.set(name.slice(0, -".md".length), await read(`${own}/memory/${name}`))
  }
  return { all: await read(`${own}/MEMORY.md`), of }
}

const agentOf = async (
  disk: Disk,
  id: DefinitionId,
  shared: ReadonlyArray<string>,
  minSeconds: number
): Promise<Either.Either<AgentDefinition, ReadonlyArray<Fault>>> => {
  const own = `${folder}/${id}`
  const file = `${own}/AGENT.md`
  const main = await disk.textOf(file, maxFile)
  if (main === undefined) {
    throw new Refused(whole(own, "There is no AGENT.md.", "Write one, or move the folder away."))
  }
  const read = decode(file, main.text)
  if (Either.isLeft(read)) return Either.left(read.left)
  const { body, front, placeOf } = read.right
  const wrong = await Schedules.faultsIn(file, front, placeOf, minSeconds)
  if (wrong.length > 0) return Either.left(wrong)
  if (body === "") {
    throw new Refused(whole(file, "The agent is told nothing.", "Write below the front matter who it is."))
  }
  const layers = {
    shared,
    own: filled([body, await textOf(disk, `${own}/BEHAVIOR.md`)]),
    reference: await contextOf(disk, own, front.context),
    memory: await memoryOf(disk, own, front)
  }
  const length = [...layers.shared, ...layers.own, ...layers.reference.map(({ text }) => text)]
    .reduce((sum, text) => sum + text.length, 0)
  if (length > maxPrompt) {
    throw new Refused(
      whole(file, `All that the agent is told has more than ${maxPrompt} characters.`, "Make it shorter.")
    )
  }
  return Either.right({ id, front, layers })
}

/** `minSeconds` is the shortest time between two fires of a schedule. */
export const read = async (
  disk: Disk,
  faults: Array<Fault>,
  minSeconds: number
): Promise<ReadonlyMap<string, AgentDefinition>> => {
  const shared = await gathering(
    faults,
    async () => filled([await textOf(disk, `${folder}/AGENTS.md`), await textOf(disk, `${folder}/BEHAVIOR.md`)])
  ) ?? []
  const agents = new Map<string, AgentDefinition>()
  const ids = await idsIn(disk, folder, faults)
  for (
    const [id, agent] of await forEach(ids, (id) => gathering(faults, () => agentOf(disk, id, shared, minSeconds)))
  ) {
    if (agent === undefined) continue
    if (Either.isRight(agent)) agents.set(id, agent.right)
    else faults.push(...agent.left)
  }
  return agents
}
