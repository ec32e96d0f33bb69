/** Ids of tool calls that a provider takes: a session may bring ids of another one along, or the same id twice. */
import { createHash } from "node:crypto"

const digestOf = (text: string, length: number) => createHash("sha256").update(text).digest("hex").slice(0, length)

/** Makes an id fit; what does not is replaced by a digest of it, always the same. */
export type Fit = (id: string) => string

/** Ids of exactly this pattern; digests have this length. */
const fitting = (pattern: RegExp, length: number): Fit => (id) => pattern.test(id) ? id : digestOf(id, length)

/** Letters, digits, dashes and underscores, up to 64. */
export const plain = fitting(/^[A-Za-z0-9_-]{1,64}$/, 32)

/** Also dots and colons: some models count their calls in ids such as `functions.look:0`. */
export const usual = fitting(/^[A-Za-z0-9_.:-]{1,64}$/, 32)

/** Nine letters and digits, as Mistral's models have them. */
export const nine = fitting(/^[A-Za-z0-9]{9}$/, 9)

/**
 * The ids of one message on the wire, none of which is in `taken`: servers that
 * count from zero in each answer use an id again, and the first to have it keeps
 * it. A conversation only grows at its end, so an id is the same in every turn.
 */
export const idsOf = (
  message: string,
  calls: Iterable<string>,
  taken: ReadonlySet<string>,
  fit: Fit
): ReadonlyMap<string, string> => {
  const ids = new Map<string, string>()
  const own = new Set<string>()
  for (const call of calls) {
    if (ids.has(call)) continue
    let id = fit(call)
    for (let n = 1; taken.has(id) || own.has(id); n++) id = fit(digestOf(`${message} ${call} ${n}`, 32))
    own.add(id)
    ids.set(call, id)
  }
  return ids
}
