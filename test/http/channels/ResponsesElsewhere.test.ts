/** Responses whose run goes on without their clients: answered elsewhere, deleted, or cut off where it hurts most. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { SessionId } from "../../../src/domain/Ids.ts"
import * as Host from "../../../src/layers/Host.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { eventually } from "../../support/live.ts"
import { asked, refused, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const model = "agent/Ada"

const weather = (city: string) => ({
  type: "function" as const,
  name: `weather_${city}`,
  description: "How it is",
  strict: false,
  parameters: { type: "object", properties: {} }
})
const tools = [weather("kiel"), weather("lund")]

const without = (text: string) => text.split("\n").filter((line) => !line.startsWith(":")).join("\n")

layer(TestHost.layer(), { excludeTestServices: true })("A response whose run is answered elsewhere", (it) => {
  it.effect("stays as it was at its end, in every status and byte, whatever its run does afterwards", () =>
    Effect.gen(function*() {
      const { agent_id, client, key, user } = yield* tenant()
      const { call, url } = yield* TestHost.TestHost
      const input = "say one\ncall weather_kiel {}\nthen\ncall weather_lund {}\nthen\nsleep 2000\nresults"
      const { id } = yield* asked(() => client.responses.create({ model, input, tools, background: true }))
      const read = asked(() => client.responses.retrieve(id))
      const bytes = (after?: number) =>
        asked(async () => {
          const query = after === undefined ? "" : `&starting_after=${after}`
          const answer = await fetch(`${url}/v1/responses/${id}?stream=true${query}`, {
            headers: { authorization: `Bearer ${key}` }
          })
          return without(await answer.text())
        })
      const live = yield* bytes()
      const first = yield* read
      assert.strictEqual(first.status, "completed")
      const called = first.output.find(({ type }) => type === "function_call")
      if (called?.type !== "function_call") throw new Error("no call")
      const run = (yield* call("GET", "/runs", { user })).json.runs[0]
      const { reply_id, session_id } = run
      const answer = (call_id: string) =>
        call("POST", "/chat/async", {
          user,
          body: {
            agent_id,
            session_id,
            tools: tools.map(({ description, name, parameters }) => ({ name, description, parameters })),
            input: {
              type: "EXTERNAL_EXECUTION_RESULT",
              reply_id,
              execution_results: [{ id: call_id, output: "sunny" }]
            }
          }
        })
      const statusOf = Effect.map(call("GET", `/runs/${run.id}`, { user }), ({ json }) => json.status as string)
      const isAsBefore = Effect.gen(function*() {
        assert.deepStrictEqual(yield* read, first)
        assert.strictEqual(yield* bytes(), live)
        const frames = live.split("\n\n")
        for (const after of [0, 3, frames.length - 3]) {
          assert.strictEqual(yield* bytes(after), frames.slice(after + 1).join("\n\n"))
        }
      })
      yield* isAsBefore
      assert.strictEqual((yield* answer(called.call_id)).status, 202)
      const waits = (status: string) => status === "awaiting_external_result"
      yield* eventually("the run waits for the second tool", statusOf, waits)
      yield* isAsBefore
      // Its own call is answered where it was asked, not where the run waits now.
      const output = { type: "function_call_output" as const, call_id: called.call_id, output: "9 degrees" }
      const next = yield* asked(() =>
        client.responses.create({ model, previous_response_id: id, input: [output], tools })
      )
      assert.deepStrictEqual(next.output.map(({ type }) => type), ["function_call"])
      const text = yield* refused(() => client.responses.create({ model, previous_response_id: id, input: "say x" }))
      assert.strictEqual(text.code, "missing_tool_output")
      const { messages } = (yield* call("GET", `/sessions/${session_id}/messages`, { user })).json
      const second = messages.at(-1).content.find(({ name, type }: { type: string; name: string }) =>
        type === "tool_call" && name === "weather_lund"
      )
      assert.strictEqual((yield* answer(second.id)).status, 202)
      assert.include(["running", "queued"], yield* statusOf)
      yield* isAsBefore
      const running = yield* refused(() => client.responses.create({ model, previous_response_id: id, input: "say x" }))
      assert.strictEqual(running.code, "previous_response_not_finished")
      // Nothing of it can be stopped any more.
      assert.strictEqual((yield* asked(() => client.responses.cancel(id))).status, "completed")
      yield* eventually("the run has ended", statusOf, (status) => status === "ended")
      assert.strictEqual((yield* call("GET", `/runs/${run.id}`, { user })).json.finished_reason, "completed")
      yield* isAsBefore
      // What came of it elsewhere is what is gone on from.
      const last = yield* asked(() => client.responses.create({ model, previous_response_id: id, input: "context" }))
      assert.strictEqual(JSON.parse(last.output_text).messages, 3)
    }))

  it.effect("is gone on from as it was between two answers of its tools", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const input = "call weather_kiel {}\nthen\ncall weather_lund {}\nthen\nresults"
      const outputFor = ({ output: [call] }: { readonly output: ReadonlyArray<object> }, output: string) => [
        { type: "function_call_output" as const, call_id: (call as { call_id: string }).call_id, output }
      ]
      const ask = (previous_response_id: string, input: ReturnType<typeof outputFor>) =>
        asked(() => client.responses.create({ model, previous_response_id, input, tools }))
      const one = yield* asked(() => client.responses.create({ model, input, tools }))
      const tokens = asked(async () => {
        const { input_tokens } = await client.responses.inputTokens.count({
          model,
          previous_response_id: one.id,
          input: "x"
        })
        return input_tokens
      })
      const before = yield* tokens
      const two = yield* ask(one.id, outputFor(one, "sun"))
      const three = yield* ask(two.id, outputFor(two, "rain"))
      assert.include(three.output_text, "rain")
      const other = yield* ask(two.id, outputFor(two, "snow"))
      assert.include(other.output_text, "snow")
      assert.include(other.output_text, "sun")
      assert.strictEqual(yield* tokens, before, "what has come since is no part of it")
    }))

  it.effect("that was deleted is not made again by its Idempotency-Key, nor is a conversation or a completion", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const keyed = (key: string) => ({ headers: { "idempotency-key": key } })
      const say = { model, input: "say x" }
      const make = asked(() => client.responses.create(say, keyed("r")))
      const { id } = yield* make
      // Another response of the same session, so that the session stays.
      yield* asked(() => client.responses.create({ ...say, previous_response_id: id }))
      assert.strictEqual((yield* make).id, id)
      yield* asked(() => client.responses.delete(id))
      const again = yield* refused(() => client.responses.create(say, keyed("r")))
      const streamed = yield* refused(() => client.responses.retrieve(id))
      assert.strictEqual(again.status, 404)
      assert.strictEqual(streamed.status, 404)

      const { id: conversation } = yield* asked(() => client.conversations.create({}, keyed("c")))
      assert.strictEqual((yield* asked(() => client.conversations.create({}, keyed("c")))).id, conversation)
      yield* asked(() => client.conversations.delete(conversation))
      assert.strictEqual((yield* refused(() => client.conversations.create({}, keyed("c")))).status, 404)

      for (const model of ["agent/Ada", "Demo/demo-script"]) {
        const body = { model, messages: [{ role: "user" as const, content: "say x" }], store: true }
        const complete = asked(() => client.chat.completions.create(body, keyed(model)))
        const stored = (yield* complete).id
        assert.strictEqual((yield* complete).id, stored)
        yield* asked(() => client.chat.completions.delete(stored))
        yield* complete
        assert.deepStrictEqual((yield* asked(() => client.chat.completions.list())).data, [])
      }
    }))
})

/** Storage that is cut off where an answer has been accepted, and its conversation is to be moved. */
const faults = { isCut: false }

