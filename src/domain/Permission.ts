import { Schema } from "effect"

/** Who is asked before a tool with an effect runs. */
export const PermissionMode = Schema.Literal("default", "accept_edits", "explore", "bypass", "dont_ask")
export type PermissionMode = typeof PermissionMode.Type

export const PermissionRule = Schema.Struct({
  tool_name: Schema.String,
  /** A pattern on the call's arguments; null means the whole tool. */
  rule_content: Schema.NullOr(Schema.String),
  behavior: Schema.Literal("allow", "deny", "ask", "passthrough"),
  source: Schema.String
}).annotations({ identifier: "PermissionRule" })
export type PermissionRule = typeof PermissionRule.Type

const rulesByTool = Schema.Record({ key: Schema.String, value: Schema.Array(PermissionRule) })

export const PermissionContext = Schema.Struct({
  mode: PermissionMode,
  allow_rules: rulesByTool,
  deny_rules: rulesByTool,
  ask_rules: rulesByTool
}).annotations({ identifier: "PermissionContext" })
export type PermissionContext = typeof PermissionContext.Type

export const permissionContext = (mode: PermissionMode): PermissionContext => ({
  mode,
  allow_rules: {},
  deny_rules: {},
  ask_rules: {}
})

export type Decision = "allow" | "deny" | "ask"

const names = (rules: PermissionContext["allow_rules"], tool: string) =>
  (rules[tool] ?? []).some(({ rule_content }) => rule_content === null)

/**
 * Whether a call may run: deny rules, then ask rules, then what the tool does,
 * then the mode and the allow rules. Rules on arguments match nothing yet; only
 * those on the whole tool count.
 */
export const decide = (context: PermissionContext, tool: string, effect: "none" | "read" | "write"): Decision => {
  const { allow_rules, ask_rules, deny_rules, mode } = context
  if (names(deny_rules, tool)) return "deny"
  const asked = names(ask_rules, tool)
  if (effect !== "write" && !asked) return "allow"
  if (mode === "explore" && effect === "write") return "deny"
  if (!asked && (names(allow_rules, tool) || mode === "bypass")) return "allow"
  return mode === "dont_ask" ? "deny" : "ask"
}

const fields = { allow: "allow_rules", deny: "deny_rules", ask: "ask_rules" } as const

/** The context with more rules; a rule that is there already is not added again. */
export const addRules = (context: PermissionContext, rules: ReadonlyArray<PermissionRule>): PermissionContext => {
  const added = { ...context }
  for (const rule of rules) {
    if (rule.behavior === "passthrough") continue
    const field = fields[rule.behavior]
    const known = added[field][rule.tool_name] ?? []
    if (known.some(({ rule_content }) => rule_content === rule.rule_content)) continue
    added[field] = { ...added[field], [rule.tool_name]: [...known, rule] }
  }
  return added
}
