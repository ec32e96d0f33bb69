/**
 * Who answers: the agent that the request names, or the one that the settings name, or the only one that the server's
 * program brings. Nobody is guessed.
 */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"

const prefix = "agent/"

const unnamed = new Invalid({
  code: "agent_missing",
  detail:
    "No agent is named. Name one in the field model, as agent/<name>; or let channels.agentapp.agent of the settings "
    + "name the one that answers."
})

const clientTools = ({ data: { name } }: Agent) =>
  new Invalid({
    code: "tools_of_client",
    detail: `The agent '${name}' has tools of its client, which cannot run here: talk to it by POST /chat.`
  })

export const make = ({ agent: standing, name: channel }: Options) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const own = yield* OwnAgents

    /** By id or by name; undefined when there is none, or none that is published here. */
    const called = Effect.fnUntraced(function*(owner: UserId, name: string) {
      const byId = yield* Effect.option(agents.get(owner, name))
      if (byId._tag === "Some" && isPublished(byId.value.data.channels, channel)) return byId.value
      const found = yield* Effect.orDie(everything((page) =>
        Effect.map(agents.list(owner, page), ({ items, ...rest }) => ({
          ...rest,
          items: items.filter(({ data }) => data.name === name && isPublished(data.channels, channel))
        }))
      ))
      if (found.length < 2) {
        return found[0]
      }
      return yield* new Invalid({
        code: "agent_ambiguous",
        detail: `${quoted(name)} could be any of ${
          found.slice(0, 5).map(({ id }) => `${prefix}${id}`).join(", ")
        }: name one of these.`,
        errors: [{ path: "model", message: "Expected a name that only one has" }]
      })
    })

    const find = Effect.fnUntraced(function*(owner: UserId, model: string | null | undefined) {
      const fallback = standing ?? own.only(owner)
      const name = model == null || model === "" ? undefined : model
      if (name?.startsWith(prefix) === true) {
        return (yield* called(owner, name.slice(prefix.length))) ?? (yield* NotFound.of("Agent", name.slice(0, 256)))
      }
      const named = name === undefined ? undefined : yield* called(owner, name)
      if (named !== undefined) {
        return named
      }
      if (fallback === undefined) {
        return yield* name === undefined ? unnamed : NotFound.of("Agent", name.slice(0, 256))
      }
      const answering = yield* called(owner, fallback)
      if (answering === undefined) {
        return yield* NotFound.of("Agent", fallback.slice(0, 256))
      }
      // AgentApp's clients name a model of the agent's here.
      if (name !== undefined) {
        yield* warn([`${quoted(name)} is none of your agents: ${quoted(answering.data.name)} answers.`])
      }
      return answering
    })

    return Effect.fnUntraced(function*(owner: UserId, model: string | null | undefined) {
      yield* own.ensure(owner)
      const agent = yield* find(owner, model)
      return agent.data.client_tools.length > 0 ? yield* clientTools(agent) : agent
    })
  })
