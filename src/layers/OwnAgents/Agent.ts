/** Defines an agent in code, for `agents` of a program's extensions. */
import { Either, Schema } from "effect"
import { AgentDraft } from "../../domain/Agent.ts"
import type { OwnAgent, Saying, Turn } from "../../services/OwnAgents.ts"

interface Common {
  /** Each agent of a program has its own. */
  readonly name: string
  readonly description?: string
  /** A run that a crash has cut off is begun anew, with what it had said; without it, it ends as interrupted. */
  readonly resumes?: boolean
}

interface Stateless extends Common {
  readonly run: (turn: Turn<unknown>) => Saying
}

interface Stateful<State, I> extends Common {
  /** What the agent remembers in a session, and how it is stored: as JSON. */
  readonly state: Schema.Schema<State, I>
  readonly initial: () => NoInfer<State>
  readonly run: (turn: Turn<State>) => Saying
}

const record = Schema.decodeUnknownEither(AgentDraft)

/** Without a schema any JSON can be remembered. */
const anything: { readonly state: Schema.Schema<unknown>; readonly initial: () => unknown } = {
  state: Schema.Unknown,
  initial: () => undefined
}

interface Make {
  <State, I>(definition: Stateful<State, I>): OwnAgent
  (definition: Stateless): OwnAgent
}

export const make: Make = (definition: Common & { readonly run: (turn: Turn<never>) => Saying }): OwnAgent => {
  const { description = "", name, resumes = false, run } = definition
  // Every owner gets a record of it: what no record could hold would break all lists of agents.
  if (Either.isLeft(record({ name, system_prompt: description }))) {
    throw new TypeError(`An agent cannot be called '${String(name).slice(0, 256)}', or its description is too long.`)
  }
  const { initial, state } = { ...anything, ...definition as Partial<typeof anything> }
  const decode = Schema.decodeUnknownSync(state)
  return {
    name,
    description,
    resumes,
    read: (stored) => stored === undefined ? initial() : decode(stored),
    written: Schema.encodeUnknownSync(state),
    // The turn's state has been read by the schema of the same definition.
    run: run as OwnAgent["run"]
  }
}

export { AgentFailed } from "../../services/OwnAgents.ts"
