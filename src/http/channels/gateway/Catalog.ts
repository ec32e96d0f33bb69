/** Tools and skills as their owner sees them. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import type { SkillDefinition } from "../../../domain/Definition.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { maxLimit } from "../../../domain/Page.ts"
import type { LibrarySkill } from "../../../domain/Skill.ts"
import { Catalog, toolsOf } from "../../../services/Catalog.ts"
import { Skills } from "../../../services/Skills.ts"
import { Storage } from "../../../services/Storage.ts"
import { Toolbox } from "../../../services/Toolbox.ts"

const notFound = (noun: string, id: string) => NotFound.of(noun, id.slice(0, 256))

const definedSkill = ({ front, id }: SkillDefinition) => ({
  id,
  name: front.name ?? id,
  description: front.description,
  tools: front.tools,
  has_workflow: front.steps.length > 0,
  step_count: front.steps.length
})

const skillOf = ({ description, id, name }: Pick<LibrarySkill, "description" | "id" | "name">) => ({
  id,
  name,
  description,
  tools: [],
  has_workflow: false,
  step_count: 0
})

export const make = (channel: string) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const { all: own } = yield* Toolbox
    const skills = yield* Skills
    const catalog = yield* Catalog

    const published = (owner: UserId) =>
      Effect.map(
        Effect.orDie(agents.list(owner, { limit: maxLimit, cursor: undefined })),
        ({ items }) => items.filter(({ data }) => isPublished(data.channels, channel))
      )

    /** The definitions of an owner's agents: what no agent of the owner's uses is not told. */
    const definitionsOf = (all: ReadonlyArray<Agent>) =>
      all.flatMap(({ data: { definition } }) => {
        const found = definition === undefined ? undefined : catalog.book().agents.get(definition)
        return found === undefined ? [] : [found]
      })

    const skillsOf = Effect.fnUntraced(function*(owner: UserId) {
      const book = catalog.book()
      const named = new Set(definitionsOf(yield* published(owner)).flatMap(({ front }) => front.skills))
      const defined = [...book.skills.values()].filter(({ id }) => named.has(id)).map(definedSkill)
      return [...(yield* skills.library(owner)).map(skillOf), ...defined]
    })

    /** Those of the server come first: no client's tool of one page of agents hides them. */
    const tools = Effect.fnUntraced(function*(owner: UserId) {
      const all = yield* published(owner)
      const given = all.flatMap(({ data }) => data.client_tools)
      const found = new Map<string, {
        readonly name: string
        readonly description: string
        readonly source: "code" | "file" | "client"
        readonly parameters: Readonly<Record<string, unknown>>
      }>()
      for (const { description, name, parameters } of own) {
        found.set(name, { name, description, source: "code", parameters })
      }
      const book = catalog.book()
      for (const { front, id, parameters } of definitionsOf(all).flatMap((definition) => toolsOf(book, definition))) {
        if (!found.has(id)) found.set(id, { name: id, description: front.description, source: "file", parameters })
      }
      for (const { description, name, parameters } of given) {
        if (!found.has(name)) found.set(name, { name, description, source: "client", parameters })
      }
      return [...found.values()]
    })

    return {
      tools,
      tool: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const found = (yield* tools(owner)).find(({ name }) => name === id)
        return found ?? (yield* notFound("Tool", id))
      }),
      skills: skillsOf,
      /** By id, or by the name that the library has it under. */
      skill: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const known = yield* skillsOf(owner)
        return known.find((skill) => skill.id === id) ?? known.find(({ name }) => name === id) ??
          (yield* notFound("Skill", id))
      })
    }
  })
