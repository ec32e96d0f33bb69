/** What hooks of channels see, change and refuse, and that one that misbehaves harms nobody but its own request. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import { createHmac } from "node:crypto"
import { APIError } from "openai"
import type { ResponseStreamEvent } from "openai/resources/responses/responses"
import { letters } from "../../../examples/own-channel/Letters.ts"
import { manners } from "../../../examples/own-hook/Manners.ts"
import { Invalid } from "../../../src/domain/Errors.ts"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import { all } from "../../../src/http/channels/All.ts"
import * as Hook from "../../../src/http/channels/Hook.ts"
import * as Mounts from "../../../src/http/channels/Mounts.ts"
import * as Server from "../../../src/http/Server.ts"
import { eventually } from "../../support/live.ts"
import { asked, refused, tenant } from "../../support/openai.ts"
import { patience } from "../../support/Patience.ts"
import { type Receiver, receiver } from "../../support/Receiver.ts"
import { problemsOf } from "../../support/responses.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const say = (content: string) => [{ role: "user" as const, content }]

/** Does what the words of the request ask for, at each of its points. */
const seen: Array<Hook.Sent> = []
const updates: Array<string> = []
const words = (input: unknown) => JSON.stringify(input)

const naughty = Hook.make({
  name: "naughty",
  patience: "200 millis",
  run: (sent) => {
    const text = words(sent.input)
    if (text.includes("RUN-THROW")) throw new Error("secret reason")
    if (text.includes("RUN-DIE")) return Effect.die(new Error("secret reason"))
    if (text.includes("RUN-HANG")) return Effect.never
    if (text.includes("RUN-STUBBORN")) return Effect.uninterruptible(Effect.sleep("10 minutes"))
    if (text.includes("RUN-NO")) return Effect.fail(new Invalid({ code: "not_here", detail: "Not here." }))
    if (text.includes("RUN-FLOOD")) {
      return Effect.succeed({ input: { role: "user", name: "user", metadata: {}, content: "x".repeat(2 ** 21) } })
    }
    if (text.includes("RUN-TRAP")) {
      return Effect.succeed({
        get tools(): never {
          throw new Error("secret reason")
        }
      })
    }
    if (text.includes("RUN-WRONG")) return Effect.succeed({ tools: [{ name: 7 }] } as unknown as Hook.Change)
    seen.push(sent)
    return Effect.void
  },
  response: (reply) => {
    const text = words(reply)
    if (text.includes("OUT-THROW")) throw new Error("secret reason")
    if (text.includes("OUT-HANG")) return Effect.never
    if (text.includes("OUT-STRANGE")) {
      const [part] = reply.parts
      return Effect.succeed({ parts: [part!, part!] })
    }
    if (text.includes("OUT-NO-JSON")) return Effect.succeed({ ...reply, structured_output: 1n })
    return Effect.succeed({
      ...reply,
      parts: reply.parts.map((part) => ({ ...part, text: part.text.replaceAll("secret", "****") }))
    })
  },
  update: (event) => {
    // What no hook may say: an end that is none, in place of an event of the same type.
    if (event.type === "CUSTOM" && words(event).includes("UP-END")) {
      return Effect.succeed({ type: "CUSTOM", name: "run_parked" } as unknown as AgentEvent)
    }
    if (event.type !== "TEXT_BLOCK_DELTA") return Effect.succeed(event)
    updates.push(event.delta)
    if (event.delta.includes("UP-HANG")) return Effect.never
    if (event.delta.includes("UP-THROW")) throw new Error("secret reason")
    if (event.delta.includes("UP-FLOOD")) return Effect.succeed({ ...event, delta: "x".repeat(2 ** 21) })
    if (event.delta.includes("UP-GARBAGE")) {
      return Effect.succeed({ type: event.type, delta: "x" } as unknown as AgentEvent)
    }
    if (event.delta.includes("UP-DROP")) return Effect.succeed(undefined)
    return Effect.succeed({ ...event, delta: event.delta.replaceAll("secret", "****") })
  }
})

/** The service that the own channel talks to. */
let service: Receiver

const channelsWith = (hooks: ReadonlyArray<Hook.Hook>, settings: Mounts.Chosen["settings"] = {}) =>
  Mounts.mount(all, Server.nativeRoutes, { settings, trusted: false, hooks })

