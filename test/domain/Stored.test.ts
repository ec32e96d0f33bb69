/** Whatever is written can be read again, whatever a provider or a person made of it. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, FastCheck, Schema } from "effect"
import { Agent } from "../../src/domain/Agent.ts"
import { ApiKey } from "../../src/domain/ApiKey.ts"
import { ConfirmInput } from "../../src/domain/Chat.ts"
import { Claim } from "../../src/domain/Claim.ts"
import { Credential } from "../../src/domain/Credential.ts"
import { AgentEvent, type EventDraft } from "../../src/domain/Event.ts"
import type { MessageId } from "../../src/domain/Ids.ts"
import { costOf, entryOf, LedgerEntry } from "../../src/domain/Ledger.ts"
import { McpServer } from "../../src/domain/McpServer.ts"
import { acceptMessage, InputMessage, Message } from "../../src/domain/Message.ts"
import { ModelCardDraft } from "../../src/domain/Model.ts"
import {
  addRules,
  maxRules,
  type PermissionContext,
  permissionContext,
  type PermissionRule
} from "../../src/domain/Permission.ts"
import { decide } from "../../src/domain/permission/Decide.ts"
import { Run } from "../../src/domain/Run.ts"
import { Session } from "../../src/domain/Session.ts"
import { Skill, SkillBundle } from "../../src/domain/Skill.ts"
import { maxTokens, reported, Usage } from "../../src/domain/Usage.ts"
import { addUsage, noUsage } from "../../src/domain/UsageSum.ts"
import * as Blocks from "../../src/layers/AgentRunner/Blocks.ts"
import type { ModelPart } from "../../src/services/Models.ts"
import { agentOf, freshId, freshOwner, runOf, sessionOf, time } from "../support/fixtures.ts"
import { replyId, stamp } from "./arbitraries.ts"

const strings = FastCheck.oneof(
  FastCheck.string({ unit: "binary" }),
  FastCheck.constantFrom(
    "\0",
    "\ud800",
    "\udfff x",
    "__proto__",
    "constructor",
    "toString",
    "\u2028",
    "",
    "a".repeat(70_000)
  )
)

/** Free-form JSON as it comes from a body or a provider, with keys that name what every object has. */
const json: FastCheck.Arbitrary<unknown> = FastCheck.letrec((tie) => ({
  value: FastCheck.oneof(
    { maxDepth: 3 },
    strings,
    FastCheck.constantFrom(0, -0, 1e300, -1e300, Number.MAX_SAFE_INTEGER + 2, 0.1, Infinity, Number.NaN),
    FastCheck.constantFrom(null, true),
    FastCheck.array(tie("value"), { maxLength: 3 }),
    tie("object")
  ),
  object: FastCheck.array(FastCheck.tuple(strings, tie("value")), { maxLength: 3 }).map((entries) => {
    const object: Record<string, unknown> = {}
    for (const [name, value] of entries) {
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    }
    return object
  })
})).value

const object = json.map((value) => ({ value }))

/** A record of this schema whose free-form parts are hostile. */
const hostile = <A, I>(schema: Schema.Schema<A, I>): FastCheck.Arbitrary<A> =>
  FastCheck.tuple(Arbitrary.make(schema), object).map(([record, free]) => {
    const put = (value: unknown, key = ""): unknown => {
      if (key === "metadata" || key === "provider_metadata" || key === "parameters" || key === "settings") return free
      if (key === "structured_output") return free.value
      if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return String(value)
      if (typeof value !== "object" || value === null) return value
      if (Array.isArray(value)) return value.map((one) => put(one))
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, put(one, name)]))
    }
    return put(record) as A
  })

const stored = <A, I>(schema: Schema.Schema<A, I>, record: A): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(record))))

const readsBack = <A, I>(name: string, schema: Schema.Schema<A, I>) =>
  it.prop(`${name} reads back`, [hostile(schema)], ([record]) => {
    const once = stored(schema, record)
    assert.deepStrictEqual(stored(schema, once), once)
  }, { fastCheck: { numRuns: 60 } })

