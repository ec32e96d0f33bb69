/** The one place that decides whether a tool call may run. It is asked with the call as it will run, right before it does. */
import type { PermissionContext, PermissionRule } from "../Permission.ts"
import type { Part } from "../shell/Part.ts"
import { type Call, judgeCall, type Judged } from "./Call.ts"
import { budget } from "./Glob.ts"
import { allows, mayHold } from "./Matching.ts"
import { isInside, type Places, resolve, unnamed } from "./Paths.ts"
import { suggestions } from "./Suggestions.ts"

export type Verdict =
  | { readonly decision: "allow" }
  | { readonly decision: "deny"; readonly why: string }
  | { readonly decision: "ask"; readonly suggested_rules: ReadonlyArray<PermissionRule> }

export interface Circumstances {
  /** Where relative paths of the call begin, absolute; without it relative paths are inside and absolute ones are not. */
  readonly cwd?: string | undefined
  /** The session's folder, absolute; `cwd` without it. */
  readonly home?: string | undefined
  /** The session's owner has said yes to this very call. */
  readonly confirmed?: boolean
}

const allow: Verdict = { decision: "allow" }

const placesOf = ({ working_directories }: PermissionContext, cwd = unnamed, home = cwd): Places => ({
  cwd,
  home,
  directories: Object.values(working_directories).flatMap(({ path }) => resolve(home, path) ?? [])
})

const isEditInside = ({ effect, writes }: Part, places: Places) =>
  effect === "edit" && writes.every((path) => isInside(places, path))

const inTheMode = (context: PermissionContext, call: Call, judged: Judged, places: Places): Verdict => {
  const { allow_rules, ask_rules, deny_rules, mode } = context
  const left = budget()
  const denied = (why: string): Verdict => ({ decision: "deny", why: `Permission denied for ${call.name} (${why})` })
  if (mayHold(deny_rules, call, judged, places, left)) return denied("a rule of this session denies it")
  const isAsked = mayHold(ask_rules, call, judged, places, left)
  const isReading = judged.unclear === undefined || judged.kind === "path"
    ? judged.parts.every(({ effect }) => effect === "read")
    : false
  if (mode === "explore" && !isReading) return denied("explore mode is read-only")
  // No mode and no rule that allows lets these pass, so that no rule is suggested either.
  if (isAsked || judged.parts.some(({ danger }) => danger !== undefined)) {
    return { decision: "ask", suggested_rules: [] }
  }
  if (isReading || mode === "bypass") return allow
  const mayEdit = mode === "accept_edits" || mode === "dont_ask"
  const missing = judged.parts.filter((part) =>
    part.effect !== "read" && !(mayEdit && isEditInside(part, places)) &&
    !allows(allow_rules, call, judged, part, places, left)
  )
  const isClear = judged.unclear === undefined || allows(allow_rules, call, judged, unclearPart, places, left)
  return missing.length === 0 && isClear
    ? allow
    : { decision: "ask", suggested_rules: suggestions(call, judged, missing, places) }
}

/** Stands for what a call may do beside its parts: only a rule on the whole of it allows that. */
const unclearPart: Part = {
  type: "command",
  words: [],
  effect: "unknown",
  reads: [],
  writes: [],
  danger: undefined,
  least: 1,
  whole: true
}

/**
 * Decides by deny rules, then the mode `explore`, ask rules and dangers, then what only reads, then the mode and
 * the allow rules; every part of a shell command has to be allowed. A confirmation answers what would be
 * asked, and nothing else: deny rules and the mode `explore` still hold.
 */
export const decide = (
  context: PermissionContext,
  call: Call,
  { confirmed = false, cwd, home }: Circumstances = {}
): Verdict => {
  const places = placesOf(context, cwd, home)
  const verdict = inTheMode(context, call, judgeCall(call, places), places)
  if (verdict.decision !== "ask") return verdict
  if (confirmed) return allow
  return context.mode === "dont_ask"
    ? { decision: "deny", why: `Permission denied for ${call.name} (dont_ask mode - user not available)` }
    : verdict
}
