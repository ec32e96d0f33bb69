/** Tools and skills as their owner sees them. */
import { Effect } from "effect"
import { isPublished } from "../../../domain/Channel.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { maxLimit } from "../../../domain/Page.ts"
import type { LibrarySkill } from "../../../domain/Skill.ts"
import { Skills } from "../../../services/Skills.ts"
import { Storage } from "../../../services/Storage.ts"
import { Toolbox } from "../../../services/Toolbox.ts"

const notFound = (noun: string, id: string) => NotFound.of(noun, id.slice(0, 256))

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
    const { all } = yield* Toolbox
    const skills = yield* Skills

    /** Those of the server come first: no client's tool of one page of agents hides them. */
    const tools = Effect.fnUntraced(function*(owner: UserId) {
      const { items } = yield* Effect.orDie(agents.list(owner, { limit: maxLimit, cursor: undefined }))
      const given = items.filter(({ data }) => isPublished(data.channels, channel)).flatMap(({ data }) =>
        data.client_tools
      )
      const found = new Map<string, {
        readonly name: string
        readonly description: string
        readonly source: "code" | "client"
        readonly parameters: Readonly<Record<string, unknown>>
      }>()
      for (const { description, name, parameters } of all) {
        found.set(name, { name, description, source: "code", parameters })
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
      skills: (owner: UserId) => Effect.map(skills.library(owner), (known) => known.map(skillOf)),
      /** By id, or by the name that the library has it under. */
      skill: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const known = yield* skills.library(owner)
        const found = known.find((skill) => skill.id === id) ?? known.find(({ name }) => name === id)
        return found === undefined ? yield* notFound("Skill", id) : skillOf(found)
      }),
      count: all.length
    }
  })
