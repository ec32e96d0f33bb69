/** What OpenAI's clients meet when something goes wrong: requests that fail half way, keys that come again, and leaving at a bad moment. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Either, Fiber, Layer, Option } from "effect"
import { RunId } from "../../../src/domain/Ids.ts"
import * as Follow from "../../../src/http/channels/Follow.ts"
import { keyOf } from "../../../src/http/channels/Keys.ts"
import { frameOf } from "../../../src/http/channels/openai/Errors.ts"
import { Sse } from "../../../src/http/Sse.ts"
import * as Stoa from "../../../src/layers/Host.ts"
import { DirectCalls } from "../../../src/services/DirectCalls.ts"
import { SessionHub } from "../../../src/services/SessionHub.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { agentOf, freshId, freshOwner, sessionOf } from "../../support/fixtures.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const everySession = { limit: 100, cursor: undefined }

const said = [{ role: "user", content: "say one" }, { role: "assistant", content: "one" }]

/** Each input is taken, and then it takes a while until its sender hears of that. */
const slowToTell = Layer.map(Stoa.layerMemory, (context) => {
  const hub = Context.get(context, SessionHub)
  return Context.add(context, SessionHub, {
    ...hub,
    send: (...given) => Effect.zipLeft(hub.send(...given), Effect.sleep("300 millis"))
  })
})

layer(TestHost.layer(), { excludeTestServices: true })("A client of OpenAI's on a bad day", (it) => {
  const asking = Effect.map(Effect.all([Host, tenant()]), ([{ call }, { key, user }]) => ({
    user,
    ask: (body: object, headers: Readonly<Record<string, string>> = {}) =>
      call("POST", "/v1/chat/completions", {
        headers: { authorization: `Bearer ${key}`, ...headers },
        body: { model: "agent/Ada", ...body }
      })
  }))

  it.effect("keeps what was said before, although the first request with a session's key was refused", () =>
    Effect.gen(function*() {
      const { ask } = yield* asking
      const metadata = { session_id: "mine" }
      const broken = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }
      const refused = yield* ask({ metadata, messages: [...said, { role: "user", content: [broken] }] })
      assert.strictEqual(refused.status, 400)
      const context = [...said, { role: "user", content: "context" }]
      const answer = yield* ask({ metadata, messages: context })
      assert.strictEqual(JSON.parse(answer.json.choices[0].message.content).messages, 3)
      // From now on the session knows it.
      const again = yield* ask({ metadata, messages: context })
      assert.strictEqual(JSON.parse(again.json.choices[0].message.content).messages, 5)
    }))

  it.effect("stores calls under ids that it can read again, however long they are", () =>
    Effect.gen(function*() {
      const { ask, user } = yield* asking
      const { call } = yield* Host
      const ids = ["x".repeat(250), "session.call_1"]
      const turn = {
        role: "assistant",
        content: null,
        tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } }))
      }
      const results = ids.map((tool_call_id) => ({ role: "tool", tool_call_id, content: "9" }))
      const answer = yield* ask({
        messages: [said[0], turn, ...results, { role: "user", content: "say two" }]
      })
      assert.strictEqual(answer.status, 200, answer.text)
      const { sessions: [{ id }] } = (yield* call("GET", "/sessions", { user })).json
      const { messages } = (yield* call("GET", `/sessions/${id}/messages`, { user })).json
      const calls = messages.flatMap(({ content }: { content: ReadonlyArray<{ type: string; id: string }> }) => content)
        .filter(({ type }: { type: string }) => type === "tool_call")
      assert.lengthOf(calls, 2)
      assert.match(calls[0].id, /^[\x21-\x7e]{1,128}$/)
      assert.strictEqual(calls[1].id, "call_1")
    }))

  it.effect("gets no answer of another conversation by an Idempotency-Key", () =>
    Effect.gen(function*() {
      const { ask } = yield* asking
      const body = { messages: [{ role: "user", content: "say one" }] }
      const first = yield* ask(body, { "idempotency-key": "k", "x-session-id": "a" })
      assert.strictEqual(first.status, 200)
      const other = yield* ask(body, { "idempotency-key": "k", "x-session-id": "b" })
      assert.deepStrictEqual([other.status, other.json.error.code], [400, "idempotency_mismatch"])
    }))

  it.effect("is refused what would take too much, with the name of the field", () =>
    Effect.gen(function*() {
      const { ask, user } = yield* asking
      const { call } = yield* Host
      const url = `https://example.com/${"x".repeat(300_000)}`
      for (const model of ["agent/Ada", "Demo/demo-script"]) {
        const long = yield* ask({
          model,
          messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }]
        })
        assert.deepStrictEqual([long.status, long.json.error.param], [400, "messages.0.content.0.image_url.url"])
      }
      const long = Array.from({ length: 60 }, () => ({ role: "user", content: "x".repeat(100_000) }))
      const much = yield* ask({ messages: long })
      assert.deepStrictEqual([much.status, much.json.error.code], [400, "too_much_text"])
      const unknown = yield* ask({ model: "Demo/no-such", messages: [said[0]] })
      assert.deepStrictEqual([unknown.status, unknown.json.error.param], [400, "model"])
      const body = { model: "Demo/demo-script", prompt: ["say a", "say b", "say c"], n: 3 }
      const many = yield* call("POST", "/v1/completions", { user, body })
      assert.deepStrictEqual([many.status, many.json.error.param], [400, "n"])
    }))
})

