import { Context, type Effect, type Scope } from "effect"
import type { Agent } from "../domain/Agent.ts"
import type { OpenConfig } from "../domain/AgentConfig.ts"
import type { AgentDefinition, DefinitionId, Reloaded, SkillDefinition, ToolFrontMatter } from "../domain/Definition.ts"
import type { Invalid } from "../domain/Errors.ts"
import type { RunId, UserId } from "../domain/Ids.ts"
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

/** What a run of a defined agent works with from its beginning to its end. */
export interface Begun {
  readonly book: Book
  /** The agent as it was then; its prompt is made of the book. */
  readonly data: Agent["data"]
  /** When that was, in milliseconds. */
  readonly millis: number
  /** What the user had told a personal agent. */
  readonly config: OpenConfig | undefined
  /** What it remembered of the user, what mattered most first. */
  readonly recollections: ReadonlyArray<string>
}

/** The agents, tools and skills that the operator has defined. */
export class Catalog extends Context.Tag("stoa/services/Catalog")<Catalog, {
  /** The newest book. */
  readonly book: () => Book
  /** The book by which this very agent works: the one that it was pinned to, or else the newest. */
  readonly bookOf: (agent: Agent) => Book
  /** What the user had told this very agent when it was pinned; undefined where it is not pinned, or is not personal. */
  readonly configOf: (agent: Agent) => OpenConfig | undefined
  /** The agent works by this as long as it is the same object, whatever is read or told meanwhile. */
  readonly pin: (agent: Agent, by: Pick<Begun, "book" | "config">) => void
  /**
   * What the run has begun with; `now` where it begins just now. It is known for as long as this process lives, within
   * bounds: of the oldest ones it is forgotten, and they go on by the newest book.
   */
  readonly begun: <E>(run: RunId, now: Effect.Effect<Begun, E>) => Effect.Effect<Begun, E>
  /** The run has come to its end. */
  readonly ended: (run: RunId) => void
  /** What is wrong with an input of the owner's, in words: nothing when it is what the agent asks for by its `input_schema`. */
  readonly problemsIn: (
    owner: UserId,
    agent: AgentDefinition,
    input: JsonObject
  ) => Effect.Effect<ReadonlyArray<string>>
  /**
   * Reads everything again. All of it takes the place of what was there, or, when anything is wrong, nothing does: then it
   * fails with all that is wrong, each with its file, its line and what to do.
   */
  readonly reload: Effect.Effect<Reloaded, Invalid>
  /** Calls back when a book has taken the place of another one here, until the scope closes. */
  readonly listen: (call: () => void) => Effect.Effect<void, never, Scope.Scope>
}>() {}

export const emptyBook: Book = { revision: 0, agents: new Map(), tools: new Map(), skills: new Map() }

/** The tools of the folder that an agent has: it or one of its skills names them, or they are among `more`, and they admit it. */
export const toolsOf = (
  { skills, tools }: Book,
  { front, id }: AgentDefinition,
  more: Iterable<string> = []
): ReadonlyArray<ToolDefinition> => {
  if (tools.size === 0) return []
  const named = new Set<string>([...front.skills.flatMap((name) => skills.get(name)?.front.tools ?? []), ...more])
  return [...tools.values()].filter(({ front: { permissions: { allowed_agents } }, id: tool }) =>
    (named.has(tool) || front.tools === "all" || (typeof front.tools !== "string" && front.tools.includes(tool))) &&
    (allowed_agents.length === 0 || allowed_agents.includes(id))
  )
}
