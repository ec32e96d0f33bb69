/** The workflows that agents have by their skills: each is a tool of the skill's name. */
import type { AgentDefinition, SkillDefinition, ToolFrontMatter } from "./Definition.ts"
import { callsOf, inputOf, promptName, type Workflow } from "./Workflow.ts"

/** What the operator has defined, as far as workflows are made of it. */
export interface Skills {
  readonly skills: ReadonlyMap<string, SkillDefinition>
  readonly tools: ReadonlyMap<string, { readonly front: ToolFrontMatter }>
}

export const isWorkflow = (skill: SkillDefinition | undefined): skill is SkillDefinition =>
  skill !== undefined && skill.front.steps.length > 0

/** The tools that a skill's steps call, those of the workflows among them included. */
const calledBy = (
  { skills }: Pick<Skills, "skills">,
  { front: { steps } }: SkillDefinition,
  into = new Set<string>()
): ReadonlySet<string> => {
  for (const { name } of steps.flatMap(callsOf)) {
    if (into.has(name)) continue
    into.add(name)
    const skill = skills.get(name)
    if (isWorkflow(skill)) calledBy({ skills }, skill, into)
  }
  return into
}

const made = new WeakMap<SkillDefinition, Workflow>()

/** The book has been checked: what its workflows call does not come back to them. */
const workflowOf = (book: Skills, skill: SkillDefinition): Workflow => {
  // A book is read as a whole: a skill and what it calls are of one book.
  const known = made.get(skill)
  if (known !== undefined) return known
  const { front: { input_schema, steps, timeout_seconds }, id } = skill
  const inner = new Map(
    steps.flatMap(callsOf).flatMap(({ name }) => {
      const other = book.skills.get(name)
      return isWorkflow(other) ? [[name, workflowOf(book, other)] as const] : []
    })
  )
  const workflow: Workflow = {
    id,
    steps,
    input: inputOf(input_schema, steps),
    timeout_seconds,
    inner,
    repeatable: new Set([
      promptName,
      ...inner.keys(),
      ...[...calledBy(book, skill)].filter((name) => book.tools.get(name)?.front.idempotent === true)
    ])
  }
  made.set(skill, workflow)
  return workflow
}

export const workflowSkillsOf = (
  book: Skills,
  { front: { skills } }: AgentDefinition
): ReadonlyArray<SkillDefinition> =>
  skills.flatMap((name) => {
    const skill = book.skills.get(name)
    return isWorkflow(skill) ? [skill] : []
  })

export interface Offered {
  readonly workflow: Workflow
  readonly description: string
}

/** The workflows that an agent may call. */
export const workflowsOf = (book: Skills, agent: AgentDefinition): ReadonlyArray<Offered> =>
  workflowSkillsOf(book, agent).map((skill) => ({
    workflow: workflowOf(book, skill),
    description: skill.front.description
  }))

/** The names of the tools that the steps of an agent's workflows call. */
export const stepToolsOf = (book: Skills, agent: AgentDefinition): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const skill of workflowSkillsOf(book, agent)) calledBy(book, skill, names)
  return names
}
