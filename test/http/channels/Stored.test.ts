/** Chat completions that OpenAI's client wants to be kept: found again, labelled, paged through and deleted. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { asked, refused, tenant } from "../../support/openai.ts"
import { block, png } from "../../support/pictures.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const say = (content: string) => [{ role: "user" as const, content }]

const collected = async <A>(pages: AsyncIterable<A>) => {
  const all: Array<A> = []
  for await (const item of pages) all.push(item)
  return all
}

layer(TestHost.layer(), { excludeTestServices: true })("A stored chat completion", (it) => {
  for (const model of ["agent/Ada", "Demo/demo-script"]) {
    it.effect(`of ${model} is there when its client has the answer, whole or as a stream, and is what it has got`, () =>
      Effect.gen(function*() {
        const { client, key } = yield* tenant()
        const { call } = yield* Host
        const metadata = { topic: "porch" }
        const body = { model, messages: say("think hm\nsay Good morning"), store: true, metadata }
        const whole = yield* asked(() => client.chat.completions.create(body))
        assert.deepStrictEqual(yield* asked(() => client.chat.completions.retrieve(whole.id)), { ...whole, metadata })
        const chunks = yield* asked(async () =>
          collected(await client.chat.completions.create({ ...body, stream: true, metadata: { topic: "roof" } }))
        )
        const streamed = yield* asked(() => client.chat.completions.retrieve(chunks[0]!.id))
        assert.strictEqual(streamed.choices[0]!.message.content, "Good morning")
        assert.propertyVal(streamed.choices[0]!.message, "reasoning_content", "hm")
        assert.deepStrictEqual(streamed.usage, whole.usage)
        const none = yield* asked(() => client.chat.completions.create({ model, messages: say("say x") }))
        assert.strictEqual((yield* refused(() => client.chat.completions.retrieve(none.id))).status, 404)
        const warned = yield* call("POST", "/v1/chat/completions", {
          headers: { authorization: `Bearer ${key}` },
          body
        })
        assert.notInclude(warned.headers["stoa-warnings"] ?? "", "topic")
      }))
  }

  it.effect("is listed oldest first or newest first, in pages, by its model and by its labels", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const ids: Array<string> = []
      for (let i = 0; i < 7; i++) {
        const { id } = yield* asked(() =>
          client.chat.completions.create({
            model: i === 6 ? "Demo/demo-script" : "agent/Ada",
            messages: say(`say ${i}`),
            store: true,
            metadata: { parity: i % 2 === 0 ? "even" : "odd", "odd name": `${i}` }
          })
        )
        ids.push(id)
      }
      const listed = (query: object) =>
        Effect.map(asked(() => collected(client.chat.completions.list(query))), (all) => all.map(({ id }) => id))
      const agents = ids.slice(0, 6)
      assert.sameMembers(yield* listed({}), ids)
      assert.deepStrictEqual(yield* listed({ model: "agent/Ada" }), agents)
      assert.deepStrictEqual(yield* listed({ model: "agent/Ada", limit: 2 }), agents)
      assert.deepStrictEqual(yield* listed({ model: "agent/Ada", limit: 4, order: "desc" }), agents.toReversed())
      assert.deepStrictEqual(yield* listed({ model: "agent/Ada", limit: 2, metadata: { parity: "odd" } }), [
        ids[1],
        ids[3],
        ids[5]
      ])
      assert.deepStrictEqual(yield* listed({ metadata: { parity: "even", "odd name": "4" } }), [ids[4]])
      assert.deepStrictEqual(yield* listed({ metadata: { parity: "none" } }), [])
      const page = yield* asked(() => client.chat.completions.list({ limit: 6, model: "agent/Ada" }))
      assert.isFalse(page.has_more)
      const bad = yield* refused(() => client.chat.completions.list({ limit: 0 }))
      assert.strictEqual(bad.status, 400)
    }))

  it.effect("has the messages that it was an answer to, without the bytes of files", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const { source } = block(png(2_000)) as { source: { data: string } }
      const url = `data:image/png;base64,${source.data}`
      const { id } = yield* asked(() =>
        client.chat.completions.create({
          model: "agent/Ada",
          store: true,
          messages: [
            { role: "system", content: "Be kind." },
            { role: "user", content: [{ type: "text", text: "say two" }, { type: "image_url", image_url: { url } }] }
          ]
        })
      )
      const messages = yield* asked(() => collected(client.chat.completions.messages.list(id, { limit: 1 })))
      assert.deepStrictEqual(messages.map(({ content, role }) => [role, content]), [
        ["system", "Be kind."],
        ["user", "say two[An image, which was not stored]"]
      ])
      const [newest] = (yield* asked(() => client.chat.completions.messages.list(id, { order: "desc" }))).data
      assert.strictEqual(newest!.id, messages[1]!.id)
      assert.strictEqual(newest!.content_parts!.length, 2)
    }))

  it.effect("is labelled anew and deleted by its owner, and is not there for anybody else", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const other = yield* tenant()
      const { id } = yield* asked(() =>
        client.chat.completions.create({ model: "agent/Ada", messages: say("say x"), store: true })
      )
      const labelled = yield* asked(() => client.chat.completions.update(id, { metadata: { a: "b" } }))
      assert.deepInclude(labelled, { id, metadata: { a: "b" } })
      const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`${i}`, ""]))
      assert.strictEqual((yield* refused(() => client.chat.completions.update(id, { metadata: many }))).status, 400)
      for (
        const ask of [
          () => other.client.chat.completions.retrieve(id),
          () => other.client.chat.completions.update(id, { metadata: {} }),
          () => other.client.chat.completions.delete(id),
          () => other.client.chat.completions.messages.list(id),
          () => client.chat.completions.retrieve("chatcmpl-0")
        ]
      ) assert.deepInclude(yield* refused(ask), { status: 404, code: "completion_not_found" })
      assert.deepStrictEqual((yield* asked(() => other.client.chat.completions.list())).data, [])
      assert.deepInclude(yield* asked(() => client.chat.completions.retrieve(id)), { metadata: { a: "b" } })
      assert.deepStrictEqual(yield* asked(() => client.chat.completions.delete(id)), {
        object: "chat.completion.deleted",
        id,
        deleted: true
      })
      assert.strictEqual((yield* refused(() => client.chat.completions.delete(id))).status, 404)
    }))

  it.effect("is one, however often the request comes with the same Idempotency-Key; what failed or was left is none", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const headers = { "idempotency-key": "k" }
      const body = { model: "agent/Ada", messages: say("say x"), store: true }
      const first = yield* asked(() => client.chat.completions.create(body, { headers }))
      assert.deepStrictEqual(yield* asked(() => client.chat.completions.create(body, { headers })), first)
      yield* refused(() => client.chat.completions.create({ ...body, messages: say("say y\nfail upstream") }))
      yield* refused(async () => {
        const stream = await client.chat.completions.create({
          ...body,
          messages: say("say y\nsleep 50\nfail upstream"),
          stream: true
        })
        for await (const _ of stream);
      })
      const { data } = yield* asked(() => client.chat.completions.list())
      assert.deepStrictEqual(data.map(({ id }) => id), [first.id])
    }))
})
