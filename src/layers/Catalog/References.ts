/** What names what is not there, and what two things are called. */
import { Schema } from "effect"
import { fieldsOf, instructionsField } from "../../domain/AgentConfig.ts"
import { type AgentDefinition, DefinitionId, type Fault } from "../../domain/Definition.ts"
import { delegateTool } from "../../domain/Delegation.ts"
import { allRemote } from "../../domain/RemoteAgent.ts"
import { serverTools } from "../../domain/ServerTools.ts"
import { distance } from "../../domain/Text.ts"
import type { Book } from "../../services/Catalog.ts"
import { whole } from "./Disk.ts"
import * as Schedules from "./Schedules.ts"
import * as Workflows from "./Workflows.ts"

/** Names that the program has taken already. */
export interface Taken {
  /** Agents that are code of the server's own program. */
  readonly agents: ReadonlyArray<string>
  /** The server's own tools, and those of its program. */
  readonly tools: ReadonlySet<string>
  /** The retrievers of the server's program. */
  readonly retrievers?: ReadonlySet<string>
}

export const none: Taken = { agents: [], tools: new Set() }

/** Most names of a circle that are told. */
const maxCircle = 10

const fileOf = ({ id }: AgentDefinition) => `agents/${id}/AGENT.md`

const missing = (file: string, noun: string, name: string) =>
  whole(file, `There is no ${noun} called ${name}.`, `Add it, or take the name out.`)

const later = (file: string, message: string, fix: string): Fault => ({
  ...whole(file, message, fix),
  level: "warning"
})

/** What can be said of an agent and is not heard yet. */
const unused = ({ front: { mcp_servers } }: AgentDefinition) => mcp_servers.length > 0 ? ["mcp_servers"] : []

/** Longest name that is compared with others, and how many letters it may differ by. */
const maxCompared = 64
const maxEdits = 2

const nearestOf = (name: string, known: ReadonlyArray<string>): string | undefined =>
  name.length > maxCompared
    ? undefined
    : known.find((one) => distance(name.toLowerCase(), one.toLowerCase()) <= Math.min(maxEdits, one.length / 3))

/** Tools of MCP servers and of agents elsewhere are not known before a session asks for them, and the server's own are not called as folders are. */
const isOther = (name: string) => name.startsWith("mcp__") || name === allRemote || !Schema.is(DefinitionId)(name)

const ofAgent = (agent: AgentDefinition, { agents, skills, tools }: Omit<Book, "revision">, taken: Taken) => {
  const file = fileOf(agent)
  const { delegates_to, scope, setup_schema, skills: wanted, tools: choice } = agent.front
  const faults: Array<Fault> = []
  for (const name of wanted) if (!skills.has(name)) faults.push(missing(file, "skill", name))
  for (const name of delegates_to) {
    if (!agents.has(name)) faults.push(missing(file, "agent", name))
    else if (name === agent.id) faults.push(whole(file, "The agent hands work to itself.", "Take its name out."))
  }
  if (typeof choice !== "string") {
    for (const name of choice) {
      if (tools.has(name) || taken.tools.has(name) || serverTools.includes(name)) continue
      const near = nearestOf(name, [...tools.keys(), ...serverTools])
      if (!isOther(name)) faults.push(missing(file, "tool", name))
      // The server's program may bring it: here nobody knows.
      else if (near !== undefined) {
        faults.push(later(
          file,
          `There is no tool called ${name}, unless the server's program brings it.`,
          `Did you mean ${near}?`
        ))
      }
    }
  }
  for (const name of agent.front.retrievers.filter((name) => taken.retrievers?.has(name) !== true)) {
    faults.push(later(
      file,
      `There is no retriever called ${name}: nothing is looked up by it.`,
      "Let the server's program bring it, or take the name out."
    ))
  }
  for (const field of unused(agent)) {
    faults.push(later(file, `The field ${field} has no effect yet.`, "Leave it for later, or take it out."))
  }
  if (scope === "personal" && setup_schema === null) {
    faults.push(whole(file, "A personal agent has no setup_schema.", "Add one, or make its scope global."))
  }
  if (setup_schema !== null && Object.hasOwn(fieldsOf(setup_schema), instructionsField)) {
    faults.push(
      whole(file, `Its setup_schema asks for ${instructionsField}, which all users can give.`, "Rename that field.")
    )
  }
  if (taken.agents.includes(agent.id)) {
    faults.push(
      whole(file, `The server's program has an agent called ${agent.id} too.`, "Rename the folder or that agent.")
    )
  }
  return faults
}

/** Ways on which agents hand work back to themselves, each once. */
const circlesIn = (agents: ReadonlyMap<string, AgentDefinition>): ReadonlyArray<ReadonlyArray<string>> => {
  const next = (id: string) => (agents.get(id)?.front.delegates_to ?? []).filter((name) => name !== id)
  const done = new Set<string>()
  const circles: Array<ReadonlyArray<string>> = []
  for (const start of agents.keys()) {
    if (done.has(start)) continue
    // The way from the start, and which of its agents' names are still to be followed: no recursion, however long it is.
    const way: Array<{ readonly id: string; readonly left: Array<string> }> = [{ id: start, left: [...next(start)] }]
    const place = new Map([[start, 0]])
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const name = at.left.shift()
      if (name === undefined) {
        done.add(at.id)
        place.delete(at.id)
        way.pop()
      } else if (place.has(name)) {
        circles.push([...way.slice(place.get(name)).map(({ id }) => id), name])
      } else if (!done.has(name)) {
        place.set(name, way.length)
        way.push({ id: name, left: [...next(name)] })
      }
    }
  }
  return circles
}

const circleFaults = (agents: ReadonlyMap<string, AgentDefinition>) =>
  circlesIn(agents).map((circle) =>
    whole(
      `agents/${circle.at(-2)}/AGENT.md`,
      `Work is handed round in a circle: ${circle.slice(-maxCircle).join(" to ")}.`,
      `Take ${circle.at(-1)} out of its delegates_to.`
    )
  )

export const faultsOf = (book: Omit<Book, "revision">, taken: Taken): ReadonlyArray<Fault> => {
  const { agents, skills, tools } = book
  return [
    ...[...agents.values()].flatMap((agent) => ofAgent(agent, book, taken)),
    ...circleFaults(agents),
    ...Schedules.faultsOf(agents),
    ...[...skills.values()].flatMap(({ front, id }) =>
      front.tools
        .filter((name) => !tools.has(name) && !taken.tools.has(name))
        .map((name) => missing(`skills/${id}/SKILL.md`, "tool", name))
    ),
    ...Workflows.faultsOf(book, taken.tools),
    ...[...tools.values()].flatMap(({ front, id }) => {
      const file = `tools/${id}/TOOL.md`
      return [
        ...taken.tools.has(id) || id === delegateTool
          ? [whole(file, `The server has a tool called ${id} too.`, "Rename the folder.")]
          : [],
        ...front.permissions.allowed_agents.filter((name) => !agents.has(name))
          .map((name) => missing(file, "agent", name))
      ]
    })
  ]
}
