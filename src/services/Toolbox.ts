import { Context, type Effect } from "effect"
import type { Agent, AgentTools } from "../domain/Agent.ts"
import type { EventDraft } from "../domain/Event.ts"
import type { ToolCallBlock } from "../domain/Message.ts"
import type { Run } from "../domain/Run.ts"
import type { Session } from "../domain/Session.ts"
import type { Workflow } from "../domain/Workflow.ts"
import type { ToolSpec } from "./Models.ts"

/**
 * What a call does to the world. `none` and `read` may be run again after a crash; `edit` changes files of the
 * workspace and nothing else, which the mode `accept_edits` allows.
 */
export type ToolEffect = "none" | "read" | "edit" | "write"

/** A piece of a tool's output, as it is produced. */
export type ToolPart =
  | { readonly type: "text"; readonly delta: string }
  | { readonly type: "data"; readonly block: string; readonly media_type: string; readonly data: string }
  /** The call has changed the session's state, which is stored already: no output, but told to those who watch. */
  | { readonly type: "state"; readonly state: Session["state"] }
  /** Something that those who watch are told beside the output. */
  | { readonly type: "event"; readonly event: EventDraft }

export interface Tool extends ToolSpec {
  readonly effect: ToolEffect
  /** Running it twice is the same as running it once. */
  readonly idempotent: boolean
  /** Agents that do not say which tools they have do not have this one. */
  readonly onRequest?: boolean
  /** After how many seconds a call goes on in the background; never with `false`, and as the settings say without it. */
  readonly background?: number | false
  /** What the model is told of it beside its description, at the end of the agent's prompt. */
  readonly instructions?: string
  /** It is steps, which the runner does one after the other: each is a call of its own. */
  readonly workflow?: Workflow
  /** It finds what a session's model is not shown any more: agents have it since there is something of that. */
  readonly onHistory?: boolean
}

/** Where a call works: relative paths begin at `cwd`; `home` is the session's folder. Both are absolute. */
export interface WorkingFolder {
  readonly cwd: string
  readonly home: string
}

export interface ToolCaller {
  readonly session: Session
  readonly agent: Agent
  /** The run that calls. */
  readonly run?: Run | undefined
  /** Something of the session is not shown to its model any more. */
  readonly history?: boolean
  /** The call is a step of a workflow: those may call tools of the operator's that the model is not offered. */
  readonly step?: boolean
  /** The folder in which this very call works, as `folderOf` has told before it was decided on. */
  readonly folder?: WorkingFolder | undefined
}

export class Toolbox extends Context.Tag("stoa/services/Toolbox")<Toolbox, {
  /** The server's own tools, as agents that have all of them know them; not those that a workspace or a client brings. */
  readonly all: ReadonlyArray<Tool>
  /** The names of the tools that an agent with this choice has; no client's tool of that agent may have one. */
  readonly namesOf: (tools: AgentTools) => ReadonlySet<string>
  /** Whether there is a tool of this name. */
  readonly knows: (name: string) => boolean
  /** The tools that an agent may call in a session. */
  readonly list: (caller: ToolCaller) => Effect.Effect<ReadonlyArray<Tool>>
  /** What this very call does, which may be less than its tool could do. Of an unknown tool it is `none`: it is not run. */
  readonly effectOf: (
    caller: ToolCaller,
    call: Pick<ToolCallBlock, "name" | "input">
  ) => Effect.Effect<ToolEffect>
  /** Where this very call would work now. Undefined for tools that know no folders, and where it cannot be found out. */
  readonly folderOf: (caller: ToolCaller, call: Pick<ToolCallBlock, "name">) => Effect.Effect<WorkingFolder | undefined>
  /**
   * Runs a call, handing over its output as it comes. Never fails: an unknown
   * tool, bad arguments and a tool that throws end as `error`, with a text that
   * the model can read. How long and how much is the caller's to bound.
   */
  readonly call: (
    caller: ToolCaller,
    call: ToolCallBlock,
    emit: (part: ToolPart) => void
  ) => Effect.Effect<"success" | "error" | "denied">
}>() {}
