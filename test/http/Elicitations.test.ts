/** What the servers of tools ask people while the tools are under way. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { host, programOf } from "../support/mcp/Servers.ts"
import { tenant } from "../support/mcp/Tenant.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

/** A user with a session that has the server of the tests, and what goes on in it. */
const someone = Effect.gen(function*() {
  const { call } = yield* Door
  const { agent_id, chat, session_id, user } = yield* tenant
  const add = (body: object, headers: Readonly<Record<string, string>> = {}) =>
    call("POST", `/workspace/mcp?session_id=${session_id}`, { user, body, headers })
  const path = `/sessions/${session_id}/elicitations`
  const open = Effect.map(call("GET", path, { user }), ({ json }) => json.elicitations)
  const asked = Effect.repeat(Effect.delay(open, "20 millis"), { until: (all): boolean => all.length > 0 }).pipe(
    Effect.timeout(patience(10_000)),
    Effect.map((all) => all[0])
  )
  const answer = (id: string, body: object) => call("POST", `${path}/${id}`, { user, body })
  return { user, add, agent_id, session_id, answer, asked, chat, open, path }
})

const http = (url: string) => ({
  name: "notes",
  is_stateful: true,
  mcp_config: { type: "http_mcp", url, headers: null, timeout: null }
})

/** The tool's output in a reply. */
const saidIn = ({ text }: TestHost.Answer) => text.replaceAll("\\", "")

const servers = {
  "at an address": (add: (body: object) => Effect.Effect<TestHost.Answer>) =>
    Effect.flatMap(atAddress(), ({ url }) => add(http(url))),
  "as a program": (add: (body: object, headers: Readonly<Record<string, string>>) => Effect.Effect<TestHost.Answer>) =>
    Effect.gen(function*() {
      const { key } = yield* (yield* ApiKeys).issue({
        user_id: "operator" as UserId,
        name: "",
        scopes: ["read", "write", "admin"],
        expires_at: null
      })
      return yield* add({ ...programOf("notes"), is_stateful: true }, { authorization: `Bearer ${key}` })
    })
}

