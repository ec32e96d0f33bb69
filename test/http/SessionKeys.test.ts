/** The keys by which clients of channels name their conversations, as their owner sees and resets them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { asked, tenant } from "../support/openai.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

const path = "/session-keys/reset"
const channel = "chat_completions"

layer(TestHost.layer(), { excludeTestServices: true })("A key of a conversation", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* Host
    const { client, user } = yield* tenant()
    const say = (session_id: string) =>
      asked(() =>
        client.chat.completions.create({
          model: "agent/Ada",
          messages: [{ role: "user", content: "context" }],
          metadata: { session_id }
        })
      ).pipe(Effect.map(({ choices }): number => JSON.parse(choices[0]!.message.content!).messages))
    const keys = Effect.map(call("GET", "/session-keys", { user }), ({ json }) => json)
    return { call, user, say, keys }
  })

  it.effect("is listed with its session, and begins a new one after a reset; the old one stays", () =>
    Effect.gen(function*() {
      const { call, keys, say, user } = yield* world
      assert.deepStrictEqual([yield* say("porch"), yield* say("porch")], [1, 3])
      const before = yield* keys
      assert.deepInclude(before.keys[0], { channel, key: "porch", user: null })
      assert.strictEqual(before.total, 1)
      const body = { channel, key: "porch" }
      const reset = yield* call("POST", path, { user, body })
      assert.deepStrictEqual(reset.json, { ...body, user: null, was_used: true })
      assert.strictEqual((yield* keys).total, 0)
      // Again, it changes nothing.
      assert.isFalse((yield* call("POST", path, { user, body })).json.was_used)
      assert.strictEqual(yield* say("porch"), 1)
      const after = yield* keys
      assert.notStrictEqual(after.keys[0].session_id, before.keys[0].session_id)
      assert.strictEqual((yield* call("GET", "/sessions", { user })).json.total, 2)
    }))

  it.effect("is not reset again by a request that is sent again with its Idempotency-Key", () =>
    Effect.gen(function*() {
      const { call, keys, say, user } = yield* world
      yield* say("porch")
      const request = { user, body: { channel, key: "porch" }, headers: { "idempotency-key": "k" } }
      const first = yield* call("POST", path, request)
      assert.isTrue(first.json.was_used)
      yield* say("porch")
      const { keys: [{ session_id }] } = yield* keys
      assert.strictEqual((yield* call("POST", path, request)).text, first.text)
      assert.strictEqual((yield* keys).keys[0].session_id, session_id)
      assert.strictEqual(yield* say("porch"), 3)
    }))

  it.effect("is its owner's: nobody else sees it, or resets it", () =>
    Effect.gen(function*() {
      const { call, keys, say } = yield* world
      yield* say("porch")
      const body = { channel, key: "porch" }
      const foreign = yield* call("POST", path, { user: "grace", body })
      assert.deepStrictEqual(foreign.json, { ...body, user: null, was_used: false })
      assert.strictEqual((yield* keys).total, 1)
      assert.strictEqual((yield* call("GET", "/session-keys", { user: "grace" })).json.total, 0)
    }))

  it.effect("is refused where it could be none: blank, too long, with a line break, of no channel", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      for (
        const body of [
          {},
          { channel, key: "" },
          { channel, key: "x".repeat(257) },
          { channel, key: "ada\nporch" },
          { channel: "Chat Completions", key: "porch" },
          { channel, key: "porch", user: "\n" }
        ]
      ) assert.strictEqual((yield* call("POST", path, { user: "ada", body })).status, 422, JSON.stringify(body))
    }))
})
