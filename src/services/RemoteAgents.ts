import { Context, type Effect } from "effect"
import type { Conflict, Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { RemoteAgent, RemoteAgentDraft, RemoteAgentView } from "../domain/RemoteAgent.ts"
import type { ToolCaller, ToolPart } from "./Toolbox.ts"

/** What a call asks of an agent elsewhere. */
export interface RemoteRequest {
  /** The tool's name. */
  readonly tool: string
  /** The id of the call, the same when it is made again after a crash. */
  readonly call: string
  readonly message?: string | undefined
  /** A task of this session with that agent, to answer it or to wait on. */
  readonly task_id?: string | undefined
}

/** What came of it, in words for the model that has asked. */
export interface RemoteAnswer {
  readonly text: string
  readonly isFailed: boolean
  readonly files: ReadonlyArray<Extract<ToolPart, { readonly type: "data" }>>
}

/** Agents elsewhere that speak A2A. */
export class RemoteAgents extends Context.Tag("stoa/services/RemoteAgents")<RemoteAgents, {
  /** Reads the card, and keeps what it says. `Invalid` says what is wrong with the address or with the card. */
  readonly add: (
    owner: UserId,
    draft: RemoteAgentDraft
  ) => Effect.Effect<RemoteAgentView, Conflict | Invalid | LimitReached>
  readonly get: (owner: UserId, id: string) => Effect.Effect<RemoteAgentView, NotFound>
  readonly list: (owner: UserId) => Effect.Effect<ReadonlyArray<RemoteAgentView>>
  readonly remove: (owner: UserId, id: string) => Effect.Effect<void, NotFound>
  /** The owner's agents, as tools are made of them. */
  readonly all: (owner: UserId) => Effect.Effect<ReadonlyArray<RemoteAgent>>
  /**
   * Sends a message and waits for what comes of it. The same call of the same run sends one message, by its id,
   * whatever happens to the server meanwhile. Interrupting it does not stop the task: that happens when the run has
   * ended without an answer. Undefined when there is no such agent.
   */
  readonly call: (caller: ToolCaller, request: RemoteRequest) => Effect.Effect<RemoteAnswer | undefined>
}>() {}