const hooked = Layer.unwrapScoped(Effect.map(receiver, (started) => {
  service = started
  const own = letters({ owner: "hooked", agent: "Ada", secret: "s", replyTo: started.url })
  return TestHost.layer({
    channels: Either.getOrThrow(
      Mounts.mount([...all, own], Server.nativeRoutes, { settings: {}, trusted: false, hooks: [naughty] })
    )
  })
}))

layer(hooked, { excludeTestServices: true })("A hook", (it) => {
  it.effect("sees whose request it is and what it asks for, before anything is stored, and may refuse it", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { agent_id, client, user } = yield* tenant()
      yield* asked(() =>
        client.chat.completions.create({
          model: "agent/Ada",
          messages: [{ role: "system", content: "Be short." }, ...say("say hello")],
          tools: [{ type: "function", function: { name: "weather" } }]
        })
      )
      const sent = seen.at(-1)!
      assert.deepInclude(sent, { channel: "chat_completions", owner: user, instructions: "Be short." })
      assert.strictEqual(sent.agent_id as string, agent_id)
      assert.strictEqual(sent.tools[0]!.name, "weather")
      assert.include(words(sent.input), "say hello")
      const no = yield* refused(() =>
        client.chat.completions.create({ model: "agent/Ada", messages: say("say RUN-NO") })
      )
      assert.deepInclude(no, { status: 400, code: "not_here" })
      const { total } = (yield* call("GET", "/runs", { user })).json
      assert.strictEqual(total, 1)
    }))

  it.effect("changes the whole reply for who does not stream, and each piece for who does; the log keeps what was said", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { client, user } = yield* tenant()
      const body = {
        model: "agent/Ada",
        messages: say("think my secret thought\nsay a secret word\nsay UP-DROP\nsay here"),
        metadata: { session_id: "k" }
      }
      const whole = yield* asked(() => client.chat.completions.create(body))
      assert.strictEqual(whole.choices[0]!.message.content, "a **** wordUP-DROPhere")
      assert.propertyVal(whole.choices[0]!.message, "reasoning_content", "my **** thought")
      assert.isAbove(whole.usage!.completion_tokens, 0)
      const pieces = yield* asked(async () => {
        let text = ""
        for await (const { choices } of await client.chat.completions.create({ ...body, stream: true })) {
          text += choices[0]?.delta.content ?? ""
        }
        return text
      })
      assert.strictEqual(pieces, "a **** wordhere")
      const [{ id }] = (yield* call("GET", "/sessions", { user })).json.sessions
      const log = yield* call("GET", `/sessions/${id}/messages?limit=10`, { user })
      assert.include(log.text, "a secret word")
      assert.include(log.text, "UP-DROP")
    }))

  it.effect("changes a response in the same way, also for who comes back for it", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const body = { model: "agent/Ada", input: "think my secret thought\nsay a secret word\nsay UP-DROP\nsay here" }
      const made = yield* asked(() => client.responses.create(body))
      assert.strictEqual(made.output_text, "a **** wordUP-DROPhere")
      assert.notInclude(words(made.output), "secret")
      assert.strictEqual((yield* asked(() => client.responses.retrieve(made.id))).output_text, made.output_text)
      const told = (ask: () => PromiseLike<AsyncIterable<ResponseStreamEvent>>) =>
        asked(async () => {
          const events: Array<ResponseStreamEvent> = []
          for await (const event of await ask()) events.push(event)
          return events
        })
      const events = yield* told(() => client.responses.create({ ...body, stream: true }))
      assert.deepStrictEqual(problemsOf(events), [])
      const last = events.at(-1)!
      if (last.type !== "response.completed") throw new Error(last.type)
      const { id, output } = last.response
      assert.deepStrictEqual(
        output.flatMap((item) => item.type === "message" ? [words(item.content)] : []).map((text) =>
          /"text":"([^"]*)"/.exec(text)![1]
        ),
        ["a **** word", "", "here"]
      )
      const again = yield* told(() => client.responses.retrieve(id, { stream: true }))
      assert.deepStrictEqual(again, events)
      for (const word of ["OUT-THROW", "OUT-HANG"]) {
        const error = yield* refused(() => client.responses.create({ model: "agent/Ada", input: `say ${word}` }))
        assert.match(String(error.code), /^hook_(failed|timeout)$/)
        assert.notInclude(error.message, "secret")
      }
      const ended = yield* refused(async () => {
        const body = { model: "agent/Ada", input: "say UP-THROW", stream: true as const }
        for await (const _ of await client.responses.create(body));
      })
      assert.strictEqual(ended.code, "hook_failed")
    }))

  it.effect("that throws, dies, hangs or floods fails its own request in a bounded time, and never says why", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { client, user } = yield* tenant()
      const other = yield* tenant()
      const bad = [
        ["RUN-THROW", "hook_failed", "whole"],
        ["RUN-DIE", "hook_failed", "whole"],
        ["RUN-HANG", "hook_timeout", "stream"],
        ["RUN-STUBBORN", "hook_timeout", "whole"],
        ["RUN-FLOOD", "hook_failed", "whole"],
        ["RUN-WRONG", "hook_failed", "whole"],
        ["RUN-TRAP", "hook_failed", "whole"],
        ["OUT-NO-JSON", "hook_failed", "whole"],
        ["UP-GARBAGE", "hook_failed", "stream"],
        ["UP-END", "hook_failed", "stream"],
        ["OUT-THROW", "hook_failed", "whole"],
        ["OUT-HANG", "hook_timeout", "whole"],
        ["OUT-STRANGE", "hook_failed", "whole"],
        ["UP-HANG", "hook_timeout", "stream"],
        ["UP-THROW", "hook_failed", "stream"],
        ["UP-FLOOD", "hook_failed", "stream"]
      ] as const
      for (const [word, code, how] of bad) {
        const started = Date.now()
        const failure = refused(async () => {
          const body = { model: "agent/Ada", messages: say(`say ${word}`) }
          if (how === "whole") return client.chat.completions.create(body)
          for await (const _ of await client.chat.completions.create({ ...body, stream: true }));
        })
        const [error, answer] = yield* Effect.all([
          failure,
          asked(() => other.client.chat.completions.create({ model: "agent/Ada", messages: say("say fine") }))
        ], { concurrency: "unbounded" })
        assert.instanceOf(error, APIError, word)
        assert.strictEqual(error.code, code, word)
        assert.notInclude(error.message, "secret")
        assert.isBelow(Date.now() - started, patience(2_500), word)
        assert.strictEqual(answer.choices[0]!.message.content, "fine")
      }
      // A request that was not begun has left nothing behind, and a stream that was ended has ended its run.
      yield* eventually(
        "all runs have ended",
        call("GET", "/runs?limit=50", { user }),
        ({ json }) => json.runs.every(({ status }: { status: string }) => status === "ended")
      )
      const { total } = (yield* call("GET", "/runs", { user })).json
      assert.strictEqual(total, 9)
    }))

  it.effect("that fails in the middle of a stream ends it with an error that the client reads", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      let text = ""
      const error = yield* refused(async () => {
        const body = { model: "agent/Ada", messages: say("say one two\nsay UP-THROW"), stream: true as const }
        for await (const { choices } of await client.chat.completions.create(body)) {
          text += choices[0]?.delta.content ?? ""
        }
      })
      assert.strictEqual(text, "one two")
      assert.strictEqual(error.code, "hook_failed")
    }))

  it.effect("whose client leaves while it thinks begins nothing", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { client, user } = yield* tenant()
      const leaving = new AbortController()
      const request = client.chat.completions.create(
        { model: "agent/Ada", messages: say("say RUN-HANG") },
        { signal: leaving.signal }
      )
      yield* Effect.sleep("50 millis")
      leaving.abort()
      yield* Effect.promise(() => request.then(() => assert.fail(), () => {}))
      yield* Effect.sleep("300 millis")
      assert.strictEqual((yield* call("GET", "/runs", { user })).json.total, 0)
    }))

  it.scoped("serves a channel that knows nothing of hooks", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const user = "hooked"
      const { credential_id } =
        (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      yield* call("POST", "/agent", { user, body: { name: "Ada", chat_model_config } })
      const send = (id: string, text: string) => {
        const body = JSON.stringify({ id, chat: "porch", text })
        const signature = createHmac("sha256", "s").update(body).digest("hex")
        return call("POST", "/letters/receive", { text: body, headers: { "x-signature": signature } })
      }
      assert.deepInclude(yield* send("1", "say RUN-NO"), { status: 422 })
      assert.strictEqual((yield* send("2", "say a secret")).status, 200)
      const [delivered] = yield* eventually(
        "a reply is delivered",
        Effect.sync(() => service.got),
        (got) => got.length > 0
      )
      assert.include(delivered!.body, "a ****")
      assert.strictEqual(seen.at(-1)!.channel, "letters")
    }))
})

