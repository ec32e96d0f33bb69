/** OpenAI's own client asks for responses, comes back for them, and goes on from them. */
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { BadRequestError, InternalServerError, NotFoundError, RateLimitError } from "openai"
import { zodTextFormat } from "openai/helpers/zod"
import { z } from "zod"
import { sweep } from "../../../src/layers/SessionKeys/Stored.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { eventually } from "../../support/live.ts"
import { asked, refused, tenant } from "../../support/openai.ts"
import { problemsOf } from "../../support/responses.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const page = { limit: 100, cursor: undefined }

const weather = {
  type: "function" as const,
  name: "weather",
  description: "How it is",
  strict: false,
  parameters: { type: "object", properties: { city: { type: "string" } } }
}

const askWeather = "call weather {\"city\":\"Kiel\"}\nthen\nresults"

const model = "agent/Ada"

/** Keys that strict readers ask for. */
const keys =
  ("id object created_at completed_at status incomplete_details model previous_response_id instructions output "
    + "error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs "
    + "temperature reasoning usage max_output_tokens max_tool_calls store background service_tier metadata "
    + "safety_identifier prompt_cache_key").split(" ")

const collected = async <A>(stream: AsyncIterable<A>) => {
  const all: Array<A> = []
  for await (const event of stream) all.push(event)
  return all
}

/** How many messages the model was given. */
const seen = (text: string): number => JSON.parse(text).messages

