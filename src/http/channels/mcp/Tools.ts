/** Published agents as tools: what they are called, and who is meant by a name. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Malformed, NotFound } from "../../../domain/Errors.ts"
import type { AgentId, UserId } from "../../../domain/Ids.ts"
import { withoutTrailing } from "../../../domain/Text.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import type { Options } from "../Channel.ts"

/** Tools in one page of a list. */
const pageSize = 100

/** Longest name that is made of an agent's, in characters: with what tells two apart it fits where clients want 64. */
const maxName = 48

/** Characters of an id that tell two agents of one name apart. */
const idShown = 8

/** Longest message, in characters. */
const maxMessage = 256 * 1024

export interface Tool {
  readonly name: string
  readonly agent: AgentId
  readonly title: string
  readonly description: string
}

const inputSchema = {
  type: "object" as const,
  properties: {
    message: { type: "string", minLength: 1, maxLength: maxMessage, description: "What to ask the agent for." },
    session_key: {
      type: "string",
      minLength: 1,
      maxLength: 256,
      description:
        "Any text that names the conversation: calls with the same one go on with it. Without it the agent begins anew."
    }
  },
  required: ["message"]
}

/** Letters, digits, dashes and underscores, which every client takes. */
const slugOf = (name: string): string =>
  withoutTrailing(name.normalize("NFKD").replaceAll(/[^A-Za-z0-9_-]+/g, "_"), "_").replace(/^_+/, "").slice(0, maxName)

interface Known {
  readonly id: AgentId
  readonly name: string
  readonly description: string | undefined
}

/** Agents whose names would be one get a part of their ids, all of them: a new agent takes no name from an older one. */
const named = (agents: ReadonlyArray<Known>): ReadonlyArray<Tool> => {
  const counts = new Map<string, number>()
  for (const { name } of agents) counts.set(slugOf(name), (counts.get(slugOf(name)) ?? 0) + 1)
  return agents.map(({ description, id, name }) => {
    const slug = slugOf(name)
    const isOnly = slug !== "" && counts.get(slug) === 1
    return {
      name: isOnly ? slug : `${slug === "" ? "agent" : slug}_${id.slice(-idShown)}`,
      agent: id,
      title: name,
      description: description === undefined || description.trim() === "" ? `The agent ${name}.` : description
    }
  })
}

const noTool = (name: string) =>
  new NotFound({
    code: "tool_not_found",
    detail: `Unknown tool: ${name.slice(0, 128)}. tools/list tells which there are.`
  })

const badCursor = new Malformed({
  code: "invalid_cursor",
  detail: "The cursor is not one that this server gave, or what it stood for is gone. List again without it."
})

export const make = ({ name: channel }: Pick<Options, "name">) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const own = yield* OwnAgents

    /** What tells the agents apart: their prompts are long, and all of them together need not be in memory. */
    const all = (owner: UserId): Effect.Effect<ReadonlyArray<Tool>> =>
      Effect.zipRight(
        own.ensure(owner),
        Effect.orDie(everything((page) =>
          Effect.map(agents.list(owner, page), ({ items, ...rest }) => ({
            ...rest,
            items: items.filter(({ data }) =>
              isPublished(data.channels, channel) && (data.chat_model_config !== null || data.code !== undefined)
            ).map(({ data: { description, name }, id }): Known => ({ id, name, description }))
          }))
        ))
      ).pipe(Effect.map(named))

    return {
      all,
      list: Effect.fnUntraced(function*(owner: UserId, cursor: string | undefined) {
        const tools = yield* all(owner)
        const from = cursor === undefined ? 0 : tools.findIndex(({ agent }) => agent === cursor) + 1
        if (cursor !== undefined && from === 0) return yield* badCursor
        const page = tools.slice(from, from + pageSize)
        const last = page.at(-1)
        return {
          tools: page.map(({ description, name, title }) => ({
            name,
            title,
            description,
            inputSchema,
            annotations: { title, openWorldHint: true }
          })),
          ...(last !== undefined && from + pageSize < tools.length && { nextCursor: last.agent })
        }
      }),
      find: Effect.fnUntraced(function*(owner: UserId, name: string) {
        const tool = (yield* all(owner)).find((one) => one.name === name)
        if (tool === undefined) return yield* noTool(name)
        // It may have been deleted since.
        const agent: Agent = yield* Effect.mapError(agents.get(owner, tool.agent), () => noTool(name))
        return agent
      })
    }
  })