describe("What is stored", () => {
  readsBack("an agent", Agent)
  readsBack("a key", ApiKey)
  readsBack("a claim", Claim)
  readsBack("a credential", Credential)
  readsBack("an MCP server", McpServer)
  readsBack("a skill", Skill)
  readsBack("the files of a skill", SkillBundle)
  readsBack("a session", Session)
  readsBack("a run", Run)
  readsBack("a message", Message)
  readsBack("an event", AgentEvent)
  readsBack("an entry of the ledger", LedgerEntry)
})

const number = FastCheck.oneof(
  FastCheck.double(),
  FastCheck.constantFrom(1e300, -1e300, 1e21, 2 ** 53, Infinity, -Infinity, Number.NaN, -1, 0.5, 1e9 + 0.5)
)

const claimed = FastCheck.record({
  input_tokens: number,
  output_tokens: number,
  cache_input_tokens: FastCheck.option(number, { nil: undefined }),
  cache_creation_input_tokens: FastCheck.option(number, { nil: undefined }),
  reasoning_tokens: FastCheck.option(number, { nil: undefined })
}) as FastCheck.Arbitrary<Usage>

describe("A provider's usage", () => {
  it.prop("is counts when it is stored, alone and as a sum of a thousand calls", [claimed], ([usage]) => {
    const counts = reported(usage)
    assert.isTrue(Schema.is(Usage)(counts))
    let sum = noUsage
    for (let i = 0; i < 1000; i++) sum = addUsage(sum, counts)
    assert.isTrue(Schema.is(Usage)(stored(Usage, sum)))
  })

  it("is believed up to a bound, and no further", () => {
    assert.deepStrictEqual(reported({ input_tokens: maxTokens, output_tokens: maxTokens + 1 }), {
      input_tokens: maxTokens,
      output_tokens: maxTokens
    })
    assert.deepStrictEqual(reported({ input_tokens: -3, output_tokens: 2.9 }), { input_tokens: 0, output_tokens: 2 })
  })

  it.prop("makes an entry of the ledger that can be read, at the highest price too", [claimed], ([usage]) => {
    const run = runOf(sessionOf(agentOf(freshOwner())))
    const start = stamp({ type: "MODEL_CALL_START", reply_id: replyId, model_name: "m" })
    const end = stamp({ type: "MODEL_CALL_END", reply_id: replyId, ...usage })
    if (start.type !== "MODEL_CALL_START" || end.type !== "MODEL_CALL_END") return
    const prices = { input: 1_000_000_000, output: 1_000_000_000 }
    const entry = entryOf(run, start, end, { attempts: 1, first_token_ms: 0, outcome: "completed", prices })
    assert.deepStrictEqual(stored(LedgerEntry, entry), entry)
    assert.isTrue(Number.isFinite(costOf(entry, prices)))
  })
})

describe("A model's card", () => {
  const read = Schema.decodeUnknownEither(ModelCardDraft)
  const isTaken = (changes: object) => read({ name: "m", ...changes })._tag === "Right"

  it("has sizes and prices up to a bound", () => {
    assert.isTrue(isTaken({ context_size: 100_000_000, prices: { input: 1_000_000_000, output: 0 } }))
    assert.isFalse(isTaken({ context_size: 100_000_001 }))
    for (const input of [1_000_000_001, 1e300, -1, Number.NaN, Infinity]) {
      assert.isFalse(isTaken({ prices: { input, output: 0 } }), String(input))
    }
  })

  it("changes a parameter to a type of JSON schema only", () => {
    assert.isTrue(isTaken({ parameters_overrides: { top_p: { type: "number" }, stop: { type: ["string", "null"] } } }))
    for (const type of ["__proto__", "constructor", "toString", "", 5, null, ["string", "valueOf"]]) {
      assert.isFalse(isTaken({ parameters_overrides: { top_p: { type } } }), String(type))
    }
  })
})

const ruleFor = (tool_name: string, changes: Partial<PermissionRule> = {}): PermissionRule => ({
  tool_name,
  rule_content: null,
  behavior: "allow",
  source: "user",
  ...changes
})