layer(TestHost.layer({ host }), { timeout: patience(60_000), excludeTestServices: true })("Elicitation", (it) => {
  for (const [how, server] of Object.entries(servers)) {
    it.scoped(`of a server ${how} reaches a person, and the answer reaches the server, whole and checked`, () =>
      Effect.gen(function*() {
        const { add, answer, asked, chat, open } = yield* someone
        const added = yield* server(add)
        assert.strictEqual(added.status, 201, added.text)
        const reply = yield* Effect.fork(chat("call mcp__notes__ask {}"))
        const question = yield* asked
        assert.deepInclude(question, { tool_name: "mcp__notes__ask", mode: "form", message: "Who are you?", url: null })
        assert.deepInclude(question.requested_schema.properties.name, { type: "string", maxLength: 20 })
        const id = question.elicitation_id
        for (
          const [content, path] of [
            [{}, "content.name"],
            [{ name: "x".repeat(21) }, "content.name"],
            [{ name: "Ada", age: 1.5 }, "content.age"],
            [{ name: "Ada", colour: "green" }, "content.colour"],
            [{ name: "Ada", other: 1 }, "content.other"]
          ] as const
        ) {
          const refused = yield* answer(id, { action: "accept", content })
          assert.deepStrictEqual([refused.status, refused.json.errors?.[0]?.path], [422, path], refused.text)
        }
        const given = { action: "accept", content: { name: "Ada", colour: "red" } }
        const both = yield* Effect.all([answer(id, given), answer(id, { action: "decline" })], { concurrency: 2 })
        assert.sameMembers(both.map(({ status }) => status), [204, 409])
        const said = saidIn(yield* Fiber.join(reply))
        if (both[0].status === 204) {
          assert.include(said, `{"action":"accept","content":{"name":"Ada","colour":"red","age":30}}`.slice(0, 20))
          assert.match(said, /"age":30/)
        } else assert.include(said, `{"action":"decline"}`)
        assert.deepStrictEqual(yield* open, [])
        assert.strictEqual((yield* answer(id, given)).status, 409)
      }))
  }

  it.scoped("tells the stream what is asked and how it ended, and never what was answered", () =>
    Effect.gen(function*() {
      const { add, answer, asked, chat, session_id, user } = yield* someone
      const { watch } = yield* Door
      yield* Effect.flatMap(atAddress(), ({ url }) => add(http(url)))
      const stream = yield* watch("GET", `/sessions/${session_id}/stream?after=0`, { user })
      const reply = yield* Effect.fork(chat("call mcp__notes__ask {}"))
      const { elicitation_id } = yield* asked
      yield* answer(elicitation_id, { action: "accept", content: { name: "SecretName" } })
      yield* Fiber.join(reply)
      const text = yield* stream.until((text) => text.includes("REPLY_END"))
      const frames = text.split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
        JSON.parse(line.slice(6))
      )
      const custom = frames.filter(({ name }) => name?.startsWith("elicitation") === true)
      assert.deepStrictEqual(custom.map(({ name }) => name), ["elicitation_requested", "elicitation_ended"])
      assert.deepInclude(custom[1].value, { elicitation_id, outcome: "accept" })
      assert.notInclude(JSON.stringify(custom), "SecretName")
      stream.leave()
    }))

  it.scoped("asks to open an address, and refuses forms that no person can fill in", () =>
    Effect.gen(function*() {
      const { add, answer, asked, chat } = yield* someone
      yield* Effect.flatMap(atAddress(), ({ url }) => add(http(url)))
      const reply = yield* Effect.fork(chat("call mcp__notes__ask_url {}\nthen\ncall mcp__notes__ask_badly {}"))
      const question = yield* asked
      assert.deepInclude(question, { mode: "url", url: "https://example.com/consent", requested_schema: null })
      yield* answer(question.elicitation_id, { action: "accept" })
      const said = saidIn(yield* Fiber.join(reply))
      assert.include(said, `{"action":"accept"}`)
      assert.include(said, `{"error":-32602}`)
    }))

  it.scoped("of a server that asks without end is bounded, and ends with its call", () =>
    Effect.gen(function*() {
      const { add, answer, asked, chat, open, session_id, user } = yield* someone
      const { call } = yield* Door
      yield* Effect.flatMap(atAddress(), ({ url }) => add(http(url)))
      const reply = yield* Effect.fork(chat("call mcp__notes__ask_much {}"))
      const { elicitation_id } = yield* asked
      yield* Effect.repeat(Effect.delay(open, "20 millis"), { until: (all): boolean => all.length === 8 }).pipe(
        Effect.timeout(patience(10_000))
      )
      yield* call("POST", `/sessions/${session_id}/interrupt`, { user })
      yield* Fiber.join(reply)
      yield* Effect.repeat(Effect.delay(open, "20 millis"), { until: (all): boolean => all.length === 0 }).pipe(
        Effect.timeout(patience(10_000))
      )
      assert.strictEqual((yield* answer(elicitation_id, { action: "decline" })).status, 409)
    }))

  it.scoped("is nobody else's to see or to answer", () =>
    Effect.gen(function*() {
      const { add, answer, asked, chat, path } = yield* someone
      const { call } = yield* Door
      yield* Effect.flatMap(atAddress(), ({ url }) => add(http(url)))
      const reply = yield* Effect.fork(chat("call mcp__notes__ask {}"))
      const { elicitation_id } = yield* asked
      const other = yield* someone
      const user = other.user
      assert.strictEqual((yield* call("GET", path, { user })).status, 404)
      assert.strictEqual(
        (yield* call("POST", `${path}/${elicitation_id}`, { user, body: { action: "decline" } })).status,
        404
      )
      assert.strictEqual((yield* other.answer(elicitation_id, { action: "decline" })).status, 404)
      yield* answer(elicitation_id, { action: "decline" })
      assert.include(saidIn(yield* Fiber.join(reply)), `{"action":"decline"}`)
    }))
})
