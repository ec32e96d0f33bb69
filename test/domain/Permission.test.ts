import { assert, describe, it } from "@effect/vitest"
import {
  addRules,
  maxRules,
  type PermissionContext,
  permissionContext,
  type PermissionMode,
  type PermissionRule
} from "../../src/domain/Permission.ts"
import { decide } from "../../src/domain/permission/Decide.ts"

type Decision = "allow" | "deny" | "ask"

const rule = (behavior: PermissionRule["behavior"], rule_content: string | null = null): PermissionRule => ({
  tool_name: "T",
  rule_content,
  behavior,
  source: "user"
})

const of = (mode: PermissionMode, ...rules: ReadonlyArray<PermissionRule>): PermissionContext =>
  addRules(permissionContext(mode), rules)

/** The decision on a tool that has nothing but an effect. */
const decisionOn = (context: PermissionContext, name: string, effect: "none" | "read" | "write"): Decision =>
  decide(context, { name, input: "{}", effect, own: true }).decision

type Effects = readonly [none: Decision, read: Decision, write: Decision]

/** Decisions on a tool without effect, one that reads, and one that writes: by the rules on it, and the mode. */
const table: ReadonlyArray<
  readonly [rules: ReadonlyArray<PermissionRule["behavior"]>, Record<PermissionMode, Effects>]
> = [
  [[], {
    default: ["allow", "allow", "ask"],
    accept_edits: ["allow", "allow", "ask"],
    explore: ["allow", "allow", "deny"],
    bypass: ["allow", "allow", "allow"],
    dont_ask: ["allow", "allow", "deny"]
  }],
  [["allow"], {
    default: ["allow", "allow", "allow"],
    accept_edits: ["allow", "allow", "allow"],
    explore: ["allow", "allow", "deny"],
    bypass: ["allow", "allow", "allow"],
    dont_ask: ["allow", "allow", "allow"]
  }],
  [["ask"], {
    default: ["ask", "ask", "ask"],
    accept_edits: ["ask", "ask", "ask"],
    explore: ["ask", "ask", "deny"],
    bypass: ["ask", "ask", "ask"],
    dont_ask: ["deny", "deny", "deny"]
  }],
  [["allow", "ask"], {
    default: ["ask", "ask", "ask"],
    accept_edits: ["ask", "ask", "ask"],
    explore: ["ask", "ask", "deny"],
    bypass: ["ask", "ask", "ask"],
    dont_ask: ["deny", "deny", "deny"]
  }],
  ...[["deny"], ["deny", "allow"], ["deny", "ask"], ["deny", "allow", "ask"]].map((rules) =>
    [rules as ReadonlyArray<PermissionRule["behavior"]>, {
      default: ["deny", "deny", "deny"],
      accept_edits: ["deny", "deny", "deny"],
      explore: ["deny", "deny", "deny"],
      bypass: ["deny", "deny", "deny"],
      dont_ask: ["deny", "deny", "deny"]
    }] as const
  )
]

describe("Permissions", () => {
  for (const [behaviors, modes] of table) {
    for (const mode of Object.keys(modes) as ReadonlyArray<PermissionMode>) {
      it(`decide in the mode ${mode} with ${behaviors.join(" and ") || "no"} rules as the table says`, () => {
        const context = of(mode, ...behaviors.map((behavior) => rule(behavior)))
        const decisions = (["none", "read", "write"] as const).map((effect) => decisionOn(context, "T", effect))
        assert.deepStrictEqual(decisions, [...modes[mode]])
      })
    }
  }

  it("look only at rules on that tool", () => {
    const rules = [
      { ...rule("deny"), tool_name: "Other" },
      { ...rule("ask", "x"), tool_name: "Other" },
      rule("passthrough")
    ]
    assert.strictEqual(decisionOn(of("bypass", ...rules), "T", "write"), "allow")
  })

  it("deny, ask and do not allow by patterns on tools whose arguments say nothing", () => {
    for (const mode of ["default", "accept_edits", "explore", "bypass", "dont_ask"] as const) {
      for (const effect of ["none", "read", "write"] as const) {
        const denied = of(mode, rule("deny", "rm *"), rule("allow"))
        assert.strictEqual(decisionOn(denied, "T", effect), "deny", `${mode} ${effect}`)
        const asked = of(mode, rule("ask", "rm *"), rule("allow"))
        const whole = of(mode, rule("ask"), rule("allow"))
        assert.strictEqual(decisionOn(asked, "T", effect), decisionOn(whole, "T", effect), `${mode} ${effect}`)
        assert.notStrictEqual(decisionOn(asked, "T", effect), "allow", `${mode} ${effect}`)
        const allowed = of(mode, rule("allow", "ls"))
        assert.strictEqual(decisionOn(allowed, "T", effect), decisionOn(of(mode), "T", effect), `${mode} ${effect}`)
      }
    }
  })

  it("keep rules that deny or ask when there is no room, in the places of the oldest that allow", () => {
    const allowing = Array.from({ length: maxRules }, (_, n) => ({ ...rule("allow"), tool_name: `tool-${n}` }))
    const full = of("bypass", ...allowing)
    const after = addRules(full, [rule("deny", "rm *"), { ...rule("ask"), tool_name: "U" }, rule("allow")])
    assert.strictEqual(decisionOn(after, "T", "write"), "deny")
    assert.strictEqual(decisionOn(after, "U", "write"), "ask")
    assert.deepStrictEqual(Object.keys(after.allow_rules), allowing.slice(2).map(({ tool_name }) => tool_name))
    const denying = Array.from({ length: maxRules + 5 }, (_, n) => ({ ...rule("deny"), tool_name: `tool-${n}` }))
    const denied = of("bypass", ...denying)
    assert.lengthOf(Object.keys(denied.deny_rules), maxRules)
  })

  it("have a rule once that is added again, keep the first, and leave what they were as it was", () => {
    const before = of("default", rule("allow"))
    const after = addRules(before, [{ ...rule("allow"), source: "again" }, rule("allow", "ls"), rule("allow", "ls")])
    assert.deepStrictEqual(after.allow_rules["T"], [rule("allow"), rule("allow", "ls")])
    assert.deepStrictEqual(before.allow_rules["T"], [rule("allow")])
    assert.deepStrictEqual(addRules(before, [rule("passthrough")]), before)
    assert.deepStrictEqual([after.deny_rules, after.ask_rules], [{}, {}])
  })
})
