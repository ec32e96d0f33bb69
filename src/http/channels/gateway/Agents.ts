/** Agents as this protocol shows them, and as its clients name them. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import type { NotificationTarget, NotificationTargets } from "../../../domain/Definition.ts"
import { Conflict, Invalid, NotFound, Unavailable } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Notification } from "../../../domain/Notification.ts"
import { maxLimit } from "../../../domain/Page.ts"
import { Catalog, toolsOf } from "../../../services/Catalog.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Recall } from "../../../services/Recall.ts"
import { Storage } from "../../../services/Storage.ts"
import { Toolbox } from "../../../services/Toolbox.ts"
import { everything } from "../../handlers/Everything.ts"
import type { Options } from "../Channel.ts"
import { noModel } from "../Sessions.ts"
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

const noMemory = (detail: string) => new Unavailable({ code: "memory_unavailable", detail })

/** Of an address the host alone: the rest may be secret. */
const shownOf = ({ channel, target, url }: NotificationTarget) => ({
  channel,
  target: target ?? (url === null ? "" : new URL(url).origin)
})

/** Whom the owner has told, and whom the operator. */
const toldOf = (notifications: ReadonlyArray<Notification>, defined: NotificationTargets | null | undefined) => {
  const of = (event: Notification["events"][number], targets: ReadonlyArray<NotificationTarget> = []) => [
    ...notifications.filter(({ definition, events }) => definition === undefined && events.includes(event))
      .map(({ kind, target }) => ({ channel: kind, target })),
    ...targets.map(shownOf)
  ]
  // An execution that takes too long has failed, for those who are told by their owner.
  return {
    on_complete: of("run.completed", defined?.on_complete),
    on_error: of("run.failed", defined?.on_error),
    on_timeout: of("run.failed", defined?.on_timeout)
  }
}

export const make = ({ name: channel }: Pick<Options, "name">) =>
  Effect.gen(function*() {
    const { agents, notifications, schedules } = yield* Storage
    const { namesOf } = yield* Toolbox
    const own = yield* OwnAgents
    const personal = yield* Personal.make
    const catalog = yield* Catalog
    const recall = yield* Recall

    const definitionOf = ({ data: { definition } }: Agent) =>
      definition === undefined ? undefined : catalog.book().agents.get(definition)

    const published = (owner: UserId) =>
      Effect.map(
        Effect.orDie(agents.list(owner, firstPage)),
        ({ items }) => items.filter(({ data }) => isPublished(data.channels, channel))
      )

    /** Those of the program's and of the definitions too, which an owner has from the first question on. */
    const known = (owner: UserId) => Effect.zipRight(own.ensure(owner), published(owner))

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
          const definition = definitionOf(agent)
          const front = definition?.front
          const defined = definition === undefined ? [] : toolsOf(catalog.book(), definition).map(({ id }) => id)
          return {
            id: agent.id,
            description: description || `Agent: ${name}`,
            display_name: front?.display_name ?? name,
            tags: front?.tags ?? [],
            version: front?.version == null ? null : String(front.version),
            skills: front?.skills ?? [],
            tools: [...new Set([...namesOf(tools), ...defined, ...client_tools.map((tool) => tool.name)])],
            model: chat_model_config?.model ?? null,
            schedules: timed.filter(({ agent_id }) => agent_id === agent.id).map(({ data }) => data.name),
            execution_mode: front?.execution_mode ?? "sync",
            notifications: about.length === 0 && front?.notifications == null
              ? null
              : toldOf(about, front?.notifications),
            input_schema: front?.input_schema ?? null,
            output_schema: front?.output_schema ?? null,
            retrievers: front?.retrievers ?? [],
            context_file_count: definition?.layers.reference.length ?? 0,
            memory_enabled: front?.memory?.enabled ?? false,
            enabled: chat_model_config !== null || code !== undefined,
            scope: front?.scope ?? "global",
            setup_required
          }
        }))
    })

    return {
      find,
      known,
      definitionOf,
      /** An input that is not what the agent works on is refused before anything is stored. */
      checked: Effect.fnUntraced(function*(owner: UserId, agent: Agent, input: JsonObject) {
        const definition = definitionOf(agent)
        if (definition === undefined) return
        const problems = yield* catalog.problemsIn(owner, definition, input)
        if (problems.length === 0) return
        return yield* new Invalid({
          code: "input_validation_failed",
          detail: `The input is not what the agent '${definition.id}' works on.`,
          errors: problems.map((message) => ({ path: "input", message }))
        })
      }),
      /** One that can be sent something here. */
      answering: Effect.fnUntraced(function*(owner: UserId, name: string) {
        const agent = yield* find(owner, name)
        if (agent.data.client_tools.length > 0) return yield* clientTools(agent)
        if (yield* personal.lacksSetup(owner, agent)) return yield* setupRequired(agent)
        return agent
      }),
      list: (owner: UserId) => Effect.flatMap(known(owner), (all) => infosOf(owner, all)),
      get: (owner: UserId, name: string) =>
        Effect.flatMap(find(owner, name), (agent) => Effect.map(infosOf(owner, [agent]), ([info]) => info!)),
      /** What the operator has written down of everything is the operator's to shorten. */
      compact: Effect.fnUntraced(function*(owner: UserId, name: string) {
        const agent = yield* find(owner, name)
        if (definitionOf(agent)?.front.memory?.enabled !== true) {
          return yield* noMemory(`The agent '${agent.data.name}' remembers nothing across sessions.`)
        }
        const { chat_model_config } = agent.data
        if (chat_model_config === null) return yield* noModel(agent)
        const { count, failed } = yield* recall.compact({ owner, agent_id: agent.id }, chat_model_config)
        if (count === 0 && failed !== undefined) {
          return yield* noMemory(`Nothing was compacted, and nothing is lost: ${failed.message}`)
        }
        return { agent_id: agent.id, global_compacted: 0, user_compacted: count }
      })
    }
  })

export type Agents = Effect.Effect.Success<ReturnType<typeof make>>
