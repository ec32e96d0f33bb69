/** What an agent remembers of one user across sessions, and how much each thing matters. */
import { Schema } from "effect"
import { AgentId, RecollectionId, Timestamp, UserId } from "./Ids.ts"

/** Longest thing that is remembered, in characters, and how many of one user. */
export const maxContent = 2_000
export const maxRecollections = 1_000

/** What happened, what is so, and how something is done. */
export const RecollectionKind = Schema.Literal("episodic", "semantic", "procedural")
export type RecollectionKind = typeof RecollectionKind.Type

export const Importance = Schema.Number.pipe(Schema.between(0, 1))

export const Recollection = Schema.Struct({
  id: RecollectionId,
  user_id: UserId,
  agent_id: AgentId,
  created_at: Timestamp,
  updated_at: Timestamp,
  content: Schema.String,
  kind: RecollectionKind,
  /** Whether the agent was told to remember it, it was found in what was said, or it stands for others. */
  source: Schema.Literal("manual", "extracted", "compacted"),
  importance: Importance
})
export interface Recollection extends Schema.Schema.Type<typeof Recollection> {}

/** How much of its importance is left after a day. */
const decay = 0.95

const day = 86_400_000

/** What matters now: less and less as time passes. */
export const relevanceOf = ({ importance, updated_at }: Recollection, now: number): number =>
  importance * decay ** Math.max(0, (now - Date.parse(updated_at)) / day)

/** In one line: it stands in lists, and looks like no heading there. */
export const lineOf = (content: string): string => content.replace(/\s+/g, " ").trim()

/** Most words of a search. */
const maxWords = 32

const wordsOf = (text: string): ReadonlySet<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])

/** The share of the words that something holds; 1 where there are none. */
export const matchOf = ({ content }: Recollection, query: string): number => {
  const wanted = [...wordsOf(query)].slice(0, maxWords)
  if (wanted.length === 0) return 1
  const there = wordsOf(content)
  return wanted.filter((word) => there.has(word)).length / wanted.length
}
