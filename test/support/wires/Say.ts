/** What a model says, before any provider's wire has put it into its own shapes. */

export type Saying =
  | { readonly type: "text"; readonly deltas: ReadonlyArray<string> }
  | { readonly type: "thinking"; readonly deltas: ReadonlyArray<string>; readonly signature?: string }
  /** Its arguments come in `pieces`, on a wire that can split them. */
  | { readonly type: "call"; readonly id: string; readonly name: string; readonly pieces: ReadonlyArray<string> }
  | { readonly type: "file"; readonly media_type: string; readonly data: string }

export type Stop = "stop" | "tool_calls" | "length" | "content_filter"

/** Tokens; `cached` is part of `input`, `reasoning` is part of `output`. */
export interface Spent {
  readonly input: number
  readonly output: number
  readonly cached: number
  readonly reasoning: number
}

export interface Say {
  readonly parts: ReadonlyArray<Saying>
  readonly stop: Stop
  /** The provider's own word for why it stopped; else the one that the wire has for `stop`. */
  readonly word?: string
  readonly spent: Spent
}

export const spent: Spent = { input: 100, output: 40, cached: 60, reasoning: 15 }

/** Says these, and stops for the reason that fits them. */
export const say = (...parts: ReadonlyArray<Saying>): Say => ({
  parts,
  stop: parts.some(({ type }) => type === "call") ? "tool_calls" : "stop",
  spent
})

export const text = (...deltas: ReadonlyArray<string>): Saying => ({ type: "text", deltas })

export const thinking = (signature: string, ...deltas: ReadonlyArray<string>): Saying => ({
  type: "thinking",
  deltas,
  signature
})

export const call = (id: string, name: string, ...pieces: ReadonlyArray<string>): Saying => ({
  type: "call",
  id,
  name,
  pieces
})

/** Calls are numbered by themselves on most wires: each part with its place among those of its type. */
export const numbered = (parts: ReadonlyArray<Saying>): ReadonlyArray<readonly [Saying, number]> => {
  const seen = new Map<Saying["type"], number>()
  return parts.map((part) => {
    const n = seen.get(part.type) ?? 0
    seen.set(part.type, n + 1)
    return [part, n] as const
  })
}
