/** What a request for a response that is refused leaves behind, and what conversations and readers do with what they cannot take. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect } from "effect"
import type { UserId } from "../../../src/domain/Ids.ts"
import * as Leases from "../../../src/http/channels/responses/place/Leases.ts"
import { sweep } from "../../../src/layers/SessionKeys/Stored.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { asked, refused, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const page = { limit: 100, cursor: undefined }
const model = "agent/Ada"

/** How many messages the model was given. */
const seen = (text: string): number => JSON.parse(text).messages

const weather = {
  type: "function" as const,
  name: "weather",
  strict: false,
  parameters: { type: "object", properties: { city: { type: "string" } } }
}

const askWeather = "call weather {\"city\":\"Kiel\"}\nthen\nresults"

/** The model of the agent has no temperature. */
const wrong = { temperature: 0.5 }

/** The sessions that are left when those that nobody can ask for have gone. */
const sessionsLeft = (user: UserId) =>
  Effect.gen(function*() {
    const { sessions } = yield* Storage
    yield* sweep(Duration.hours(1))
    return (yield* Effect.orDie(sessions.list(user, page))).total
  })

layer(TestHost.layer(), { excludeTestServices: true })("A response that is refused", (it) => {
  it.effect("leaves no session behind", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      assert.deepInclude(yield* refused(() => client.responses.create({ model, input: "say x", ...wrong })), {
        status: 400,
        param: "temperature"
      })
      const { id: conversation } = yield* asked(() => client.conversations.create())
      yield* refused(() => client.responses.create({ model, conversation, input: "say x", ...wrong }))
      const image = { type: "input_image" as const, image_url: "data:image/png;base64,AAAA", detail: "auto" as const }
      yield* refused(() => client.responses.create({ model, input: [{ role: "user", content: [image] }] }))
      const tools = Array.from({ length: 20 }, (_, i) => ({
        ...weather,
        name: `weather_${i}`,
        parameters: { type: "object", description: "d".repeat(60_000) }
      }))
      const refusal = yield* refused(() => client.responses.create({ model, input: "say x", tools }))
      assert.deepInclude(refusal, { status: 400, param: "tools" })
      assert.include(refusal.message, "1048576 characters in all")
      assert.strictEqual(yield* sessionsLeft(user), 0)
    }))

  it.effect("leaves its conversation as it was", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { id: conversation } = yield* asked(() =>
        client.conversations.create({ items: [{ role: "user", content: "earlier" }] })
      )
      const ask = (more: object = {}) =>
        client.responses.create({ model, conversation, input: "context", store: false, ...more })
      assert.strictEqual(seen((yield* asked(ask)).output_text), 2)
      // It would be answered in a new session, because it wants other parameters.
      yield* refused(() => ask(wrong))
      assert.strictEqual(seen((yield* asked(ask)).output_text), 4)
      // Another model answers in another session, and nobody asks for the one before.
      assert.strictEqual(seen((yield* asked(() => ask({ model: "Demo/demo-script" }))).output_text), 6)
      const items = yield* asked(async () => (await client.conversations.items.list(conversation)).data)
      assert.strictEqual(items.length, 7)
      assert.strictEqual(yield* sessionsLeft(user), 1)
    }))

  it.effect("leaves a tool's call to be answered, also when the conversation has changed since", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const { id: conversation } = yield* asked(() =>
        client.conversations.create({ items: [{ role: "user", content: "earlier" }] })
      )
      const { output: [call] } = yield* asked(() =>
        client.responses.create({ model, conversation, input: askWeather, tools: [weather] })
      )
      if (call?.type !== "function_call") throw new Error(call?.type)
      const output = { type: "function_call_output" as const, call_id: call.call_id, output: "9 degrees" }
      const items = yield* asked(async () =>
        (await client.conversations.items.list(conversation, { order: "asc" })).data
      )
      yield* asked(() => client.conversations.items.delete(items[0]!.id!, { conversation_id: conversation }))
      const text = yield* refused(() => client.responses.create({ model, conversation, input: "say x" }))
      assert.strictEqual(text.code, "missing_tool_output")
      const other = yield* refused(() =>
        client.responses.create({ model: "Demo/demo-script", conversation, input: [output] })
      )
      assert.strictEqual(other.code, "session_of_another_agent")
      const answered = yield* asked(() => client.responses.create({ model, conversation, input: [output] }))
      assert.include(answered.output_text, "9 degrees")
      const last = yield* asked(() => client.responses.create({ model, conversation, input: "context" }))
      assert.strictEqual(seen(last.output_text), 3)
    }))

  it.effect("or was stopped before it began holds nothing of what was said in its conversation after it", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const { id: conversation } = yield* asked(() => client.conversations.create())
      const ask = (input: string, background = true) =>
        asked(() => client.responses.create({ model, conversation, background, input }))
      const first = yield* ask("say begun\nsleep 60000")
      const second = yield* ask("say never")
      for (const { id } of [second, first]) {
        assert.strictEqual((yield* asked(() => client.responses.cancel(id))).status, "cancelled")
      }
      yield* ask("say afterwards", false)
      const aside = yield* asked(() =>
        client.responses.create({ model, previous_response_id: second.id, input: "context" })
      )
      assert.strictEqual(seen(aside.output_text), 3)
    }))

  it.effect("may be one for JSON of a schema whose root is no object, which would come in an object", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const item = { type: "object", properties: {} }
      for (
        const schema of [{ type: "array", items: item }, { anyOf: [item] }, { $ref: "#/$defs/a", $defs: { a: item } }]
      ) {
        const error = yield* refused(() =>
          client.responses.create({
            model,
            input: "json {}",
            text: { format: { type: "json_schema", name: "answer", schema } }
          })
        )
        assert.deepInclude(error, { status: 400, param: "text.format.schema" })
      }
    }))

  it.effect("is not one whose thought holds what is nested so deep that nothing could write it again", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const deep = `{"a":${"[".repeat(90_000)}${"]".repeat(90_000)}}`
      const thought = {
        type: "reasoning" as const,
        id: "rs_1",
        summary: [{ type: "summary_text" as const, text: "Hm." }],
        encrypted_content: `stoa1.${Buffer.from(deep).toString("base64url")}`
      }
      const answer = yield* asked(() =>
        client.responses.create({
          model,
          input: [
            { role: "user", content: "say a" },
            thought,
            { role: "assistant", content: "a" },
            { role: "user", content: "say b" }
          ]
        })
      )
      assert.strictEqual(answer.output_text, "b")
    }))
})

