/**
 * The state that an agent and its client share. What the client has put there stays as it is; beside it stands what is known
 * here, in `stoa`: the agent's plan in `tasks`, and what an agent of the server's own program remembers in `agent`.
 */
import { isObject } from "../../../domain/JsonSchema.ts"

export const member = "stoa"

/** What the client has put into the state itself. */
export const ownOf = (state: unknown): Readonly<Record<string, unknown>> => {
  if (!isObject(state)) return {}
  const { [member]: _, ...own } = state
  return own
}

export class State {
  readonly #client: unknown
  #ours: Readonly<Record<string, unknown>> | undefined

  constructor(client: unknown) {
    this.#client = client
  }

  /** The events that tell of a change: the whole state first, then only what is different. */
  set(name: "tasks" | "agent", value: unknown): ReadonlyArray<object> {
    const isFirst = this.#ours === undefined
    this.#ours = { ...this.#ours, [name]: value }
    return isFirst
      ? [{ type: "STATE_SNAPSHOT", snapshot: { ...ownOf(this.#client), [member]: this.#ours } }]
      : [{ type: "STATE_DELTA", delta: [{ op: "add", path: `/${member}/${name}`, value }] }]
  }
}