layer(TestHost.layer({ channels: Either.getOrThrow(channelsWith([manners])) }), { excludeTestServices: true })(
  "The example of a hook",
  (it) => {
    it.effect("refuses what is rude, asks for manners, and shows no thoughts", () =>
      Effect.gen(function*() {
        const { client } = yield* tenant()
        const rude = yield* refused(() =>
          client.chat.completions.create({ model: "agent/Ada", messages: say("say damn") })
        )
        assert.deepInclude(rude, { status: 400, code: "rude" })
        const messages = say("think hm\nsay yes")
        const whole = yield* asked(() => client.chat.completions.create({ model: "agent/Ada", messages }))
        assert.notProperty(whole.choices[0]!.message, "reasoning_content")
        assert.strictEqual(whole.choices[0]!.message.content, "yes")
        const text = yield* asked(async () => {
          const frames: Array<unknown> = []
          for await (
            const chunk of await client.chat.completions.create({ model: "agent/Ada", messages, stream: true })
          ) frames.push(chunk)
          return JSON.stringify(frames)
        })
        assert.notInclude(text, "hm")
        assert.include(text, "yes")
      }))
  }
)

const few = Either.getOrThrow(
  channelsWith([], { chat_completions: { options: ["temperature"] }, responses: { options: ["temperature"] } })
)

