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
