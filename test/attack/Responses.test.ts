/** Long exchanges of the Responses API: whoever has them, or asks for them six times at once, holds up nobody. */
import { assert, it } from "@effect/vitest"
import { type Client, onEach } from "./support/Target.ts"

const model = "agent/Ada"

/** An agent that answers, and a client that reads what it is answered. */
const begin = async (client: Client) => {
  // The model takes what is sent here; its own card would refuse it.
  const models = [{ name: "demo-script", context_size: 16_000_000 }]
  const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential", models } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  await client.must("POST", "/agent", { name: "Ada", chat_model_config })
  const get = async (path: string) => {
    const response = await fetch(client.url + path, { headers: client.headers })
    return { status: response.status, text: await response.text() }
  }
  const ask = (body: object) => client.must("POST", "/v1/responses", { model, ...body })
  return { ask, get }
}

const six = [1, 2, 3, 4, 5, 6]

/** Words of so many kilobytes, which no single text may have. */
const long = (kilobytes: number) =>
  Array.from({ length: kilobytes / 250 }, () => ({ type: "input_text", text: "long ".repeat(50_000) }))

onEach("A long exchange", (target) => {
  it("is gone on from six times at once, counted, and read", async () => {
    const client = target().client("long")
    const { ask } = await begin(client)
    // The model answers what was said last.
    const user = (say: string) => [{ role: "user", content: long(1_500) }, { role: "user", content: say }]
    let last = await ask({ input: user("say begun") })
    for (const _ of six.slice(2)) last = await ask({ previous_response_id: last.id, input: user("say x") })
    await ask({ previous_response_id: last.id, input: "say first" })
    await target().unharmed(async () => {
      await Promise.all(six.map(() => ask({ previous_response_id: last.id, input: "context" })))
      await client.must("POST", "/v1/responses/input_tokens", { model, previous_response_id: last.id, input: "x" })
      await client.must("GET", `/v1/responses/${last.id}/input_items`)
    }, { within: 60_000 })
  })

  it("is a conversation of thousands of items, listed page by page, and asked for items that it does not have", async () => {
    const client = target().client("items")
    const { ask, get } = await begin(client)
    const { id } = await client.must("POST", "/v1/conversations", {})
    for (let i = 0; i < 2_000; i += 100) {
      for (let j = 0; j < 5; j++) {
        await client.must("POST", `/v1/conversations/${id}/items`, {
          items: Array.from({ length: 20 }, (_, k) => ({ role: "user", content: `item ${i + j * 20 + k}` }))
        })
      }
      await ask({ conversation: id, input: "say x" })
    }
    await target().unharmed(async () => {
      await Promise.all(six.map(async () => {
        const { data } = JSON.parse((await get(`/v1/conversations/${id}/items?limit=100&order=asc`)).text)
        const after = data.at(-1).id
        for (let i = 0; i < 5; i++) await get(`/v1/conversations/${id}/items?limit=100&order=desc&after=${after}`)
        const home = id.slice("conv_".length)
        const input = Array.from(
          { length: 2_000 },
          (_, i) => ({ type: "item_reference", id: `msg_${home}missing${i}` })
        )
        const { status } = await client.call("POST", "/v1/responses", { model, input })
        assert.strictEqual(status, 400)
      }))
    }, { within: 60_000 })
  })

  it("is a response that repeats a megabyte of its request", async () => {
    const client = target().client("echo")
    const { ask, get } = await begin(client)
    const tools = Array.from({ length: 60 }, (_, i) => ({
      type: "function",
      name: `tool_${i}`,
      description: "d".repeat(8_000),
      parameters: { type: "object", properties: {}, description: "p".repeat(8_000) }
    }))
    const { id } = await ask({ input: "say x", tools, instructions: "i".repeat(200_000) })
    await target().unharmed(async () => {
      await Promise.all(six.map(async () => {
        assert.strictEqual((await get(`/v1/responses/${id}`)).status, 200)
        assert.strictEqual((await get(`/v1/responses/${id}?stream=true`)).status, 200)
      }))
    }, { within: 60_000 })
  })

  it("is kept as a completion, and looked for by its labels", async () => {
    const client = target().client("kept")
    const { get } = await begin(client)
    const content = Array.from({ length: 16 }, () => ({ type: "text", text: "k".repeat(250_000) }))
    for (let i = 0; i < 24; i++) {
      await client.must("POST", "/v1/chat/completions", {
        model,
        store: true,
        metadata: { topic: "porch" },
        messages: [{ role: "user", content }, { role: "user", content: "say x" }]
      })
    }
    await target().unharmed(async () => {
      await Promise.all(six.map(async () => {
        const { text } = await get("/v1/chat/completions?limit=20&metadata[topic]=none")
        assert.strictEqual(JSON.parse(text).data.length, 0)
      }))
    }, { within: 60_000 })
  })
})
