/** An agent of ours as a record of this protocol, and what a record asks for as a draft or a change of ours. */
import { Effect, Schema } from "effect"
import { type Agent, AgentDraft, type AgentPatch } from "../../../domain/Agent.ts"
import type { Credential } from "../../../domain/Credential.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { ChatModelConfig } from "../../../domain/Model.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import { warn } from "../../Warnings.ts"
import type { Targets } from "../openai/Targets.ts"
import type { AgentBody } from "./Requests.ts"
import * as Toolkits from "./Toolkits.ts"

/** What an agent is called that neither has a name nor says what its id should be. */
const unnamed = "Agent"

/** Most models that a refusal names. */
const maxNamed = 5

const draftOf = Schema.decodeUnknown(AgentDraft)

/** Names of models as this protocol's clients read them, by the credentials of their owner. */
const namesBy = (credentials: ReadonlyArray<Credential>) => {
  const counts = new Map<string, number>()
  for (const { name } of credentials) counts.set(name, (counts.get(name) ?? 0) + 1)
  const names = new Map(
    credentials.map(({ id, name }) => [id, name !== "" && name !== "agent" && counts.get(name) === 1 ? name : id])
  )
  return (config: ChatModelConfig | null): string =>
    config === null ? "" : `${names.get(config.credential_id) ?? config.credential_id}/${config.model}`
}

export const make = (targets: Targets) =>
  Effect.gen(function*() {
    const { credentials } = yield* Storage
    const { find, list } = targets

    const modelNames = (owner: UserId) =>
      Effect.map(Effect.orDie(everything((page) => credentials.list(owner, page))), namesBy)

    const agentsHaveNone = new Invalid({
      code: "model_not_found",
      detail: "An agent is no model of another agent: name a model, as GET /models lists them.",
      errors: [{ path: "model", message: "Expected a model" }]
    })

    /** A model by its name alone is one that a single credential has. */
    const called = Effect.fnUntraced(function*(owner: UserId, model: string) {
      const found = (yield* list(owner)).map(({ id }) => id).filter((id) => id.slice(id.indexOf("/") + 1) === model)
        .filter((id) => !id.startsWith("agent/"))
      if (found.length > 1) {
        return yield* new Invalid({
          code: "model_ambiguous",
          detail: `The model could be any of ${found.slice(0, maxNamed).join(", ")}: name one of these.`,
          errors: [{ path: "model", message: "Expected a name that only one has" }]
        })
      }
      return yield* find(owner, found[0] ?? model)
    })

    const configOf = Effect.fnUntraced(function*(owner: UserId, model: string) {
      const target = yield* Effect.catchTag(find(owner, model), "NotFound", () => called(owner, model)).pipe(
        Effect.catchTag("NotFound", ({ code, detail }) =>
          new Invalid({ code, detail, errors: [{ path: "model", message: "Expected a model of yours" }] }))
      )
      if (target.type === "agent") {
        return yield* agentsHaveNone
      }
      const { credential: { id, type } } = target
      return { type, credential_id: id, model: target.model, parameters: {} } satisfies ChatModelConfig
    })

    const shownBy = (nameOf: (config: ChatModelConfig | null) => string) => ({ created_at, data, id }: Agent) => ({
      id,
      agent_id: id,
      name: data.name,
      model: nameOf(data.chat_model_config),
      description: data.description ?? "",
      instructions: data.system_prompt,
      tools: Toolkits.toolkitsOf(data),
      created_at
    })

    return {
      configOf,
      modelNames,

      shown: (owner: UserId, agents: ReadonlyArray<Agent>) =>
        Effect.map(modelNames(owner), (nameOf) =>
          agents.map(shownBy(nameOf))),

      draft: Effect.fnUntraced(function*(owner: UserId, body: AgentBody) {
        if (body.id != null && body.name != null) {
          yield* warn(["The server makes the ids of agents: the field 'id' has no effect."])
        }
        yield* warn(Toolkits.idleIn(body.tools))
        const { toolkits, tools } = yield* Toolkits.read(body.tools ?? [])
        const draft = yield* Effect.orDie(draftOf({ name: body.name ?? (body.id || unnamed) }))
        return {
          ...draft,
          ...(body.instructions != null && { system_prompt: body.instructions }),
          ...(body.description != null && { description: body.description }),
          ...(body.model != null && body.model !== "" && { chat_model_config: yield* configOf(owner, body.model) }),
          client_tools: tools,
          ...(toolkits.length > 0 && { toolkits })
        } satisfies AgentDraft
      }),

      /** What is left out stays as it is, also the model and its parameters where it is the same. */
      patch: Effect.fnUntraced(function*(owner: UserId, agent: Agent, body: AgentBody) {
        yield* warn(Toolkits.idleIn(body.tools))
        const read = body.tools == null ? undefined : yield* Toolkits.read(body.tools)
        const nameOf = yield* modelNames(owner)
        const isOther = body.model !== undefined && (body.model ?? "") !== nameOf(agent.data.chat_model_config)
        const chat_model_config = !isOther
          ? undefined
          : body.model === null || body.model === ""
          ? null
          : yield* configOf(owner, body.model!)
        return {
          ...(body.name != null && { name: body.name }),
          ...(body.instructions !== undefined && { system_prompt: body.instructions ?? "" }),
          ...(body.description !== undefined && { description: body.description ?? "" }),
          ...(chat_model_config !== undefined && { chat_model_config }),
          ...(read !== undefined && {
            // What another protocol says of a tool is not lost when the same tool comes again.
            client_tools: read.tools.map((tool) => ({
              ...tool,
              effect: agent.data.client_tools.find(({ name }) =>
                name === tool.name
              )?.effect ?? tool.effect
            })),
            toolkits: read.toolkits
          })
        } satisfies AgentPatch
      }),

      /** By its id, or by a name that only one has, as those know it who name their agents themselves. */
      mine: (owner: UserId, id: string) =>
        Effect.flatMap(
          Effect.catchTag(find(owner, `agent/${id}`), "NotFound", () => NotFound.of("Agent", id)),
          (target) => target.type === "agent" ? Effect.succeed(target.agent) : NotFound.of("Agent", id)
        )
    }
  })
