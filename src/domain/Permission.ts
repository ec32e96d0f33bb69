import { Schema } from "effect"

/** The mode says who is asked before a tool with an effect runs. */
export const PermissionMode = Schema.Literal("default", "accept_edits", "explore", "bypass", "dont_ask")
export type PermissionMode = typeof PermissionMode.Type

/** Longest name of a tool, pattern and source of a rule, in characters. */
const maxName = 256
const maxContent = 4096
const maxSource = 256

/**
 * Most rules of a session. More are not kept, and the calls that they would allow are asked about. Rules that
 * deny or ask take the places of the oldest that allow: a rule that is forgotten must not let anything run.
 */
export const maxRules = 1000

export const PermissionRule = Schema.Struct({
  tool_name: Schema.String,
  /** A pattern on the call's arguments: a command or its prefix, a path, a domain. Null means the whole tool. */
  rule_content: Schema.NullOr(Schema.String),
  behavior: Schema.Literal("allow", "deny", "ask", "passthrough"),
  source: Schema.String
}).annotations({ identifier: "PermissionRule" })
export type PermissionRule = typeof PermissionRule.Type

/** A rule as a client sends it. The bounds are not those of what is stored: a model may name a tool as it likes. */
export const PermissionRuleInput = Schema.Struct({
  ...PermissionRule.fields,
  tool_name: Schema.String.pipe(
    Schema.maxLength(maxName),
    // A JavaScript object does not keep a key of this name.
    Schema.filter((name) => name !== "__proto__" || "Expected another name than __proto__")
  ),
  rule_content: Schema.NullOr(Schema.String.pipe(Schema.maxLength(maxContent))),
  source: Schema.String.pipe(Schema.maxLength(maxSource))
}).annotations({ identifier: "PermissionRuleInput" })

const rulesByTool = Schema.Record({ key: Schema.String, value: Schema.Array(PermissionRule) })

/** A folder in which edits are at home, beside the session's own. */
const WorkingDirectory = Schema.Struct({ path: Schema.String, source: Schema.String }).annotations({
  identifier: "WorkingDirectory"
})

export const PermissionContext = Schema.Struct({
  mode: PermissionMode,
  /** By their paths. Sessions of older versions have none. */
  working_directories: Schema.optionalWith(Schema.Record({ key: Schema.String, value: WorkingDirectory }), {
    default: () => ({})
  }),
  allow_rules: rulesByTool,
  deny_rules: rulesByTool,
  ask_rules: rulesByTool
}).annotations({ identifier: "PermissionContext" })
export type PermissionContext = typeof PermissionContext.Type

export const permissionContext = (mode: PermissionMode): PermissionContext => ({
  mode,
  working_directories: {},
  allow_rules: {},
  deny_rules: {},
  ask_rules: {}
})

export type Rules = PermissionContext["allow_rules"]

/** A tool may be called `constructor`: only the record's own keys are names. */
export const rulesOf = (rules: Rules, tool: string): ReadonlyArray<PermissionRule> =>
  Object.hasOwn(rules, tool) ? rules[tool]! : []

const fields = { allow: "allow_rules", deny: "deny_rules", ask: "ask_rules" } as const

const countOf = ({ allow_rules, ask_rules, deny_rules }: PermissionContext) =>
  [allow_rules, deny_rules, ask_rules].flatMap((rules) => Object.values(rules)).reduce((sum, of) => sum + of.length, 0)

/** The rules of one tool by their `rule_content`, oldest first. */
type Contents = Map<string | null, PermissionRule>

/** The rules without the oldest of them. */
const without = (rules: Rules, count: number): Rules => {
  let left = count
  return Object.fromEntries(
    Object.entries(rules).flatMap(([tool, of]) => {
      const kept = of.slice(left)
      left -= of.length - kept.length
      return kept.length > 0 ? [[tool, kept]] : []
    })
  )
}

/** The context with more rules, up to `maxRules`; a rule that is there already is not added again. */
export const addRules = (context: PermissionContext, rules: ReadonlyArray<PermissionRule>): PermissionContext => {
  const added = new Map<string, Map<string, Contents>>()
  let left = maxRules - countOf(context)
  /** Rules that allow, which may have to go. */
  let allowing = countOf({ ...context, deny_rules: {}, ask_rules: {} })
  let tooMany = 0
  let changed = false
  for (const rule of rules) {
    if (rule.behavior === "passthrough" || left + (rule.behavior === "allow" ? 0 : allowing) <= 0) continue
    const field = fields[rule.behavior]
    const byTool = added.get(field) ?? new Map<string, Contents>()
    added.set(field, byTool)
    const contents = byTool.get(rule.tool_name) ??
      new Map(rulesOf(context[field], rule.tool_name).map((known) => [known.rule_content, known]))
    byTool.set(rule.tool_name, contents)
    if (contents.has(rule.rule_content)) continue
    contents.set(rule.rule_content, rule)
    if (rule.behavior === "allow") allowing++
    if (left > 0) left--
    else {
      allowing--
      tooMany++
    }
    changed = true
  }
  // The rules are copied once for all: a copy for each new rule would take quadratic time.
  const joined = (field: typeof fields[keyof typeof fields]): Rules => ({
    ...context[field],
    ...Object.fromEntries([...added.get(field) ?? []].map(([tool, contents]) => [tool, [...contents.values()]]))
  })
  return !changed ? context : {
    ...context,
    allow_rules: tooMany > 0 ? without(joined("allow_rules"), tooMany) : joined("allow_rules"),
    deny_rules: joined("deny_rules"),
    ask_rules: joined("ask_rules")
  }
}