layer(TestHost.layer({ channels: few }), { excludeTestServices: true })("Options of a request", (it) => {
  it.effect("that the operator does not let through are refused where they change what is asked, and named where not", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { client, key } = yield* tenant()
      const ask = (more: object) =>
        refused(() => client.chat.completions.create({ model: "agent/Ada", messages: say("say x"), ...more }))
      for (
        const [name, more] of [
          ["tools", { tools: [{ type: "function", function: { name: "weather" } }] }],
          ["tool_choice", { tool_choice: "none" }],
          ["output_schema", { response_format: { type: "json_object" } }],
          ["instructions", { messages: [{ role: "system", content: "Be rude." }, ...say("say x")] }]
        ] as const
      ) {
        assert.deepInclude(yield* ask(more), { status: 400, code: "option_not_allowed", param: name })
      }
      const { headers, json } = yield* call("POST", "/v1/chat/completions", {
        headers: { authorization: `Bearer ${key}` },
        body: { model: "agent/Ada", messages: say("say x"), max_tokens: 1, seed: 7 }
      })
      assert.strictEqual(json.choices[0].message.content, "x")
      assert.include(headers["stoa-warnings"], "'max_tokens' has no effect")
      assert.include(headers["stoa-warnings"], "'seed' has no effect")
      // It reaches the model, which does not know it.
      assert.deepInclude(yield* ask({ temperature: 0.5 }), { status: 400, param: "temperature" })
      const response = yield* call("POST", "/v1/responses", {
        headers: { authorization: `Bearer ${key}` },
        body: { model: "agent/Ada", input: "say x", max_output_tokens: 1 }
      })
      assert.strictEqual(response.status, 200, response.text)
      assert.include(response.headers["stoa-warnings"], "'max_tokens' has no effect")
      // A model by itself is no agent: there is nothing to protect.
      const raw = yield* refused(() =>
        client.chat.completions.create({ model: "Demo/demo-script", messages: say("say x"), max_tokens: 5 })
      )
      assert.deepInclude(raw, { status: 400, param: "max_tokens" })
    }))
})

describe("A hook for a channel that there is not", () => {
  it("stops the start with a sentence", () => {
    const why = Either.match(channelsWith([Hook.make({ name: "lost", channels: ["telegram"] })]), {
      onLeft: (why) => why,
      onRight: () => ""
    })
    assert.throws(() => Hook.make({ name: "hasty", patience: "soon" as "1 second" }))
    assert.match(why, /The hook lost is for the channel telegram, which there is not\. There are: chat_completions/)
  })
})
