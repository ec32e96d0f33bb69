/** What is wrong between skills with steps, the tools that these call, and the agents that have them. */
import { Schema } from "effect"
import { isWorkflow, workflowSkillsOf } from "../../domain/AgentWorkflows.ts"
import { type AgentDefinition, DefinitionId, type Fault, type SkillDefinition } from "../../domain/Definition.ts"
import { remotePrefix } from "../../domain/RemoteAgent.ts"
import { callsOf, promptName } from "../../domain/Workflow.ts"
import type { Book, ToolDefinition } from "../../services/Catalog.ts"

/** Workflows whose steps call workflows: how many may stand in one another. */
const maxDepth = 4

type Folder = Omit<Book, "revision">

/** How many workflows stand in one another at most, this one included; Infinity where one comes back to itself. */
const depthsIn = ({ skills }: Folder) => {
  const known = new Map<string, number>()
  const inside = new Set<string>()
  const depthOf = (skill: SkillDefinition): number => {
    const before = known.get(skill.id)
    if (before !== undefined) return before
    // A chain that is too long is looked at no further.
    if (inside.has(skill.id)) return Infinity
    inside.add(skill.id)
    let depth = 1
    for (const { name } of skill.front.steps.flatMap(callsOf)) {
      const other = skills.get(name)
      if (isWorkflow(other)) depth = Math.max(depth, 1 + (inside.size > 64 ? maxDepth : depthOf(other)))
    }
    inside.delete(skill.id)
    known.set(skill.id, depth)
    return depth
  }
  return depthOf
}

const at = (skill: SkillDefinition, step: number, message: string, fix: string): Fault => {
  const [line, column] = skill.places[step] ?? [0, 0]
  return { level: "error", file: `skills/${skill.id}/SKILL.md`, line, column, message, fix }
}

const mayBeThere = (name: string, tools: ReadonlyMap<string, ToolDefinition>, taken: ReadonlySet<string>) =>
  name === promptName || name.startsWith("mcp__") || name.startsWith(remotePrefix) || tools.has(name) ||
  // Where nothing is known of the server, what is not called as folders are may be a tool of its own.
  (taken.size === 0 ? !Schema.is(DefinitionId)(name) : taken.has(name))

const ofSkill = (book: Folder, skill: SkillDefinition, taken: ReadonlySet<string>, depth: number) => {
  const { front: { steps }, id } = skill
  const faults: Array<Fault> = []
  const first = (message: string, fix: string) => void faults.push(at(skill, 0, message, fix))
  if (taken.has(id) || book.tools.has(id)) {
    first(`A skill with steps is a tool of its name, and there is a tool called ${id}.`, "Rename one of them.")
  }
  if (depth === Infinity) first("A step comes back to the skill that it is a step of.", "Take it out.")
  else if (depth > maxDepth) first(`More than ${maxDepth} skills with steps call one another.`, "Join some.")
  for (const [i, step] of steps.entries()) {
    for (const { name } of callsOf(step)) {
      if (mayBeThere(name, book.tools, taken) || isWorkflow(book.skills.get(name))) continue
      faults.push(at(skill, i, `There is no tool called ${name}.`, "Add it, or correct the name."))
    }
  }
  return faults
}

/** A step of an agent's skill that calls a tool which only agents that name it have. */
const ofAgent = (book: Folder, agent: AgentDefinition, taken: ReadonlySet<string>) => {
  const { tools } = agent.front
  return workflowSkillsOf(book, agent).flatMap((skill) =>
    skill.front.steps.flatMap((step, i) =>
      callsOf(step).flatMap(({ name }) => {
        const allowed = book.tools.get(name)?.front.permissions.allowed_agents ?? []
        const isKept = allowed.length > 0 && !allowed.some((one) => one === agent.id)
        const isServers = taken.has(name) && (tools === "none" || (typeof tools !== "string" && !tools.includes(name)))
        return !isKept && !isServers ? [] : [at(
          skill,
          i,
          `The agent ${agent.id} has this skill, and may not use the tool ${name}.`,
          isKept ? `Add the agent to allowed_agents of the tool.` : `Add it to the tools of the agent.`
        )]
      })
    )
  )
}

export const faultsOf = (book: Folder, taken: ReadonlySet<string>): ReadonlyArray<Fault> => {
  const depthOf = depthsIn(book)
  return [
    ...[...book.skills.values()].filter(isWorkflow).flatMap((skill) => ofSkill(book, skill, taken, depthOf(skill))),
    ...[...book.agents.values()].flatMap((agent) => ofAgent(book, agent, taken))
  ]
}
