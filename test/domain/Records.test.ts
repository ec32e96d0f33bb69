import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck, Schema } from "effect"
import { Agent, AgentDraft, AgentPatch, patchAgent } from "../../src/domain/Agent.ts"
import { ApiKey, isUsable, presentKey } from "../../src/domain/ApiKey.ts"
import { Credential, defaultName, masked, present } from "../../src/domain/Credential.ts"
import { AgentId, type BlockId, type MessageId, type Timestamp } from "../../src/domain/Ids.ts"
import { acceptMessage, InputMessage, Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { cursorAfter, keyOfCursor } from "../../src/domain/Page.ts"
import { patchSession, Session, SessionPatch } from "../../src/domain/Session.ts"
import { Usage } from "../../src/domain/Usage.ts"
import { addUsage, noUsage } from "../../src/domain/UsageSum.ts"
import { later, time } from "../support/fixtures.ts"
import { arbitrary } from "./arbitraries.ts"

const usage = arbitrary(Usage)

describe("Usage", () => {
  it.prop("adds in any order and grouping, and nothing changes nothing", [usage, usage, usage], ([a, b, c]) => {
    assert.deepStrictEqual(addUsage(a, b), addUsage(b, a))
    assert.deepStrictEqual(addUsage(addUsage(a, b), c), addUsage(a, addUsage(b, c)))
    assert.deepStrictEqual(addUsage(a, noUsage), a)
    assert.strictEqual(addUsage(a, b).output_tokens, a.output_tokens + b.output_tokens)
  })

  it("leaves a count out that nobody reported", () => {
    const sum = addUsage({ ...noUsage, reasoning_tokens: 0 }, { ...noUsage, cache_input_tokens: 2 })
    assert.deepStrictEqual(sum, { ...noUsage, reasoning_tokens: 0, cache_input_tokens: 2 })
  })
})

describe("Cursors", () => {
  it.prop("bring back the key that they were made of", [arbitrary(AgentId)], ([key]) => {
    assert.match(cursorAfter(key), /^[\w-]+$/)
    assert.deepStrictEqual(keyOfCursor(cursorAfter(key)), Either.right<string>(key))
  })

  it.prop("are a key or malformed, whatever a client makes up", [FastCheck.string({ unit: "binary" })], ([text]) => {
    for (const cursor of [text, cursorAfter(text)]) {
      const key = keyOfCursor(cursor)
      if (Either.isRight(key)) assert.isTrue(Schema.is(AgentId)(key.right))
      else assert.strictEqual(key.left.code, "invalid_cursor")
    }
  })
})

describe("Names of credentials", () => {
  it("are the type in words, numbered when taken", () => {
    assert.strictEqual(defaultName("openai_credential", new Set()), "Openai")
    assert.strictEqual(defaultName("openai_compatible_credential", new Set()), "Openai Compatible")
    assert.strictEqual(defaultName("openai_credential", new Set(["Openai"])), "Openai (2)")
    assert.strictEqual(defaultName("openai_credential", new Set(["Openai", "Openai (3)", "Openai (2)"])), "Openai (4)")
    assert.strictEqual(defaultName("_credential", new Set()), "_credential")
  })

  it.prop("are new each time", [FastCheck.string({ minLength: 1 }), FastCheck.nat(6)], ([type, n]) => {
    const taken = new Set<string>()
    for (let i = 0; i <= n; i++) taken.add(defaultName(type, taken))
    assert.strictEqual(taken.size, n + 1)
    assert.isFalse(taken.has(""))
  })
})

describe("A patch of an agent", () => {
  it.prop(
    "changes what it names; null and absent keep",
    [arbitrary(Agent), arbitrary(AgentPatch)],
    ([agent, patch]) => {
      const patched = patchAgent(agent, patch, later)
      const keys = ["name", "system_prompt", "context_config", "react_config"] as const
      for (const key of keys) assert.deepStrictEqual<unknown>(patched.data[key], patch[key] ?? agent.data[key])
      assert.deepStrictEqual({ ...patched, data: agent.data, updated_at: agent.updated_at }, agent)
      assert.strictEqual(patched.updated_at, later)
      assert.strictEqual(patched.data.id, agent.data.id)
      assert.isTrue(Schema.is(Agent)(patched))
    }
  )

  it.prop("of nothing keeps everything but the time", [arbitrary(Agent)], ([agent]) => {
    const nothing: AgentPatch = { name: null, system_prompt: null, context_config: null, react_config: null }
    for (const patch of [{}, nothing]) {
      assert.deepStrictEqual(patchAgent(agent, patch, later), { ...agent, updated_at: later })
    }
  })

  it("may empty the system prompt", () => {
    const agent: Agent = {
      id: "a" as Agent["id"],
      user_id: "o" as Agent["user_id"],
      created_at: time,
      updated_at: time,
      data: { id: "a" as Agent["id"], ...Schema.decodeSync(AgentDraft)({ name: "Zeno", system_prompt: "Be brief." }) }
    }
    assert.strictEqual(patchAgent(agent, { system_prompt: "" }, later).data.system_prompt, "")
  })
})

describe("A patch of a session", () => {
  it.prop("changes what it names", [arbitrary(Session), arbitrary(SessionPatch)], ([session, patch]) => {
    const patched = patchSession(session, patch, later)
    assert.strictEqual(patched.config.name, patch.name ?? session.config.name)
    assert.strictEqual(
      patched.state.permission_context.mode,
      patch.permission_mode ?? session.state.permission_context.mode
    )
    assert.deepStrictEqual(
      patched.config.chat_model_config,
      "chat_model_config" in patch && patch.chat_model_config !== undefined
        ? patch.chat_model_config
        : session.config.chat_model_config
    )
    assert.deepStrictEqual(
      { ...patched, config: session.config, state: session.state, updated_at: session.updated_at },
      session
    )
    assert.isTrue(Schema.is(Session)(patched))
  })

  it.prop("takes the model away with null, and with null only", [arbitrary(Session)], ([session]) => {
    assert.isNull(patchSession(session, { chat_model_config: null }, later).config.chat_model_config)
    assert.deepStrictEqual(patchSession(session, {}, later), { ...session, updated_at: later })
    assert.deepStrictEqual(patchSession(session, { name: null, permission_mode: null }, later), {
      ...session,
      updated_at: later
    })
  })
})

describe("What leaves the host", () => {
  it.prop("of a key: everything but its hash", [arbitrary(ApiKey)], ([key]) => {
    const shown = presentKey(key)
    assert.notProperty(shown, "hash")
    assert.deepStrictEqual({ ...shown, hash: key.hash }, key)
  })

  it.prop("of a credential: its secrets' names, masked", [arbitrary(Credential)], ([credential]) => {
    const { data } = present(credential)
    for (const name of credential.secrets) assert.strictEqual(data[name], masked)
    assert.isFalse(Object.hasOwn(present(credential), "sealed"))
  })
})

describe("A key", () => {
  it("is usable until it is revoked or expires", () => {
    const key = { revoked_at: null, expires_at: null } as ApiKey
    assert.isTrue(isUsable(key, time))
    assert.isFalse(isUsable({ ...key, revoked_at: time }, time))
    assert.isTrue(isUsable({ ...key, expires_at: later }, time))
    assert.isFalse(isUsable({ ...key, expires_at: time }, time))
    assert.isFalse(isUsable({ ...key, expires_at: time }, later as Timestamp))
  })
})

describe("A client's message", () => {
  it.prop("is stored with our ids and times, and its own words", [arbitrary(InputMessage)], ([input]) => {
    let n = 0
    const message = acceptMessage(input, "m" as MessageId, time, () => `b${++n}` as BlockId)
    assert.isTrue(Schema.is(Message)(message))
    assert.strictEqual(message.id, "m")
    assert.deepStrictEqual([message.created_at, message.finished_at], [time, time])
    assert.deepStrictEqual<ReadonlyArray<string>>(
      message.content.map(({ id }) => id),
      message.content.map((_, i) => `b${i + 1}`)
    )
    assert.strictEqual(
      textOf(message.content),
      typeof input.content === "string"
        ? input.content
        : input.content.map((block) => block.type === "text" ? block.text : "").join("")
    )
  })
})