const cutOff = Layer.map(Host.memory, (context) => {
  const storage = Context.get(context, Storage)
  const { conversations } = storage
  const modify: typeof conversations.modify = (owner, id, f) =>
    conversations.modify(owner, id, (before) => {
      const after = f(before)
      // What it notes before the answer is accepted is still written.
      if (faults.isCut && before.moving !== undefined && after.moving === undefined) throw new Error("killed")
      return after
    })
  return Context.add(context, Storage, { ...storage, conversations: { ...conversations, modify } })
})

layer(TestHost.layer({ host: Host.over(cutOff) }), { excludeTestServices: true })("A conversation", (it) => {
  it.effect("has moved with its answer, also when nobody came to write that down", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { conversations, runs } = yield* Storage
      const { id: conversation } = yield* asked(() =>
        client.conversations.create({ items: [{ role: "user", content: "earlier" }] })
      )
      const items = asked(async () =>
        (await client.conversations.items.list(conversation, { order: "asc", limit: 100 })).data.map((item) =>
          item.type === "message" ? item.content.map((part) => "text" in part ? part.text : "").join("") : item.type
        )
      )
      const ask = (input: string, more: object = {}, key = input) =>
        asked(() =>
          client.responses.create({ model, conversation, input, ...more }, { headers: { "idempotency-key": key } })
        )
      const heads = Effect.map(conversations.get(user, conversation), ({ session_id }) => session_id)
      faults.isCut = true
      // The first answer: there was no session before, and something waited.
      const first = yield* ask("say one")
      assert.strictEqual(yield* heads, "")
      assert.deepStrictEqual(yield* items, ["earlier", "say one", "one"])
      assert.strictEqual((yield* ask("say one")).id, first.id)
      // Something waits in the session that there is.
      yield* asked(() =>
        client.conversations.items.create(conversation, { items: [{ role: "user", content: "more" }] })
      )
      faults.isCut = false
      assert.strictEqual(JSON.parse((yield* ask("context")).output_text).messages, 5)
      faults.isCut = true
      yield* asked(() =>
        client.conversations.items.create(conversation, { items: [{ role: "user", content: "late" }] })
      )
      yield* ask("say two")
      const all = yield* items
      assert.deepStrictEqual(all.slice(-3), ["late", "say two", "two"])
      assert.strictEqual(all.filter((text) => text === "late").length, 1)
      // Somebody else answers: another session, with a copy.
      faults.isCut = false
      yield* ask("say three", { model: "Demo/demo-script" })
      const before = yield* heads
      faults.isCut = true
      yield* ask("say four")
      assert.strictEqual(yield* heads, before)
      assert.deepStrictEqual((yield* items).slice(-2), ["say four", "four"])
      faults.isCut = false
      yield* ask("say five")
      assert.notStrictEqual(yield* heads, before)
      assert.notProperty(yield* conversations.get(user, conversation), "moving")
      assert.deepStrictEqual((yield* items).slice(-4), ["say four", "four", "say five", "five"])
      assert.strictEqual((yield* items).length, all.length + 6)
      assert.strictEqual((yield* Effect.orDie(runs.list(user, { limit: 1, cursor: undefined }))).total, 6)
    }))

  it.effect("has told once what waited, also when others talk in its session before that is written down", () =>
    Effect.gen(function*() {
      const { agent_id, client, user } = yield* tenant()
      const { call } = yield* TestHost.TestHost
      const { conversations } = yield* Storage
      const { id: conversation } = yield* asked(() => client.conversations.create())
      const ask = (input: string) =>
        asked(() => client.responses.create({ model, conversation, input }, { headers: { "idempotency-key": input } }))
      yield* ask("say one")
      yield* asked(() =>
        client.conversations.items.create(conversation, { items: [{ role: "user", content: "late" }] })
      )
      faults.isCut = true
      yield* ask("say two")
      faults.isCut = false
      const { session_id } = yield* conversations.get(user, conversation)
      const body = { agent_id, session_id, input: { content: "say three" } }
      assert.strictEqual((yield* call("POST", "/chat/reply", { user, body })).status, 200)
      const told = yield* asked(async () =>
        (await client.conversations.items.list(conversation, { limit: 100 })).data.filter((item) =>
          JSON.stringify(item).includes("late")
        )
      )
      assert.strictEqual(told.length, 1)
      // One, two and three with their answers, what was late, and this question.
      assert.strictEqual(JSON.parse((yield* ask("context")).output_text).messages, 8)
    }))

  it.effect("stays where it is when the answer was never accepted that was to move it", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { conversations } = yield* Storage
      const { id: conversation } = yield* asked(() => client.conversations.create())
      const ask = (input: string) => asked(() => client.responses.create({ model, conversation, input }))
      yield* ask("say one")
      const moving = { session_id: "nowhere" as SessionId, added: [], removed: [] }
      const { session_id } = yield* conversations.modify(user, conversation, (one) => ({ ...one, moving }))
      assert.strictEqual(JSON.parse((yield* ask("context")).output_text).messages, 3)
      const after = yield* conversations.get(user, conversation)
      assert.notProperty(after, "moving")
      assert.strictEqual(after.session_id, session_id)
    }))
})
