/** What a rule on the first words of a command means: what such commands usually do, and not what a rare option makes of them. */
import { editors } from "./Editors.ts"
import { readingVerbs } from "./Git.ts"
import type { Part } from "./Part.ts"
import { readers } from "./Readers.ts"
import { wrappers } from "./Wrappers.ts"

/**
 * Whether the words say less than the part does: `bash` says nothing of what it runs, `tar` nothing of
 * `--to-command`, and `git diff` nothing of `--output`.
 */
export const saysTooLittle = ([name, verb, ...rest]: ReadonlyArray<string>, { effect }: Part): boolean => {
  if (name === undefined || effect === "read") return false
  if (verb === undefined) {
    return wrappers.has(name) || (effect === "unknown" && (readers.has(name) || editors.has(name)))
  }
  return name === "git" && effect === "unknown" && rest.length === 0 && readingVerbs.has(verb)
}
