/** Whom a person talks to: the agent and the session that the words and options of `stoa chat` mean. */
import { Effect, Option, Schema, Stream } from "effect"
import { type Agent, AgentDraft } from "../domain/Agent.ts"
import { AgentId, SessionId } from "../domain/Ids.ts"
import type { SessionView } from "../domain/Session.ts"
import type { Connection } from "./Connection.ts"
import { notFound } from "./Failed.ts"
import { decode, pathId } from "./Inputs.ts"
import { modelName, resolve } from "./Model.ts"
import { all } from "./Paging.ts"

/** The agent that is used when none is named. */
export const defaultAgent = "assistant"
export const defaultModel = "demo:demo-chat"

const everyAgent = ({ api }: Connection) =>
  all(
    Option.none(),
    (urlParams) =>
      Effect.map(api.agents.list({ urlParams }), ({ agents, next_cursor }) => ({ items: agents, next: next_cursor }))
  )

const newer = (found: Option.Option<Agent>, agent: Agent) =>
  Option.exists(found, ({ created_at }) => created_at >= agent.created_at) ? found : Option.some(agent)

/** The newest agent that is called so. */
const agentNamed = (connected: Connection, name: string) =>
  Stream.runFold(
    everyAgent(connected),
    Option.none<Agent>(),
    (found, agent) => agent.data.name === name ? newer(found, agent) : found
  )

const agentOf = ({ api }: Connection, id: AgentId) =>
  Effect.flatMap(pathId(AgentId, "agent", id), (agent_id) => api.agents.get({ path: { agent_id } }))

const agentWithId = (connected: Connection, id: string) =>
  Schema.is(AgentId)(id)
    ? Effect.asSome(agentOf(connected, id)).pipe(
      Effect.catchTag("Refused", (error) => error.status === 404 ? Effect.succeedNone : Effect.fail(error))
    )
    : Effect.succeedNone

const findAgent = Effect.fnUntraced(function*(connected: Connection, wanted: string) {
  const byId = yield* agentWithId(connected, wanted)
  const found = Option.isSome(byId) ? byId : yield* agentNamed(connected, wanted)
  return Option.isSome(found)
    ? found.value
    : yield* notFound(`There is no agent with the id or name ${wanted}.`)
})

/**
 * What a session of the agent gets as its model. A definition says it anew at each run, so its sessions have none. The
 * look at the default model makes the demo's credential, by which a definition may have one from then on.
 */
const ownModel = Effect.fnUntraced(function*(connected: Connection, agent_id: AgentId, agent: Agent | undefined) {
  const model = ({ data }: Agent) => data.definition === undefined ? data.chat_model_config : null
  const isDecided = ({ data }: Agent) => data.chat_model_config !== null
  if (agent !== undefined && isDecided(agent)) return model(agent)
  const byDefault = yield* resolve(connected, defaultModel, Option.none())
  if (agent?.data.definition === undefined) return byDefault
  const again = yield* agentOf(connected, agent_id)
  return isDecided(again) ? model(again) : byDefault
})

/** Gives the session the requested model, or that of its agent if it has none. */
const withModel = Effect.fnUntraced(
  function*(connected: Connection, session: SessionView, agent: Agent | undefined, model: Option.Option<string>) {
    const current = session.config.chat_model_config
    if (current !== null && Option.isNone(model)) return session
    const chat_model_config = Option.isSome(model)
      ? yield* resolve(connected, model.value, Option.none())
      : yield* ownModel(connected, session.agent_id, agent ?? (yield* agentOf(connected, session.agent_id)))
    if (modelName(current) === modelName(chat_model_config)) return session
    return yield* connected.api.sessions.update({
      path: { session_id: yield* pathId(SessionId, "session", session.id) },
      urlParams: {},
      payload: { chat_model_config }
    })
  }
)

export interface Wanted {
  /** The agent's id or its name. */
  readonly agent: Option.Option<string>
  readonly session: Option.Option<string>
  readonly fresh: boolean
  readonly model: Option.Option<string>
}

const makeDefault = Effect.fnUntraced(function*({ api }: Connection) {
  const payload = yield* decode(AgentDraft, { name: defaultAgent })
  return (yield* api.agents.create({ headers: {}, payload })).agent_id
})

/** The agent that an option names, or the default one, made when there is none. */
export const agentIdOf = Effect.fn("Addressed.agentIdOf")(
  function*(connected: Connection, wanted: Option.Option<string>) {
    if (Option.isSome(wanted)) return (yield* findAgent(connected, wanted.value)).id
    const found = yield* agentNamed(connected, defaultAgent)
    return Option.isSome(found) ? found.value.id : yield* makeDefault(connected)
  }
)

/** Undefined where nobody has made it yet. */
export interface Addressed {
  readonly agent: Agent | undefined
  /** What is said to it. */
  readonly words: ReadonlyArray<string>
}

/** The first word means an agent if one is called so, and is said to the default one otherwise. Both are looked for at once. */
const byFirstWord = (connected: Connection, words: ReadonlyArray<string>) =>
  Stream.runFold(
    everyAgent(connected),
    { byWord: Option.none<Agent>(), byDefault: Option.none<Agent>() },
    ({ byDefault, byWord }, agent) => ({
      byWord: agent.id === words[0] || agent.data.name === words[0] ? newer(byWord, agent) : byWord,
      byDefault: agent.data.name === defaultAgent ? newer(byDefault, agent) : byDefault
    })
  ).pipe(Effect.map(({ byDefault, byWord }): Addressed =>
    Option.isSome(byWord)
      ? { agent: byWord.value, words: words.slice(1) }
      : { agent: Option.getOrUndefined(byDefault), words }
  ))

/** A session that is named knows its agent by itself. */
export const addressed = (connected: Connection, wanted: Wanted, words: ReadonlyArray<string>) =>
  Option.isSome(wanted.agent)
    ? Effect.map(findAgent(connected, wanted.agent.value), (agent): Addressed => ({ agent, words }))
    : Option.isSome(wanted.session)
    ? Effect.succeed<Addressed>({ agent: undefined, words })
    : byFirstWord(connected, words)

/** The session that is meant, made when there is none. */
export const sessionOf = Effect.fn("Addressed.sessionOf")(
  function*(connected: Connection, agent: Agent | undefined, wanted: Wanted) {
    const { sessions } = connected.api
    if (Option.isSome(wanted.session)) {
      const session_id = yield* pathId(SessionId, "session", wanted.session.value)
      const urlParams = agent === undefined ? {} : { agent_id: agent.id }
      return yield* withModel(connected, yield* sessions.get({ path: { session_id }, urlParams }), agent, wanted.model)
    }
    const agent_id = agent?.id ?? (yield* makeDefault(connected))
    const newest = wanted.fresh ? [] : (yield* sessions.list({ urlParams: { agent_id, limit: 1 } })).sessions
    if (newest[0] !== undefined) return yield* withModel(connected, newest[0], agent, wanted.model)
    const chat_model_config = Option.isSome(wanted.model)
      ? yield* resolve(connected, wanted.model.value, Option.none())
      : yield* ownModel(connected, agent_id, agent)
    const { session_id } = yield* sessions.create({ headers: {}, payload: { agent_id, chat_model_config } })
    return yield* sessions.get({ path: { session_id }, urlParams: {} })
  }
)
