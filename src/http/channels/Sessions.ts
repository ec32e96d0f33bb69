/** The sessions of a channel: one for each key of a client's, or one for a single request, which does not stay. */
import { Clock, Duration, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { newSession } from "../../domain/NewSession.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { SessionKeys } from "../../services/SessionKeys.ts"
import { quoted, warn } from "../Warnings.ts"
import type { Options } from "./Channel.ts"
import { Hooks, isLet } from "./Hooks.ts"

export const noModel = ({ data, id }: Agent) =>
  new Invalid({
    code: "model_not_configured",
    detail: `The agent '${data.name}' has no model for channels: set its chat_model_config by PATCH /agent/${id}.`
  })

const otherAgents = new Invalid({
  code: "session_of_another_agent",
  detail: "Another agent answers in the session of this key. Use another key."
})

/** Clients send parameters that nobody has chosen, so what is not let through is left out and named. */
export const letting = Effect.map(Hooks, ({ channel, options }) => (parameters: JsonObject) => {
  const denied = Object.keys(parameters).filter((name) => !isLet(options, name))
  if (denied.length === 0) return Effect.succeed(parameters)
  const left = Object.fromEntries(Object.entries(parameters).filter(([name]) => !denied.includes(name)))
  return Effect.as(
    warn(denied.map((name) => `${quoted(name)} has no effect: the operator lets no request of ${channel} say it.`)),
    left
  )
})

export const make = ({ idleHours, name: channel }: Options) =>
  Effect.gen(function*() {
    const keys = yield* SessionKeys
    const newId = yield* NewId
    const idle = idleHours === 0 ? undefined : Duration.hours(idleHours)
    const letThrough = yield* letting

    const madeFor = (owner: UserId, agent: Agent, parameters: JsonObject) =>
      Effect.gen(function*() {
        const { chat_model_config: config, code } = agent.data
        if (config === null && code === undefined) return yield* noModel(agent)
        const millis = yield* Clock.currentTimeMillis
        const chat_model_config = config && { ...config, parameters: { ...config.parameters, ...parameters } }
        const draft = { agent_id: agent.id, chat_model_config }
        return newSession(draft, owner, timestampOf(millis), () => newId.record(millis))
      })

    return {
      /** The parameters are those of a new session; one that is there has its own. */
      of: Effect.fnUntraced(
        function*(owner: UserId, agent: Agent, key: string | undefined, parameters: JsonObject) {
          const made = madeFor(owner, agent, yield* letThrough(parameters))
          if (key === undefined) {
            return { session: yield* keys.once(channel, yield* made), isNew: true }
          }
          const found = yield* keys.of({ owner, channel, key, idle }, made)
          return found.session.agent_id === agent.id ? found : yield* otherAgents
        }
      )
    }
  })
