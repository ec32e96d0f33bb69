/** Agents as this protocol shows them, and as its clients name them. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Conflict, Invalid, NotFound, Unavailable } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Notification } from "../../../domain/Notification.ts"
import { maxLimit } from "../../../domain/Page.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { Toolbox } from "../../../services/Toolbox.ts"
import { everything } from "../../handlers/Everything.ts"
import type { Options } from "../Channel.ts"
import * as Personal from "./Personal.ts"
import type { AgentInfo } from "./Shapes.ts"

const notFound = (id: string) =>
  new NotFound({ code: "agent_not_found", detail: `Agent '${id.slice(0, 128)}' not found.` })

const firstPage = { limit: maxLimit, cursor: undefined }

const clientTools = ({ data: { name } }: Agent) =>
  new Invalid({
    code: "tools_of_client",
    detail: `The agent '${name}' has tools of its client, which cannot run here: talk to it by POST /chat.`
  })

const setupRequired = ({ data: { name }, id }: Agent) =>
  new Conflict({
    code: "setup_required",
    detail: `The agent '${name}' has to be configured by you first, by POST /agents/${id}/config. `
      + `GET /agents/${id}/setup-schema says what it asks for.`
  })

const isAbout = ({ agent_id, enabled }: Notification, agent: Agent) =>
  enabled && (agent_id === null || agent_id === agent.id)

const toldOf = (notifications: ReadonlyArray<Notification>) => {
  const of = (event: Notification["events"][number]) =>
    notifications.filter(({ events }) => events.includes(event)).map(({ kind, target }) => ({ channel: kind, target }))
  // An execution that takes too long has failed, for those who are told.
  return { on_complete: of("run.completed"), on_error: of("run.failed"), on_timeout: of("run.failed") }
}

export const make = ({ name: channel }: Pick<Options, "name">) =>
  Effect.gen(function*() {
    const { agents, notifications, schedules } = yield* Storage
    const { namesOf } = yield* Toolbox
    const own = yield* OwnAgents
    const personal = yield* Personal.make

    const published = (owner: UserId) =>
      Effect.map(
        Effect.orDie(agents.list(owner, firstPage)),
        ({ items }) => items.filter(({ data }) => isPublished(data.channels, channel))
      )

    /** By id, or by a name that only one has. */
    const find = Effect.fnUntraced(function*(owner: UserId, name: string) {
      yield* own.ensure(owner)
      const byId = yield* Effect.option(agents.get(owner, name))
      if (byId._tag === "Some" && isPublished(byId.value.data.channels, channel)) return byId.value
      const found = (yield* published(owner)).filter(({ data }) => data.name === name)
      const [only, other] = found
      if (other === undefined) return only ?? (yield* notFound(name))
      return yield* new Conflict({
        code: "agent_ambiguous",
        detail: `Several agents are called so: ${found.slice(0, 5).map(({ id }) => id).join(", ")}. Name one by its id.`
      })
    })

    const infosOf = Effect.fnUntraced(function*(owner: UserId, all: ReadonlyArray<Agent>) {
      const [only] = all
      const where = all.length === 1 ? { agent_id: only!.id } : {}
      const timed = (yield* Effect.orDie(schedules.list(owner, firstPage, where))).items
      const told = yield* Effect.orDie(everything((page) => notifications.list(owner, page)))
      return yield* Effect.forEach(all, (agent) =>
        Effect.map(personal.lacksSetup(owner, agent), (setup_required): AgentInfo => {
          const { chat_model_config, client_tools, code, description, name, tools } = agent.data
          const about = told.filter((notification) =>
            isAbout(notification, agent)
          )
          const definition = personal.definitionOf(agent)
          return {
            id: agent.id,
            description: description || `Agent: ${name}`,
            display_name: name,
            tags: [],
            version: null,
            skills: [],
            tools: [...namesOf(tools), ...client_tools.map((tool) => tool.name)],
            model: chat_model_config?.model ?? null,
            schedules: timed.filter(({ agent_id }) => agent_id === agent.id).map(({ data }) => data.name),
            execution_mode: "sync",
            notifications: about.length === 0 ? null : toldOf(about),
            input_schema: null,
            output_schema: null,
            retrievers: [],
            context_file_count: 0,
            memory_enabled: false,
            enabled: chat_model_config !== null || code !== undefined,
            scope: "global",
            setup_required,
            ...definition !== undefined && Personal.shown(definition)
          }
        }))
    })

    return {
      find,
      /** One that can be sent something here. */
      answering: Effect.fnUntraced(function*(owner: UserId, name: string) {
        const agent = yield* find(owner, name)
        if (agent.data.client_tools.length > 0) return yield* clientTools(agent)
        if (yield* personal.lacksSetup(owner, agent)) return yield* setupRequired(agent)
        return agent
      }),
      list: (owner: UserId) =>
        Effect.flatMap(Effect.zipRight(own.ensure(owner), published(owner)), (all) => infosOf(owner, all)),
      get: (owner: UserId, name: string) =>
        Effect.flatMap(find(owner, name), (agent) => Effect.map(infosOf(owner, [agent]), ([info]) => info!)),
      noMemory: (owner: UserId, name: string) =>
        Effect.flatMap(find(owner, name), ({ data }) =>
          new Unavailable({
            code: "memory_unavailable",
            detail: `The agent '${data.name}' remembers nothing across sessions.`
          }))
    }
  })

export type Agents = Effect.Effect.Success<ReturnType<typeof make>>
