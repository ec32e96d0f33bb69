/** Nothing that a client sends is taken and dropped in silence: it is kept, refused, or named in a warning. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0

const settled = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `warned-${owners++}`
  const send = (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>) =>
    call(method, path, { user, ...body !== undefined && { body }, ...headers && { headers } })
  const { json: { agent_id } } = yield* send("POST", "/agent", { name: "Friday" })
  const { json: { credential_id } } = yield* send("POST", "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-chat", parameters: { delay_ms: 0 } }
  const { json: { session_id } } = yield* send("POST", "/sessions", { agent_id, chat_model_config })
  return { send, agent_id, credential_id, session_id, chat_model_config }
})

/** The fields that an answer warns of, in the header and, where it can, in the body. */
const warnedOf = ({ headers, json }: TestHost.Answer, inBody = true) => {
  const warnings: ReadonlyArray<string> = JSON.parse(headers["stoa-warnings"] ?? "[]")
  if (inBody) assert.deepStrictEqual(json?.warnings ?? [], warnings)
  return warnings.map((sentence) => /'(.*)'/.exec(sentence)![1])
}

layer(TestHost.layer(), { excludeTestServices: true })("What a request has too much", (it) => {
  describe("of fields", () => {
    it.effect("is named when an agent is made or changed, wherever it stands", () =>
      Effect.gen(function*() {
        const { agent_id, send } = yield* settled
        const body = {
          name: "Bird",
          mcp_ids: ["m1"],
          context_config: { self_compact_enabled: true },
          react_config: { max_iters: 3, "größe": 1 }
        }
        const made = yield* send("POST", "/agent/", body)
        assert.strictEqual(made.status, 201)
        assert.deepStrictEqual(warnedOf(made), ["mcp_ids", "context_config.self_compact_enabled", "react_config.größe"])
        const changed = yield* send("PATCH", `/agent/${agent_id}`, { skill_ids: [] })
        assert.deepStrictEqual(warnedOf(changed), ["skill_ids"])
        assert.strictEqual(changed.json.id, agent_id)
      }))

    it.effect("is named when a session is made or changed", () =>
      Effect.gen(function*() {
        const { agent_id, chat_model_config, send, session_id } = yield* settled
        const made = yield* send("POST", "/sessions/", {
          agent_id,
          chat_model_config: { ...chat_model_config, max_retries: 3 },
          naming: { auto: true }
        })
        assert.deepStrictEqual(warnedOf(made), ["chat_model_config.max_retries", "naming"])
        const changed = yield* send("PATCH", `/sessions/${session_id}`, { knowledge_config: { weight: 1 } })
        assert.deepStrictEqual(warnedOf(changed), ["knowledge_config.weight"])
      }))

    it.effect("is refused in a credential's data and among a model's parameters, and named beside the data", () =>
      Effect.gen(function*() {
        const { agent_id, chat_model_config, send } = yield* settled
        const data = { type: "demo_credential" }
        assert.strictEqual((yield* send("POST", "/credential", { data: { ...data, colour: "red" } })).status, 422)
        assert.deepStrictEqual(warnedOf(yield* send("POST", "/credential", { data, shared: true })), ["shared"])
        const config = { ...chat_model_config, parameters: { warmth: 1 } }
        assert.strictEqual((yield* send("POST", "/sessions", { agent_id, chat_model_config: config })).status, 422)
      }))

    it.effect("is named in every kind of answer to an input, a stream's headers among them", () =>
      Effect.gen(function*() {
        const { agent_id, send, session_id } = yield* settled
        const input = { name: "u", role: "user", content: [{ type: "text", text: "hi", tone: "calm" }], mood: "good" }
        const body = { agent_id, session_id, input, stream: true }
        const names = ["input.content.0.tone", "input.mood", "stream"]
        const streamed = yield* send("POST", "/chat/", body)
        assert.include(streamed.text, "REPLY_END")
        assert.sameMembers(warnedOf(streamed, false), names)
        assert.sameMembers(warnedOf(yield* send("POST", "/chat", body, { accept: "application/json" })), names)
        const accepted = yield* send("POST", "/chat", body, { prefer: "respond-async" })
        assert.strictEqual(accepted.status, 202)
        assert.sameMembers(warnedOf(accepted), names)
      }))

    it.effect("is no matter where a field is kept as it came", () =>
      Effect.gen(function*() {
        const { agent_id, send, session_id } = yield* settled
        const input = { name: "u", role: "user", content: [{ type: "text", text: "hi" }], metadata: { mood: "good" } }
        assert.deepStrictEqual(warnedOf(yield* send("POST", "/chat/reply", { agent_id, session_id, input })), [])
      }))

    it.effect("is named of a thousand at most sixteen times", () =>
      Effect.gen(function*() {
        const { send } = yield* settled
        const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`field${i}${"x".repeat(200)}`, 1]))
        const answer = yield* send("POST", "/agent", { name: "Bird", ...many })
        assert.strictEqual(answer.status, 201)
        assert.strictEqual(answer.json.warnings.length, 16)
        assert.isBelow(answer.headers["stoa-warnings"]!.length, 4_096)
      }))

    it.effect("is named in a header that proxies pass on, whatever its name is written in", () =>
      Effect.gen(function*() {
        const { send } = yield* settled
        const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${"中".repeat(120)}${i}`, 1]))
        const answer = yield* send("POST", "/agent", { name: "Bird", ...many })
        assert.strictEqual(answer.status, 201)
        assert.isAbove(answer.json.warnings.length, 0)
        assert.isAtMost(answer.headers["stoa-warnings"]!.length, 3_072)
        assert.deepStrictEqual(JSON.parse(answer.headers["stoa-warnings"]!), answer.json.warnings)
      }))

    it.effect("is named in whole characters, and on one line", () =>
      Effect.gen(function*() {
        const { send } = yield* settled
        const names = [`a${"😀".repeat(120)}`, "😀".repeat(120), "half \ud83d", "line\r\nx-evil: 1", "constructor"]
        const answer = yield* send("POST", "/agent", { name: "Bird", ...Object.fromEntries(names.map((n) => [n, 1])) })
        assert.strictEqual(answer.status, 201)
        const sentences: ReadonlyArray<string> = answer.json.warnings
        assert.strictEqual(sentences.length, names.length)
        for (const sentence of sentences) assert.isTrue(sentence.isWellFormed(), JSON.stringify(sentence))
        assert.notProperty(answer.headers, "x-evil")
      }))
  })

  describe("of query parameters", () => {
    it.effect("is named, and the answer is the same otherwise", () =>
      Effect.gen(function*() {
        const { agent_id, send, session_id } = yield* settled
        for (
          const path of [
            `/agent/${agent_id}`,
            "/agent/",
            `/sessions/${session_id}`,
            `/sessions/${session_id}/messages`,
            "/model?provider=demo_credential",
            "/health"
          ]
        ) {
          const plain = yield* send("GET", path)
          const asked = yield* send("GET", `${path}${path.includes("?") ? "&" : "?"}page=2&p%C3%A4ge=3`)
          assert.strictEqual(asked.status, 200)
          assert.deepStrictEqual(warnedOf(asked), ["page", "päge"])
          const { time: _, warnings: __, ...rest } = asked.json
          const { time: ___, ...before } = plain.json
          assert.deepStrictEqual(rest, before)
        }
      }))

    it.effect("gives no warning to one that is known, or to an answer without a body more than the header", () =>
      Effect.gen(function*() {
        const { agent_id, send, session_id } = yield* settled
        assert.deepStrictEqual(warnedOf(yield* send("GET", `/sessions?agent_id=${agent_id}&limit=3`)), [])
        const removed = yield* send("DELETE", `/sessions/${session_id}?agent_id=${agent_id}&hard=1`)
        assert.strictEqual(removed.status, 204)
        assert.deepStrictEqual(warnedOf(removed, false), ["hard"])
      }))
  })
})
