import { Context, type Effect } from "effect"
import type { Agent } from "../domain/Agent.ts"
import type { AgentDefinition, DefinitionId, Reloaded, SkillDefinition, ToolFrontMatter } from "../domain/Definition.ts"
import type { Invalid } from "../domain/Errors.ts"
import type { JsonObject } from "../domain/Json.ts"

/** A tool of the folder: a function of the operator's, or a command that runs in the agent's workspace. */
export interface ToolDefinition {
  readonly id: DefinitionId
  readonly front: ToolFrontMatter
  /** JSON schema of its arguments. */
  readonly parameters: JsonObject
  readonly runs:
    | { readonly type: "command"; readonly command: string }
    /** A module, by its absolute path; `stamp` is another one when it has changed. */
    | { readonly type: "handler"; readonly path: string; readonly stamp: string }
}

/** Everything that the operator has defined, as it was read at one time. It never changes. */
export interface Book {
  /** 0 before anything was read. */
  readonly revision: number
  readonly agents: ReadonlyMap<string, AgentDefinition>
  readonly tools: ReadonlyMap<string, ToolDefinition>
  readonly skills: ReadonlyMap<string, SkillDefinition>
}

/** The agents, tools and skills that the operator has defined. */
export class Catalog extends Context.Tag("stoa/services/Catalog")<Catalog, {
  /** The newest book. */
  readonly book: () => Book
  /** The book by which this very agent works: the one that it was pinned to, or else the newest. */
  readonly bookOf: (agent: Agent) => Book
  /** The agent works by this book as long as it is the same object, whatever is read meanwhile. */
  readonly pin: (agent: Agent, book: Book) => void
  /**
   * Reads everything again. All of it takes the place of what was there, or, when anything is wrong, nothing does: then it
   * fails with all that is wrong, each with its file, its line and what to do.
   */
  readonly reload: Effect.Effect<Reloaded, Invalid>
}>() {}

export const emptyBook: Book = { revision: 0, agents: new Map(), tools: new Map(), skills: new Map() }
