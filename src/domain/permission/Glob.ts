/** Matches paths with patterns of `*`, `**` and `?`, in steps that are counted and bounded. */

/** Steps that the rules of one decision may take together. What they leave undone cannot be evaluated. */
export interface Budget {
  left: number
}

/** Takes some 20 ms of CPU time. */
export const budget = (): Budget => ({ left: 4_000_000 })

/** Greedy: after a mismatch only the last star takes more. Undefined when the budget ends. */
const greedy = (
  pattern: ArrayLike<string>,
  text: ArrayLike<string>,
  star: string,
  fits: (pattern: string, text: string) => boolean | undefined,
  budget: Budget
): boolean | undefined => {
  let p = 0
  let t = 0
  let last = -1
  let from = 0
  while (t < text.length) {
    if (--budget.left < 0) return undefined
    if (p < pattern.length && pattern[p] === star) {
      last = p++
      from = t
      continue
    }
    const fit = p < pattern.length && fits(pattern[p]!, text[t]!)
    if (fit === undefined) return undefined
    if (fit) {
      p++
      t++
    } else if (last >= 0) {
      p = last + 1
      t = ++from
    } else return false
  }
  while (p < pattern.length && pattern[p] === star) p++
  return p === pattern.length
}

/** `*` is any text, `?` any character. */
export const matchText = (pattern: string, text: string, budget: Budget): boolean | undefined =>
  greedy(pattern, text, "*", (one, other) => one === "?" || one === other, budget)

/** As `matchText` in each segment; `**` is any number of segments, also none. */
export const matchPath = (pattern: string, path: string, budget: Budget): boolean | undefined =>
  greedy(pattern.split("/"), path.split("/"), "**", (one, other) => matchText(one, other, budget), budget)