const decisionOn = (context: PermissionContext, name: string) =>
  decide(context, { name, input: "{}", effect: "write", own: true }).decision

describe("A permission rule", () => {
  it("goes for the tool of its name, whatever other objects call so", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty", "__proto__"]) {
      assert.strictEqual(decisionOn(permissionContext("default"), name), "ask")
    }
    const allowed = addRules(permissionContext("default"), [ruleFor("constructor")])
    assert.strictEqual(decisionOn(allowed, "constructor"), "allow")
    assert.strictEqual(decisionOn(allowed, "toString"), "ask")
  })

  it("is kept up to the bound of a session, and not beyond", () => {
    const rules = Array.from({ length: maxRules + 1 }, (_, i) => ruleFor(`tool-${i}`))
    const full = addRules(permissionContext("default"), rules.slice(0, maxRules))
    assert.strictEqual(Object.keys(full.allow_rules).length, maxRules)
    assert.deepStrictEqual(addRules(full, rules), full)
    assert.strictEqual(decisionOn(full, `tool-${maxRules - 1}`), "allow")
    assert.strictEqual(decisionOn(full, `tool-${maxRules}`), "ask")
  })

  it("is taken from a client with names and patterns of a bounded length", () => {
    const answer = (rule: PermissionRule) => ({
      type: "USER_CONFIRM_RESULT",
      reply_id: "r",
      confirm_results: [{ confirmed: true, tool_call: { id: "c" }, rules: [rule] }]
    })
    const isTaken = (rule: PermissionRule) => Schema.decodeUnknownEither(ConfirmInput)(answer(rule))._tag === "Right"
    assert.isTrue(isTaken(ruleFor("x".repeat(256), { rule_content: "y".repeat(4096), source: "z".repeat(256) })))
    assert.isFalse(isTaken(ruleFor("x".repeat(257))))
    assert.isFalse(isTaken(ruleFor("__proto__")))
    assert.isFalse(isTaken(ruleFor("x", { rule_content: "y".repeat(4097) })))
    assert.isFalse(isTaken(ruleFor("x", { source: "z".repeat(257) })))
  })
})

const part: FastCheck.Arbitrary<Exclude<ModelPart, { readonly type: "finish" | "retry" | "switch" }>> = FastCheck.oneof(
  FastCheck.record({ type: FastCheck.constantFrom("text", "thinking"), block: strings, delta: strings }),
  FastCheck.record({ type: FastCheck.constant("block_end"), block: strings, provider_metadata: object }),
  FastCheck.record({ type: FastCheck.constant("data"), media_type: strings, data: strings }),
  FastCheck.record({ type: FastCheck.constant("tool_call_start"), id: strings, name: strings }),
  FastCheck.record({ type: FastCheck.constant("tool_call_delta"), id: strings, delta: strings }),
  FastCheck.record({ type: FastCheck.constant("tool_call_end"), id: strings })
) as FastCheck.Arbitrary<never>

describe("A provider's parts", () => {
  it.prop(
    "become events that can be read, whatever it calls its blocks and calls",
    [FastCheck.array(part)],
    ([parts]) => {
      const drafts: Array<EventDraft> = []
      const blocks = Blocks.make({
        reply_id: replyId,
        emit: (draft) => void drafts.push(draft),
        newBlock: () => freshId() as never,
        isTaken: () => false
      })
      for (const one of parts) blocks.take(one)
      for (const draft of drafts) stored(AgentEvent, stamp(draft))
    },
    { fastCheck: { numRuns: 60 } }
  )
})

describe("A person's message", () => {
  it.prop("reads back, with whatever metadata", [strings, object], ([text, metadata]) => {
    const input = Schema.decodeUnknownSync(InputMessage)({ content: `said: ${text}`, metadata })
    let n = 0
    const message = acceptMessage(input, "m" as MessageId, time, () => `b${n++}` as never)
    assert.strictEqual(JSON.stringify(stored(Message, message).content), JSON.stringify(message.content))
  })
})