layer(TestHost.layer(), { excludeTestServices: true })("The Responses API", (it) => {
  for (const model of ["agent/Ada", "Demo/demo-script"]) {
    it.effect(`gives an answer of ${model}, whole and as a stream, with all keys and its usage`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const whole = yield* asked(() =>
          client.responses.create({
            model,
            input: [{ role: "user", content: "say Good morning" }],
            metadata: { a: "b" }
          })
        )
        assert.includeMembers(Object.keys(whole), keys)
        assert.deepInclude(whole, { object: "response", status: "completed", model, metadata: { a: "b" }, error: null })
        assert.strictEqual(whole.output_text, "Good morning")
        assert.strictEqual(whole.usage!.output_tokens, 2)
        assert.isNumber(whole.completed_at)
        const events = yield* asked(async () =>
          collected(await client.responses.create({ model, input: "think Hm, well\nsay one two three", stream: true }))
        )
        assert.deepStrictEqual(problemsOf(events), [])
        const last = events.at(-1)!
        assert.strictEqual(last.type, "response.completed")
        const helped = yield* asked(() =>
          client.responses.stream({ model, input: "think Hm, well\nsay one two three" }).finalResponse()
        )
        assert.strictEqual(helped.output_text, "one two three")
        assert.deepStrictEqual(helped.output.map(({ type }) => type), ["reasoning", "message"])
      }))

    it.effect(`gets JSON of a schema from ${model}, parsed`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const answer = yield* asked(() =>
          client.responses.parse({
            model,
            input: "say Wait\ncall calculate {\"expression\":\"1+1\"}\nthen\njson {\"city\":\"Kiel\",\"degrees\":9}"
              .split("\n")
              .at(-1)!,
            text: { format: zodTextFormat(z.object({ city: z.string(), degrees: z.number() }), "weather") }
          })
        )
        assert.deepStrictEqual(answer.output_parsed, { city: "Kiel", degrees: 9 })
      }))

    it.effect(`runs the client's tools for ${model}: with previous_response_id, and with all of it sent again`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const first = yield* asked(() => client.responses.create({ model, input: askWeather, tools: [weather] }))
        const call = first.output[0]!
        assert.strictEqual(first.status, "completed")
        if (call.type !== "function_call") throw new Error(call.type)
        assert.deepStrictEqual(JSON.parse(call.arguments), { city: "Kiel" })
        const output = { type: "function_call_output" as const, call_id: call.call_id, output: "9 degrees" }
        const second = yield* asked(() =>
          client.responses.create({ model, previous_response_id: first.id, input: [output], tools: [weather] })
        )
        assert.include(second.output_text, "9 degrees")
        // The first has its answer already, so this one is given in a session of its own.
        const other = yield* asked(() =>
          client.responses.create({
            model,
            previous_response_id: first.id,
            input: [{ ...output, output: "10 degrees" }],
            tools: [weather]
          })
        )
        assert.include(other.output_text, "10 degrees")
        const again = yield* asked(() =>
          client.responses.create({
            model,
            input: [{ role: "user", content: askWeather }, call, { ...output, output: "11 degrees" }],
            tools: [weather],
            store: false
          })
        )
        assert.include(again.output_text, "11 degrees")
        const named = yield* asked(() =>
          client.responses.create({
            model,
            input: [{ role: "user", content: askWeather }, { type: "item_reference", id: call.id! }, output],
            tools: [weather]
          })
        )
        assert.include(named.output_text, "9 degrees")
        for (
          const [input, code] of [
            [[{ role: "user" as const, content: "and?" }], "missing_tool_output"],
            [[{ ...output, call_id: "call_x" }], "tool_call_not_found"]
          ] as const
        ) {
          const error = yield* refused(() =>
            client.responses.create({ model, previous_response_id: first.id, input: [...input] })
          )
          assert.deepInclude(error, { status: 400, code })
        }
      }))

    it.effect(`hears of failures of ${model} by the class of the error, and in the stream nested and flat`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const fails = (input: string) => refused(() => client.responses.create({ model, input }))
        assert.instanceOf(yield* fails("fail rate_limit Slow down."), RateLimitError)
        assert.instanceOf(yield* fails("fail invalid_request No, thank you."), BadRequestError)
        assert.instanceOf(yield* fails("fail authentication Who?"), InternalServerError)
        const response = yield* asked(async () =>
          await client.responses.create({ model, input: "say so far\nfail upstream Broken.", stream: true })
            .asResponse()
        )
        const text = yield* asked(() => response.text())
        const frames = text.split("\n\n").filter((frame) => frame.includes("data: {"))
          .map((frame) => JSON.parse(/data: (.*)/.exec(frame)![1]!))
        assert.deepStrictEqual(problemsOf(frames), [])
        const error = frames.find(({ type }) => type === "error")
        assert.include(error.message, "Broken.")
        assert.include(error.error.message, "Broken.")
        assert.strictEqual(frames.at(-1).response.status, "failed")
        assert.strictEqual(frames.at(-1).response.output[0].content[0].text, "so far")
        assert.isTrue(text.endsWith("data: [DONE]\n\n"))
      }))
  }

  it.effect("goes on from a response, also six times at once from the same, and leaves it as it was", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const first = yield* asked(() => client.responses.create({ model, input: "say one" }))
      const follow = (previous_response_id: string) => () =>
        client.responses.create({ model, previous_response_id, input: "context" })
      const second = yield* asked(follow(first.id))
      assert.strictEqual(seen(second.output_text), 3)
      const third = yield* asked(follow(second.id))
      assert.strictEqual(seen(third.output_text), 5)
      const six = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => asked(follow(first.id)), { concurrency: 6 })
      assert.deepStrictEqual(six.map(({ output_text }) => seen(output_text)), [3, 3, 3, 3, 3, 3])
      assert.strictEqual(seen((yield* asked(follow(six[3]!.id))).output_text), 5)
      assert.strictEqual(seen((yield* asked(follow(third.id))).output_text), 7)
      const kept = yield* asked(() => client.responses.retrieve(first.id))
      assert.strictEqual(kept.output_text, "one")
      // What the instructions of one say is not said to the next.
      const other = yield* asked(() =>
        client.responses.create({ model: "Demo/demo-script", previous_response_id: third.id, input: "context" })
      )
      assert.strictEqual(seen(other.output_text), 7)
    }))

  it.effect("reads, lists and deletes responses, and nobody reads somebody else's", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const bob = yield* tenant()
      const { sessions } = yield* Storage
      const made = yield* asked(() =>
        client.responses.create({
          model,
          instructions: "Be kind.",
          input: [
            { role: "user", content: [{ type: "input_text", text: "say hello" }] }
          ]
        })
      )
      const read = yield* asked(() => client.responses.retrieve(made.id))
      assert.deepStrictEqual({ ...read, _request_id: "" }, { ...made, _request_id: "" })
      const items = yield* asked(async () => (await client.responses.inputItems.list(made.id)).data)
      assert.strictEqual(items.length, 1)
      assert.deepInclude(items[0], { type: "message", role: "user" })
      const asks: ReadonlyArray<() => PromiseLike<unknown>> = [
        () => bob.client.responses.retrieve(made.id),
        () => bob.client.responses.retrieve(made.id, { stream: true }),
        () => bob.client.responses.delete(made.id),
        () => bob.client.responses.cancel(made.id),
        () => bob.client.responses.inputItems.list(made.id)
      ]
      for (const ask of asks) assert.instanceOf(yield* refused(ask), NotFoundError)
      const stolen = yield* refused(() =>
        bob.client.responses.create({ model, previous_response_id: made.id, input: "say x" })
      )
      assert.deepInclude(stolen, { status: 400, code: "previous_response_not_found", param: "previous_response_id" })
      const reference = yield* refused(() =>
        bob.client.responses.create({
          model,
          input: [{ type: "item_reference", id: made.output[0]!.id! }, {
            role: "user",
            content: "say x"
          }]
        })
      )
      assert.strictEqual(reference.code, "item_not_found")
      yield* asked(() => client.responses.delete(made.id))
      assert.instanceOf(yield* refused(() => client.responses.retrieve(made.id)), NotFoundError)
      const unstored = yield* asked(() => client.responses.create({ model, input: "say x", store: false }))
      assert.instanceOf(yield* refused(() => client.responses.retrieve(unstored.id)), NotFoundError)
      // What nobody can ask for any more goes, with its session.
      assert.strictEqual((yield* Effect.orDie(sessions.list(user, page))).total, 2)
      yield* sweep(Duration.hours(1))
      assert.strictEqual((yield* Effect.orDie(sessions.list(user, page))).total, 1)
    }))

  it.effect("shows the agent's own tools as calls of a server, and streams them", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const input = "say Let me see\ncall Calculate {\"expression\":\"1+1\"}\nthen\nsay Done"
      const events = yield* asked(async () => collected(await client.responses.create({ model, input, stream: true })))
      assert.deepStrictEqual(problemsOf(events), [])
      const last = events.at(-1)!
      if (last.type !== "response.completed") throw new Error(last.type)
      assert.deepStrictEqual(last.response.output.map(({ type }) => type), ["message", "mcp_call", "message"])
      const helped = yield* asked(() => client.responses.stream({ model, input }).finalResponse())
      assert.strictEqual(helped.output.length, 3)
    }))

  it.effect("goes on in the background, is followed from any place with the same bytes, and is cancelled", () =>
    Effect.gen(function*() {
      const { client, key } = yield* tenant()
      const { url } = yield* Host
      const made = yield* asked(() =>
        client.responses.create({ model, input: "think Hm\nsay one\nsleep 200\nsay two three", background: true })
      )
      assert.strictEqual(made.status, "queued")
      assert.include(["queued", "in_progress"], (yield* asked(() => client.responses.retrieve(made.id))).status)
      const bytes = (after?: number) =>
        asked(async () => {
          const query = after === undefined ? "" : `&starting_after=${after}`
          const answer = await fetch(`${url}/v1/responses/${made.id}?stream=true${query}`, {
            headers: { authorization: `Bearer ${key}` }
          })
          return (await answer.text()).split("\n").filter((line) => !line.startsWith(":")).join("\n")
        })
      const live = yield* bytes()
      assert.include(live, "response.completed")
      const frames = live.split("\n\n")
      assert.strictEqual(frames.at(-2), "data: [DONE]")
      for (let after = 0; after < frames.length - 2; after++) {
        assert.strictEqual(yield* bytes(after), frames.slice(after + 1).join("\n\n"))
      }
      const done = yield* asked(() => client.responses.retrieve(made.id))
      assert.deepInclude(done, { status: "completed", output_text: "onetwo three" })
      const resumed = yield* asked(() =>
        client.responses.stream({ response_id: made.id, starting_after: 4 }).finalResponse()
      )
      assert.strictEqual(resumed.status, "completed")
      const long = yield* asked(() =>
        client.responses.create({ model, input: "say begun\nsleep 60000\nsay no", background: true })
      )
      yield* eventually(
        "the response is being made",
        asked(() => client.responses.retrieve(long.id)),
        ({ status }) => status === "in_progress"
      )
      const stopped = yield* asked(() => client.responses.cancel(long.id))
      assert.strictEqual(stopped.status, "cancelled")
      assert.strictEqual((yield* asked(() => client.responses.cancel(long.id))).status, "cancelled")
    }))

  it.effect("stops a response whose client leaves, and no other", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { runs } = yield* Storage
      const leave = (more: object) =>
        asked(async () => {
          const stream = await client.responses.create({
            model,
            input: "say so far\nsleep 1500\nsay the end",
            stream: true,
            ...more
          })
          for await (const event of stream) if (event.type === "response.output_text.delta") break
        })
      const { id: conversation } = yield* asked(() => client.conversations.create())
      yield* leave({})
      yield* leave({ background: true })
      yield* leave({ conversation })
      yield* eventually("all have ended", Effect.orDie(runs.list(user, page)), ({ items }) =>
        items.every(({ status }) =>
          status === "ended"
        ))
      const { items } = yield* Effect.orDie(runs.list(user, page, {}, "oldest"))
      assert.deepStrictEqual(items.map(({ finished_reason }) => finished_reason), [
        "interrupted",
        "completed",
        "completed"
      ])
    }))

  it.effect("does a request with the same Idempotency-Key once", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { runs } = yield* Storage
      const headers = { "idempotency-key": "k" }
      for (const store of [true, false]) {
        const body = { model, input: `say word ${store}`, store }
        const own = { headers: { "idempotency-key": `k${store}` } }
        const all = yield* Effect.forEach([1, 2, 3], () => asked(() => client.responses.create(body, own)), {
          concurrency: 3
        })
        assert.strictEqual(new Set(all.map((one) => JSON.stringify({ ...one, _request_id: "" }))).size, 1)
      }
      assert.strictEqual((yield* Effect.orDie(runs.list(user, page))).total, 2)
      yield* asked(() => client.responses.create({ model, input: "say x" }, { headers }))
      const other = yield* refused(() => client.responses.create({ model, input: "say y" }, { headers }))
      assert.deepInclude(other, { status: 400, code: "idempotency_mismatch" })
    }))

  it.effect("keeps conversations: their items, those that were added and those that were taken out", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const bob = yield* tenant()
      const made = yield* asked(() =>
        client.conversations.create({
          metadata: { about: "weather" },
          items: [{ role: "user", content: "say earlier" }, { role: "assistant", content: "earlier" }]
        })
      )
      const ask = (input: string) => client.responses.create({ model, conversation: made.id, input })
      const one = yield* asked(() => ask("context"))
      assert.strictEqual(seen(one.output_text), 3)
      assert.deepStrictEqual(one.conversation, { id: made.id })
      yield* asked(() => client.conversations.items.create(made.id, { items: [{ role: "user", content: "a note" }] }))
      const two = yield* asked(() => ask("context"))
      assert.strictEqual(seen(two.output_text), 6)
      const items = yield* asked(async () =>
        (await client.conversations.items.list(made.id, { order: "asc", limit: 100 })).data
      )
      assert.strictEqual(items.length, 7)
      assert.strictEqual(items.at(-1)!.id, two.output[0]!.id)
      const first = yield* asked(() => client.conversations.items.retrieve(items[0]!.id!, { conversation_id: made.id }))
      assert.strictEqual(first.id, items[0]!.id)
      yield* asked(() => client.conversations.items.delete(items[0]!.id!, { conversation_id: made.id }))
      assert.strictEqual(seen((yield* asked(() => ask("context"))).output_text), 7)
      const left = yield* asked(async () =>
        (await client.conversations.items.list(made.id, { order: "asc", limit: 100 })).data
      )
      assert.deepStrictEqual(left.slice(0, 6).map(({ id }) => id), items.slice(1).map(({ id }) => id))
      // A response of it is a snapshot: what follows it begins elsewhere.
      const aside = yield* asked(() =>
        client.responses.create({ model, previous_response_id: one.id, input: "context" })
      )
      assert.strictEqual(seen(aside.output_text), 5)
      const changed = yield* asked(() => client.conversations.update(made.id, { metadata: { about: "sea" } }))
      assert.deepStrictEqual(changed.metadata, { about: "sea" })
      for (
        const ask of [
          () => bob.client.conversations.retrieve(made.id),
          () => bob.client.conversations.items.list(made.id),
          () => bob.client.conversations.delete(made.id),
          () => bob.client.responses.create({ model, conversation: made.id, input: "say x" })
        ]
      ) assert.instanceOf(yield* refused(ask as () => PromiseLike<unknown>), NotFoundError)
      yield* asked(() => client.conversations.delete(made.id))
      assert.instanceOf(yield* refused(() => client.conversations.retrieve(made.id)), NotFoundError)
    }))

  it.effect("shows conversations page by page, and a response that was stopped before it began", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const { id: conversation } = yield* asked(() => client.conversations.create())
      for (const i of [1, 2, 3]) {
        yield* asked(() => client.responses.create({ model, conversation, input: `say ${i}` }))
      }
      for (const order of ["asc", "desc"] as const) {
        const ids = (limit: number) =>
          asked(async () =>
            (await collected(client.conversations.items.list(conversation, { limit, order }))).map(({ id }) => id)
          )
        const whole = yield* ids(100)
        assert.strictEqual(new Set(whole).size, 6)
        assert.deepStrictEqual(yield* ids(1), whole)
        assert.deepStrictEqual(yield* ids(4), whole)
      }
      const ask = (input: string) =>
        asked(() => client.responses.create({ model, conversation, background: true, input }))
      const first = yield* ask("say begun\nsleep 60000")
      const second = yield* ask("say never")
      assert.strictEqual((yield* asked(() => client.responses.retrieve(second.id))).status, "queued")
      assert.strictEqual((yield* asked(() => client.responses.cancel(second.id))).status, "cancelled")
      const told = yield* asked(async () => collected(await client.responses.retrieve(second.id, { stream: true })))
      assert.deepStrictEqual(problemsOf(told), [])
      assert.strictEqual((yield* asked(() => client.responses.cancel(first.id))).status, "cancelled")
      const { output: [call] } = yield* asked(() =>
        client.responses.create({ model, conversation, input: askWeather, tools: [weather] })
      )
      if (call?.type !== "function_call") throw new Error(call?.type)
      const output = { type: "function_call_output" as const, call_id: call.call_id, output: "9 degrees" }
      for (
        const [input, code] of [
          [[{ role: "user", content: "say x" }], "missing_tool_output"],
          [[output, { role: "user", content: "say x" }], "invalid"]
        ] as const
      ) {
        const refusal = yield* refused(() => client.responses.create({ model, conversation, input: [...input] }))
        assert.strictEqual(refusal.code, code)
      }
      const answered = yield* asked(() => client.responses.create({ model, conversation, input: [output] }))
      assert.include(answered.output_text, "9 degrees")
      const asking = yield* asked(async () => (await client.responses.inputItems.list(answered.id)).data)
      assert.deepInclude(asking[0], { type: "function_call_output", output: "9 degrees" })
      const last = yield* asked(() => client.responses.create({ model, conversation, input: "context" }))
      assert.strictEqual(seen(last.output_text), 11)
    }))

  it.effect("answers 50 at once in one conversation, one after the other, or says that it is busy", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { runs } = yield* Storage
      const { id: conversation } = yield* asked(() => client.conversations.create())
      const answers = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (i) =>
          Effect.promise(async () => {
            try {
              return (await client.responses.create({ model, conversation, input: `say ${i}` })).output_text
            } catch (error) {
              if (error instanceof RateLimitError) return "busy"
              throw error
            }
          }),
        { concurrency: 50 }
      )
      const given = answers.filter((text) => text !== "busy")
      assert.isAtLeast(given.length, 30)
      assert.isTrue(answers.every((text, i) => text === "busy" || text === String(i)))
      const { items, total } = yield* Effect.orDie(runs.list(user, page))
      assert.strictEqual(new Set(items.map(({ session_id }) => session_id)).size, 1)
      assert.strictEqual(total, given.length)
    }))

  it.effect("asks for approvals, and goes on with yes and with no", () =>
    Effect.gen(function*() {
      const client_tools = [{ name: "pay", effect: "write", parameters: { type: "object", properties: {} } }]
      const { client } = yield* tenant({ client_tools })
      const bob = yield* tenant()
      for (const approve of [true, false]) {
        const first = yield* asked(() => client.responses.create({ model, input: "call pay {}\nthen\nresults" }))
        const [request] = first.output
        if (request?.type !== "mcp_approval_request") throw new Error(request?.type)
        assert.strictEqual(request.name, "pay")
        const response = { type: "mcp_approval_response" as const, approval_request_id: request.id, approve }
        for (
          const [code, ask] of [
            ["missing_approval", () =>
              client.responses.create({ model, previous_response_id: first.id, input: "say x" })],
            ["approval_not_found", () =>
              bob.client.responses.create({ model, input: [response] })]
          ] as const
        ) assert.strictEqual((yield* refused(ask)).code, code)
        const second = yield* asked(() =>
          client.responses.create({ model, previous_response_id: first.id, input: [response] })
        )
        if (approve) {
          assert.strictEqual(second.output[0]!.type, "function_call")
          continue
        }
        assert.include(second.output_text, "denied")
        const twice = yield* refused(() =>
          client.responses.create({ model, previous_response_id: first.id, input: [response] })
        )
        assert.strictEqual(twice.status, 400)
      }
    }))

  it.effect("counts tokens, and refuses by name what it cannot serve", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const count = yield* asked(() => client.responses.inputTokens.count({ model, input: "one two three" }))
      assert.isAbove(count.input_tokens, 0)
      const long = Array.from({ length: 6 }, (_, i) => [
        { role: "user" as const, content: `say ${i}` },
        { role: "assistant" as const, content: `answer ${i} ${"word ".repeat(200)}` }
      ]).flat()
      const compacted = yield* asked(() => client.responses.compact({ model, input: long }))
      assert.strictEqual(compacted.object, "response.compaction")
      const [item] = compacted.output
      if (item?.type !== "compaction") throw new Error(item?.type)
      const after = yield* asked(() =>
        client.responses.create({ model, input: [item, { role: "user", content: "context" }] })
      )
      assert.strictEqual(seen(after.output_text), 2)
      for (
        const [more, param] of [
          [{ prompt: { id: "x" } }, "prompt"],
          [{ max_tool_calls: 3 }, "max_tool_calls"],
          [{ tools: [{ type: "web_search" }] }, "tools.0.type"],
          [{ background: true, store: false }, "background"],
          [{ conversation: "x", previous_response_id: "y" }, "conversation"],
          [{ input: [{ role: "assistant", content: "so" }] }, "input"],
          [{ input: [] }, "input"],
          [{ input: [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }] }, "input.0.content.0.file_id"],
          [{ tool_choice: { type: "function", name: "none" } }, "tool_choice.name"],
          [{ temperature: "warm" }, "temperature"]
        ] as const
      ) {
        const error = yield* refused(() => client.responses.create({ model, input: "say x", ...more } as never))
        assert.deepInclude(error, { status: 400, param }, JSON.stringify(more))
      }
      const told = yield* asked(() =>
        client.responses.create({ model, input: "say x", user: "me", nonsense: 1 } as never).asResponse()
      )
      assert.include(told.headers.get("stoa-warnings"), "'user'")
      assert.include(told.headers.get("stoa-warnings"), "nonsense")
    }))
})