layer(TestHost.layer(), { excludeTestServices: true })("A server that stops", (it) => {
  it.effect("waits for models that are asked without an agent, but only for as long as it may", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { drain } = yield* DirectCalls
      const { user } = yield* tenant()
      const messages = [{ role: "user", content: "sleep 900\nsay done" }]
      const asking = yield* Effect.fork(
        call("POST", "/v1/chat/completions", { user, body: { model: "Demo/demo-script", messages } })
      )
      yield* Effect.sleep("300 millis")
      yield* drain(0.1)
      assert.isTrue(Option.isNone(yield* Fiber.poll(asking)))
      yield* drain(10)
      yield* Effect.timeout(Fiber.join(asking), "500 millis")
      yield* drain(0)
    }))
})

layer(TestHost.layer({ host: slowToTell }), { excludeTestServices: true })("A client that leaves early", (it) => {
  it.effect("stops the run that has just begun, although it has not heard of it yet", () =>
    Effect.gen(function*() {
      const { url } = yield* Host
      const { key, user } = yield* tenant()
      const { runs } = yield* Storage
      const all = Effect.orDie(runs.list(user, everySession))
      for (const stream of [true, false]) {
        const leaving = new AbortController()
        void fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          body: JSON.stringify({ model: "agent/Ada", stream, messages: [{ role: "user", content: "sleep 600000" }] }),
          signal: leaving.signal
        }).catch(() => {})
        yield* eventually("a run has begun", all, ({ items }) => items.some(({ status }) => status === "running"))
        leaving.abort()
        yield* eventually("it has ended", all, ({ items }) => items.every(({ status }) => status === "ended"))
      }
    }))
})

describe("Whoever follows a run", () => {
  it.effect("and does not read what comes has left: the run is stopped", () =>
    Effect.gen(function*() {
      const stopped: Array<string> = []
      const hub = {
        attach: (_: unknown, sink: { readonly end: (comment: string) => void }) =>
          Effect.sync(() => sink.end("lagging")),
        cancel: (_: unknown, run: string) => Effect.sync(() => void stopped.push(run))
      }
      const sse = { whileValid: (wait: unknown) => wait }
      const follow = yield* Follow.make.pipe(
        Effect.provideService(SessionHub, hub as unknown as typeof SessionHub.Service),
        Effect.provideService(Sse, sse as unknown as typeof Sse.Service)
      )
      const session = sessionOf(agentOf(freshOwner()))
      const kept = RunId.make(freshId())
      const left = RunId.make(freshId())
      for (const run_id of [kept, left]) {
        const following = follow.whole({
          session,
          accepted: { session_id: session.id, run_id, seq: 0 },
          encoder: { step: () => "", failed: frameOf },
          policy: { leaving: "cancels", approval: "refused", end: "" },
          isKept: run_id === kept
        }) as unknown as Effect.Effect<void, { readonly code: string }>
        const failure = yield* Effect.flip(following)
        assert.strictEqual(failure.code, "lagging")
      }
      assert.deepStrictEqual(stopped, [left])
    }))
})

describe("The key of a user behind a proxy", () => {
  it("is one that no other user can write", () => {
    const of = (key: string, user?: string) =>
      Either.getOrThrow(keyOf(key, user === undefined ? {} : { "x-agent-user-isolation-key": user }, true))
    const hers = of("k", "ada")
    for (const guess of [JSON.stringify(["ada", "k"]), "ada k", "ada\\nk"]) {
      assert.notStrictEqual(of(guess), hers)
      assert.notStrictEqual(of(guess, "eve"), hers)
    }
    assert.isTrue(Either.isLeft(keyOf(hers!, {}, true)))
  })
})