layer(TestHost.layer(), { excludeTestServices: true })("Two processes that answer in one conversation", (it) => {
  it.effect("begin one after the other, and one that was killed holds nobody up for long", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { conversations } = yield* Storage
      const { id } = yield* asked(() => client.conversations.create())
      const [one, other] = yield* Effect.all([Leases.make, Leases.make])
      const steps: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const begin = (name: string) =>
        Effect.gen(function*() {
          steps.push(`${name} begins`)
          yield* Deferred.succeed(begun, undefined)
          yield* Effect.sleep("50 millis")
          steps.push(`${name} is done`)
        })
      yield* Effect.all([
        one(user, id)(begin("one")),
        Effect.zipRight(Deferred.await(begun), other(user, id)(begin("other")))
      ], { concurrency: 2 })
      assert.deepStrictEqual(steps, ["one begins", "one is done", "other begins", "other is done"])
      assert.notProperty(yield* conversations.get(user, id), "lease")
      yield* conversations.modify(user, id, (before) => ({
        ...before,
        lease: { by: "killed", until: before.created_at }
      }))
      assert.strictEqual(yield* one(user, id)(Effect.succeed("free")), "free")
      assert.strictEqual((yield* Effect.flip(one("bob" as UserId, id)(Effect.void)))._tag, "NotFound")
    }))
})
