/** OpenAI's own client talks to agents and models as it talks to OpenAI. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { APIUserAbortError, BadRequestError, InternalServerError, NotFoundError } from "openai"
import { zodResponseFormat } from "openai/helpers/zod"
import { z } from "zod"
import { Storage } from "../../../src/services/Storage.ts"
import { eventually } from "../../support/live.ts"
import { asked, refused, tenant } from "../../support/openai.ts"
import { block, png } from "../../support/pictures.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const say = (content: string) => [{ role: "user" as const, content }]

const weather = {
  type: "function" as const,
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }
}

const call = "call weather {\"city\":\"Kiel\"}\nthen\nresults"

const collected = async <A>(stream: AsyncIterable<A>) => {
  const all: Array<A> = []
  for await (const chunk of stream) all.push(chunk)
  return all
}

const everySession = { limit: 100, cursor: undefined }

layer(TestHost.layer(), { excludeTestServices: true })("OpenAI's client", (it) => {
  for (const [who, model] of [["an agent", "agent/Ada"], ["a model", "Demo/demo-script"]] as const) {
    it.effect(`asks ${who} and gets an answer with its usage`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const answer = yield* asked(() => client.chat.completions.create({ model, messages: say("say Good morning") }))
        assert.deepInclude(answer, { object: "chat.completion", model })
        assert.deepInclude(answer.choices[0], { index: 0, finish_reason: "stop" })
        assert.strictEqual(answer.choices[0]!.message.content, "Good morning")
        assert.strictEqual(answer.usage!.completion_tokens, 2)
        assert.match(answer._request_id!, /./)
      }))

    it.effect(`streams from ${who}, with what it thinks, and the usage last`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const chunks = yield* asked(async () =>
          collected(
            await client.chat.completions.create({
              model,
              messages: say("think Hm, well\nsay one two three"),
              stream: true,
              stream_options: { include_usage: true }
            })
          )
        )
        const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
        assert.strictEqual(deltas[0]!.role, "assistant")
        assert.strictEqual(deltas.map(({ content }) => content ?? "").join(""), "one two three")
        assert.strictEqual(
          deltas.map((delta) => "reasoning_content" in delta ? String(delta.reasoning_content) : "").join(""),
          "Hm, well"
        )
        assert.strictEqual(new Set(chunks.map(({ id }) => id)).size, 1)
        assert.strictEqual(chunks.at(-2)!.choices[0]!.finish_reason, "stop")
        assert.deepStrictEqual(chunks.at(-1)!.choices, [])
        assert.isAbove(chunks.at(-1)!.usage!.total_tokens, 0)
        assert.isTrue(chunks.slice(0, -1).every(({ usage }) => usage === null))
      }))

    it.effect(`runs its own tools for ${who}, whole and as a stream`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const cities: Array<string> = []
        const tools = [{
          type: "function" as const,
          function: {
            name: "weather",
            description: "",
            parameters: weather.function.parameters,
            parse: JSON.parse as (input: string) => { city: string },
            function: ({ city }: { city: string }) => {
              cities.push(city)
              return "9 degrees"
            }
          }
        }]
        const whole = yield* asked(() =>
          client.chat.completions.runTools({ model, messages: say(call), tools }).finalContent()
        )
        assert.include(whole, "9 degrees")
        const streamed = yield* asked(() =>
          client.chat.completions.runTools({ model, messages: say(call), tools, stream: true }).finalContent()
        )
        assert.include(streamed, "9 degrees")
        assert.deepStrictEqual(cities, ["Kiel", "Kiel"])
      }))

    it.effect(`gets JSON of a schema from ${who}, parsed`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const format = zodResponseFormat(z.object({ city: z.string(), degrees: z.number() }), "weather")
        const answer = yield* asked(() =>
          client.chat.completions.parse({
            model,
            messages: say("json {\"city\":\"Kiel\",\"degrees\":9}"),
            response_format: format
          })
        )
        assert.deepStrictEqual(answer.choices[0]!.message.parsed, { city: "Kiel", degrees: 9 })
        const stream = yield* asked(() =>
          client.chat.completions.stream({
            model,
            messages: say("json {\"city\":\"Kiel\",\"degrees\":9}"),
            response_format: format
          }).finalChatCompletion()
        )
        assert.deepStrictEqual(stream.choices[0]!.message.parsed, { city: "Kiel", degrees: 9 })
      }))

    it.effect(`gets the same answer from ${who} again with the same Idempotency-Key`, () =>
      Effect.gen(function*() {
        const { client, user } = yield* tenant()
        const { runs } = yield* Storage
        const headers = { "idempotency-key": "k" }
        const body = { model, messages: say("say word") }
        const first = yield* asked(() => client.chat.completions.create(body, { headers }))
        const again = yield* asked(() => client.chat.completions.create(body, { headers }))
        assert.deepStrictEqual(again, first)
        const { total } = yield* Effect.orDie(runs.list(user, everySession))
        assert.strictEqual(total, model === "agent/Ada" ? 1 : 0)
        const other = yield* refused(() =>
          client.chat.completions.create({ ...body, messages: say("say other") }, { headers })
        )
        assert.deepInclude(other, { status: 400, code: "idempotency_mismatch" })
      }))

    it.effect(`hears of failures of ${who} by the class of the error, before the first word and after it`, () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const fails = (content: string, stream: boolean) =>
          refused(async () => {
            const answer = await client.chat.completions.create({ model, messages: say(content), stream })
            if (Symbol.asyncIterator in answer) await collected(answer)
          })
        for (const stream of [false, true]) {
          const limited = yield* fails("fail invalid_request No, thank you.", stream)
          assert.instanceOf(limited, BadRequestError)
          assert.include(limited.message, "No, thank you.")
          assert.instanceOf(yield* fails("fail authentication Who?", stream), InternalServerError)
          assert.strictEqual((yield* fails("fail context_length Long.", stream)).code, "context_length_exceeded")
        }
        const late = yield* fails("say so far\nfail upstream Broken.", true)
        assert.include(late.message, "Broken.")
        assert.strictEqual(late.code, "upstream")
      }))
  }

  it.effect("lists agents and models, reads one, and finds no other", () =>
    Effect.gen(function*() {
      const { call } = yield* TestHost.TestHost
      const { client, user } = yield* tenant()
      const other = yield* tenant()
      yield* call("POST", "/agent", { user, body: { name: "No model" } })
      const listed = yield* asked(async () => (await client.models.list()).data.map(({ id }) => id))
      assert.includeMembers(listed, ["agent/Ada", "Demo/demo-chat", "Demo/demo-script", "Demo/demo-embedding"])
      assert.notInclude(listed, "agent/No model")
      assert.strictEqual((yield* asked(() => client.models.retrieve("agent/Ada"))).owned_by, "stoa")
      assert.strictEqual((yield* asked(() => client.models.retrieve("Demo/demo-chat"))).id, "Demo/demo-chat")
      for (const model of ["agent/Nobody", "Demo/no-model", "x", `agent/${other.agent_id}`]) {
        for (
          const ask of [
            () => client.models.retrieve(model),
            () => client.chat.completions.create({ model, messages: say("say x") })
          ]
        ) {
          const error = yield* refused(ask)
          if (model === "Demo/no-model" && error.status === 400) continue
          assert.instanceOf(error, NotFoundError)
          assert.strictEqual(error.code, "model_not_found", model)
        }
      }
    }))

  it.effect("names what a name could mean, and does not guess", () =>
    Effect.gen(function*() {
      const { agent_id, client, credential_id, user } = yield* tenant()
      const { call } = yield* Host
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      const second = (yield* call("POST", "/agent", { user, body: { name: "Ada", chat_model_config } })).json.agent_id
      const error = yield* refused(() => client.chat.completions.create({ model: "agent/Ada", messages: say("x") }))
      assert.deepInclude(error, { status: 400, code: "model_ambiguous", param: "model" })
      assert.include(error.message, agent_id)
      assert.include(error.message, second)
      const listed = yield* asked(async () => (await client.models.list()).data.map(({ id }) => id))
      assert.includeMembers(listed, [`agent/${agent_id}`, `agent/${second}`])
      const answer = yield* asked(() =>
        client.chat.completions.create({ model: `agent/${agent_id}`, messages: say("say by id") })
      )
      assert.strictEqual(answer.choices[0]!.message.content, "by id")
    }))

  it.effect("sees agents that are published to it, and no others", () =>
    Effect.gen(function*() {
      for (
        const [channels, isSeen] of [["all", true], [["chat_completions"], true], ["none", false], [["a2a"], false]]
      ) {
        const { client } = yield* tenant({ channels })
        const listed = yield* asked(async () => (await client.models.list()).data.map(({ id }) => id))
        assert.strictEqual(listed.includes("agent/Ada"), isSeen, String(channels))
        if (isSeen === true) continue
        const error = yield* refused(() => client.chat.completions.create({ model: "agent/Ada", messages: say("x") }))
        assert.instanceOf(error, NotFoundError)
      }
    }))

  it.effect("makes embeddings, as numbers and as the base64 that it asks for by itself", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const model = "Demo/demo-embedding"
      const input = ["one", "two"]
      const packed = yield* asked(() => client.embeddings.create({ model, input, dimensions: 64 }))
      const plain = yield* asked(() =>
        client.embeddings.create({ model, input, dimensions: 64, encoding_format: "float" })
      )
      assert.strictEqual(packed.data.length, 2)
      assert.strictEqual(packed.usage.prompt_tokens, 2)
      for (const [i, { embedding }] of packed.data.entries()) {
        assert.strictEqual(embedding.length, 64)
        assert.deepStrictEqual(embedding.map(Math.fround), plain.data[i]!.embedding.map(Math.fround))
      }
      for (
        const [request, param] of [
          [{ model, input: [1, 2, 3] }, "input"],
          [{ model, input: "one", dimensions: 7 }, "dimensions"],
          [{ model, input: "" }, "input"],
          [{ model: "agent/Ada", input: "one" }, "model"]
        ] as const
      ) {
        const error = yield* refused(() => client.embeddings.create({ ...request, input: request.input as string }))
        assert.deepInclude(error, { status: 400, param })
      }
    }))

  it.effect("completes texts in the older way, several prompts at once, also as a stream", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const model = "Demo/demo-script"
      const whole = yield* asked(() => client.completions.create({ model, prompt: ["say one", "say two"], n: 2 }))
      assert.deepStrictEqual(whole.choices.map(({ index, text }) => [index, text]), [
        [0, "one"],
        [1, "one"],
        [2, "two"],
        [3, "two"]
      ])
      const chunks = yield* asked(async () =>
        collected(await client.completions.create({ model: "agent/Ada", prompt: "say a b", stream: true }))
      )
      assert.strictEqual(chunks.map(({ choices }) => choices[0]?.text ?? "").join(""), "a b")
      assert.strictEqual(chunks.at(-1)!.choices[0]!.finish_reason, "stop")
    }))

  it.effect("gets several answers of a model, and is told that an agent gives one", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const messages = say("say word")
      const answer = yield* asked(() => client.chat.completions.create({ model: "Demo/demo-script", messages, n: 3 }))
      assert.deepStrictEqual(answer.choices.map(({ index, message }) => [index, message.content]), [
        [0, "word"],
        [1, "word"],
        [2, "word"]
      ])
      const error = yield* refused(() => client.chat.completions.create({ model: "agent/Ada", messages, n: 2 }))
      assert.deepInclude(error, { status: 400, code: "unsupported_parameter", param: "n" })
    }))

  it.effect("keeps its own conversation: all of it is sent, and known", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const messages = [
        { role: "system" as const, content: "Be kind." },
        { role: "user" as const, content: "hello" },
        {
          role: "assistant" as const,
          content: null,
          tool_calls: [{ id: "c1", type: "function" as const, function: { name: "weather", arguments: "{}" } }]
        },
        { role: "tool" as const, tool_call_id: "c1", content: "rain" },
        { role: "assistant" as const, content: "It rains." },
        ...say("context")
      ]
      for (const model of ["agent/Ada", "Demo/demo-script"]) {
        const answer = yield* asked(() => client.chat.completions.create({ model, messages }))
        assert.strictEqual(JSON.parse(answer.choices[0]!.message.content!).messages, 4, model)
      }
    }))

  it.effect("names a conversation that the server keeps, and sends only what is new", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { sessions } = yield* Storage
      const ask = (content: string, before: ReadonlyArray<{ role: "user" | "assistant"; content: string }> = []) =>
        asked(() =>
          client.chat.completions.create({
            model: "agent/Ada",
            messages: [...before, ...say(content)],
            metadata: { session_id: "mine" }
          })
        )
      yield* ask("say one")
      const second = yield* ask("context", [{ role: "user", content: "say one" }, {
        role: "assistant",
        content: "one"
      }])
      assert.strictEqual(JSON.parse(second.choices[0]!.message.content!).messages, 3)
      yield* Effect.all(Array.from({ length: 20 }, () => ask("say at once")), { concurrency: "unbounded" })
      const { total } = yield* Effect.orDie(sessions.list(user, everySession))
      assert.strictEqual(total, 1)
      const other = yield* tenant()
      yield* asked(() =>
        other.client.chat.completions.create({
          model: "agent/Ada",
          messages: say("context"),
          metadata: { session_id: "mine" }
        })
      ).pipe(Effect.map(({ choices }) => assert.strictEqual(JSON.parse(choices[0]!.message.content!).messages, 1)))
    }))

  it.effect("may go on without the results of its tools: the run that waits for them is given up", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { runs } = yield* Storage
      const ask = (content: string) =>
        asked(() =>
          client.chat.completions.create({
            model: "agent/Ada",
            messages: say(content),
            tools: [weather],
            metadata: { session_id: "mine" }
          })
        )
      const first = yield* ask(call)
      assert.strictEqual(first.choices[0]!.finish_reason, "tool_calls")
      const second = yield* ask("say never mind")
      assert.strictEqual(second.choices[0]!.message.content, "never mind")
      const { items } = yield* Effect.orDie(runs.list(user, everySession))
      assert.deepStrictEqual(items.map(({ finished_reason }) => finished_reason), ["interrupted", "completed"])
    }))

  it.effect("gets the same bytes when a stream is asked for again, and is told what had no effect", () =>
    Effect.gen(function*() {
      const { key } = yield* tenant()
      const { call } = yield* Host
      const headers = { authorization: `Bearer ${key}`, "idempotency-key": "k" }
      const body = {
        model: "agent/Ada",
        stream: true,
        messages: say("think Hm\nrepeat 20 word "),
        user: "me",
        metadata: { colour: "blue" }
      }
      const first = yield* call("POST", "/v1/chat/completions", { headers, body })
      const again = yield* call("POST", "/v1/chat/completions", { headers, body })
      assert.strictEqual(again.text, first.text)
      assert.match(first.text, /data: \[DONE\]\n\n$/)
      const warnings = JSON.parse(first.headers["stoa-warnings"]!) as ReadonlyArray<string>
      assert.lengthOf(warnings, 2)
    }))

  it.effect("stops the run when it leaves", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { runs } = yield* Storage
      for (const stream of [true, false]) {
        const leaving = new AbortController()
        const messages = say("say first\nsleep 600000")
        yield* Effect.promise(async () => {
          setTimeout(() => leaving.abort(), 700)
          try {
            const answer = await client.chat.completions.create(
              { model: "agent/Ada", messages, stream },
              { signal: leaving.signal }
            )
            if (Symbol.asyncIterator in answer) await collected(answer)
          } catch (error) {
            assert.instanceOf(error, APIUserAbortError)
          }
        })
      }
      const ended = yield* eventually("the runs have ended", Effect.orDie(runs.list(user, everySession)), ({ items }) =>
        items.every(({ status }) =>
          status === "ended"
        ))
      assert.deepStrictEqual(ended.items.map(({ finished_reason }) => finished_reason), ["interrupted", "interrupted"])
    }))

  it.effect("is not asked for permissions: the run is stopped with a sentence, and nothing is allowed", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant({ client_tools: [{ name: "pay", effect: "write" }] })
      const { runs } = yield* Storage
      for (const stream of [true, false]) {
        const error = yield* refused(async () => {
          const answer = await client.chat.completions.create({
            model: "agent/Ada",
            messages: say("say I pay\ncall pay {}"),
            stream
          })
          if (Symbol.asyncIterator in answer) await collected(answer)
        })
        assert.strictEqual(error.code, "approval_required")
      }
      const ended = yield* eventually(
        "the runs have ended",
        Effect.orDie(runs.list(user, everySession)),
        ({ items }) => items.every(({ status }) => status === "ended")
      )
      assert.strictEqual(ended.total, 2)
    }))

  it.effect("sends pictures to an agent, and is told what a model does not take", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const { data } = block(png(40_000)).source as { data: string }
      const messages = (url: string) => [{
        role: "user" as const,
        content: [
          { type: "text" as const, text: "say I see it" },
          { type: "image_url" as const, image_url: { url } }
        ]
      }]
      const ask = (model: string, url: string) => client.chat.completions.create({ model, messages: messages(url) })
      const seen = yield* asked(() => ask("agent/Ada", `data:image/png;base64,${data}`))
      assert.strictEqual(seen.choices[0]!.message.content, "I see it")
      const broken = yield* refused(() => ask("agent/Ada", "data:image/png;base64,AAAA"))
      assert.deepInclude(broken, { status: 400, code: "invalid_file" })
      const local = yield* refused(() => ask("Demo/demo-script", "file:///etc/passwd"))
      assert.strictEqual(local.status, 400)
    }))

  it.effect("hears what is wrong with a conversation, and where", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const calls = (...ids: ReadonlyArray<string>) => ({
        role: "assistant",
        content: null,
        tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "weather", arguments: "{}" } }))
      })
      const result = (tool_call_id: string) => ({ role: "tool", tool_call_id, content: "x" })
      const user = { role: "user", content: "say x" }
      const wrong: ReadonlyArray<readonly [messages: ReadonlyArray<object>, param: string]> = [
        [[], "messages"],
        [[{ role: "robot", content: "x" }], "messages.0.role"],
        [[user, result("a")], "messages.1.tool_call_id"],
        [[user, calls("a"), result("b")], "messages.2.tool_call_id"],
        [[user, calls("a"), result("a"), result("a")], "messages.3.tool_call_id"],
        [[user, calls("a", "a")], "messages.1.tool_calls.1.id"],
        [[user, calls("a"), user], "messages.2"],
        [[user, calls("a")], "messages.2"],
        [[{ role: "user", content: "  " }], "messages.0.content"],
        [[{ role: "user", content: [] }], "messages.0.content"]
      ]
      for (const model of ["agent/Ada", "Demo/demo-script"]) {
        for (const [messages, param] of wrong) {
          const error = yield* refused(() => client.chat.completions.create({ model, messages: messages as [] }))
          assert.deepInclude(error, { status: 400, param }, JSON.stringify(messages))
        }
        for (
          const more of [
            { logprobs: true },
            { functions: [{ name: "x" }] },
            { modalities: ["audio"] },
            { service_tier: "flex" },
            { temperature: 1 },
            { tool_choice: "required" },
            { tools: [weather, weather] }
          ]
        ) {
          const error = yield* refused(() =>
            client.chat.completions.create({ model, messages: say("say x"), ...more as object })
          )
          assert.strictEqual(error.status, 400, JSON.stringify(more))
          if ("temperature" in more) assert.match(error.message, /temperature: \w/)
        }
      }
    }))

  it.effect("pays for models alone too: the ledger has their calls", () =>
    Effect.gen(function*() {
      const { client, user } = yield* tenant()
      const { call } = yield* Host
      yield* asked(() => client.chat.completions.create({ model: "Demo/demo-script", messages: say("say a b") }))
      yield* asked(() => client.embeddings.create({ model: "Demo/demo-embedding", input: "one two" }))
      const { totals } = (yield* call("GET", "/usage", { user })).json
      assert.deepInclude(totals, { calls: 2, errors: 0, output_tokens: 2 })
    }))

  it.effect("is AI SDK's as well: a stream and a tool loop", () =>
    Effect.gen(function*() {
      const { key } = yield* tenant()
      const { url } = yield* Host
      const { chatModel } = createOpenAICompatible({
        name: "stoa",
        baseURL: `${url}/v1`,
        apiKey: key,
        includeUsage: true
      })
      const parts = (content: string, tools: boolean) =>
        asked(async () => {
          const { stream } = await chatModel("agent/Ada").doStream({
            prompt: [{ role: "user", content: [{ type: "text", text: content }] }],
            ...tools && {
              tools: [{ type: "function", name: "weather", inputSchema: { type: "object", properties: {} } }]
            }
          })
          return await collected(stream)
        })
      const spoken = yield* parts("think Hm\nsay one two", false)
      const textOf = (type: string) =>
        spoken.map((part) => part.type === type && "delta" in part ? part.delta : "").join("")
      assert.strictEqual(textOf("text-delta"), "one two")
      assert.strictEqual(textOf("reasoning-delta"), "Hm")
      const called = yield* parts(call, true)
      assert.isTrue(called.some((part) => part.type === "tool-call" && part.toolName === "weather"))
      const finish = called.find((part) => part.type === "finish")
      assert.strictEqual(finish?.type === "finish" ? finish.finishReason.unified : "", "tool-calls")
    }))
})
