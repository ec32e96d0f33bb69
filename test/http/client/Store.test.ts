/** The store of a session, over the whole host. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { textOf } from "../../../src/domain/MessageText.ts"
import * as Host from "../../../src/embed/Host.ts"
import * as Client from "../../../src/http/client/Client.ts"
import { apiOf } from "../../../src/http/client/Operations.ts"
import { sessionStore } from "../../../src/http/client/Store.ts"
import { define } from "../../../src/layers/Toolbox/BuiltInTool.ts"
import { patience } from "../../support/Patience.ts"
import { breaking, isAtRest, newSession, random, slowly, until, watching } from "../../support/stores.ts"

/** Writes something, so that a person is asked. */
const stamp = define({
  name: "Stamp",
  description: "Stamps a letter.",
  effect: "write",
  idempotent: false,
  parameters: Schema.Struct({ letter: Schema.String }),
  run: ({ letter }) => Effect.succeed(`stamped ${letter}`)
})

let host: Host.Host
let answer: (request: Request) => Promise<Response>

beforeAll(async () => {
  host = await Host.make({ storage: "memory", log_level: "none" }, { tools: [stamp] })
  answer = host.fetch()
}, patience(30_000))

afterAll(() => host.close(), patience(30_000))

const fetchOfHost: typeof globalThis.fetch = (input, init) => answer(new Request(input, init))

/** A user with a key, as a page has it. */
const withKey = async (user: string, fetch = fetchOfHost) => {
  const keys = apiOf(host.asAdmin()).keys
  const { key, ...record } = await keys.create({
    payload: { name: user, user_id: user, scopes: ["read", "write", "chat"], expires_at: null }
  })
  return { client: Client.make({ url: "http://localhost", key, fetch }), key_id: record.id }
}

const whole = async (client: Client.Client, session_id: string) =>
  (await client.sessions.messages(session_id, { limit: 200 })).messages

describe("A session's store", () => {
  it("shows what was said before, and a reply while it is written, each message as one object until it changes", async () => {
    const { client } = await withKey("anna", async (input, init) => {
      // Slow enough for an input to be seen on its way.
      if (String(input).endsWith("/chat")) await new Promise((go) => setTimeout(go, 100))
      return fetchOfHost(input, init)
    })
    const { session_id } = await newSession(client)
    await client.invoke({ session_id, input: "say Good morning." })
    const store = sessionStore(client, session_id)
    const before = await until(store, isAtRest)
    assert.lengthOf(before.messages, 2)
    const watched = watching(store)
    const sent = store.send(slowly(40))
    await until(store, ({ sending }) => sending.length === 1)
    const during = await until(store, ({ messages, run }) => messages.length === 4 && run !== undefined)
    assert.strictEqual(during.messages[0], before.messages[0])
    assert.strictEqual(during.messages[1], before.messages[1])
    await sent
    const after = await until(store, isAtRest)
    assert.strictEqual(after.messages[1], before.messages[1])
    assert.deepStrictEqual(after.messages, await whole(client, session_id))
    assert.isAbove(after.usage.output_tokens, before.usage.output_tokens)
    assert.isAbove(watched.check(after.messages), 3)
    watched.leave()
    store.close()
  })

  it("tells its listeners once for many events", async () => {
    const client = host.as("bulk")
    const { session_id } = await newSession(client)
    const store = sessionStore(client, session_id)
    await until(store, isAtRest)
    let told = 0
    const leave = store.subscribe(() => void told++)
    await store.send("repeat 2000 word ")
    const { seq } = await until(store, ({ messages, run }) => messages.length === 2 && run === undefined)
    const events = []
    for await (const event of client.attach(session_id, { after: 0 })) {
      events.push(event)
      if (event.type === "REPLY_END") break
    }
    assert.strictEqual(events.at(-1)!.seq, seq)
    assert.isBelow(told, 200)
    leave()
    store.close()
  })

  it.each([1, 2, 3])("has in the end what the transcript has, on a network that breaks anywhere: %i", async (seed) => {
    let isBad = true
    const { client } = await withKey(`broken-${seed}`, breaking(fetchOfHost, random(seed), () => isBad))
    const sure = host.as(`broken-${seed}`)
    const { agent_id, session_id } = await newSession(sure)
    await sure.invoke({ session_id, input: "say Before." })
    const stores = [
      sessionStore(client, session_id, { agent_id }),
      sessionStore(client, session_id, { agent_id })
    ] as const
    const watched = stores.map(watching)
    await stores[0].send(slowly(15))
    await stores[1].send(slowly(15))
    await sure.send({ session_id, input: "say The last." })
    await until(stores[0], ({ messages }) => messages.length > 6, patience(60_000))
    isBad = false
    const messages = await whole(sure, session_id)
    await Promise.all(stores.map((store) => until(store, isAtRest, patience(60_000))))
    for (const [i, store] of stores.entries()) {
      const { messages: shown } = await until(store, ({ messages: shown }) => shown.length === messages.length)
      assert.deepStrictEqual(shown, messages)
      watched[i]!.check(messages)
      watched[i]!.leave()
      store.close()
    }
  }, patience(120_000))

  it("comes in the middle of a reply, leaves and comes again, and misses nothing", async () => {
    const client = host.as("mount")
    const { session_id } = await newSession(client)
    await client.send({ session_id, input: slowly(40) })
    const store = sessionStore(client, session_id)
    const none = () => {}
    // As React's strict mode does.
    store.subscribe(none)()
    store.subscribe(none)()
    const watched = watching(store)
    await until(store, ({ isLoaded, messages }) => isLoaded && messages.length === 2)
    watched.leave()
    store.close()
    await new Promise((go) => setTimeout(go, 200))
    const { messages } = await until(
      store,
      ({ messages, ...rest }) => isAtRest({ messages, ...rest }) && messages.length === 2
    )
    assert.deepStrictEqual(messages, await whole(client, session_id))
    watched.check(messages)
    store.close()
  })

  it("shows what a run waits for, takes the answer, and shows inputs behind it in their order", async () => {
    const client = host.as("asked")
    const { session_id } = await newSession(client)
    await client.invoke({ session_id, input: `call Stamp {"letter":"A"}\nthen\nsay Done.` })
    await client.send({ session_id, input: "say second" })
    await client.send({ session_id, input: "say third" })
    const store = sessionStore(client, session_id)
    const { calls, queue, run } = await until(
      store,
      ({ calls, isLoaded, queue }) => isLoaded && calls.length === 1 && queue.length === 2
    )
    assert.strictEqual(run?.waiting_for, "user_confirmation")
    assert.deepInclude(calls[0], { name: "Stamp", state: "asking" })
    assert.deepStrictEqual(
      queue.map(({ input }) => input.map(({ content }) => textOf(content)).join()),
      ["say second", "say third"]
    )
    await store.cancel(queue[0]!.run_id)
    await until(store, ({ queue }) => queue.length === 1)
    await store.answer({ decisions: [{ confirmed: true, tool_call: { id: calls[0]!.id, input: `{"letter":"B"}` } }] })
    const { messages } = await until(store, isAtRest)
    assert.deepStrictEqual(messages, await whole(client, session_id))
    assert.lengthOf(messages, 4)
    assert.include(JSON.stringify(messages[1]), "stamped B")
    const late = await store.answer({ approve: true }).catch((error: unknown) => error)
    assert.propertyVal(late, "code", "misused")
    store.close()
  })

  it("tells of inputs that come to wait while it looks, and of a stop", async () => {
    const client = host.as("queue")
    const { session_id } = await newSession(client)
    const store = sessionStore(client, session_id)
    const watched = watching(store)
    await store.send("say On it.\nsleep 60000")
    await until(store, ({ run }) => run !== undefined)
    await client.send({ session_id, input: "say from elsewhere" })
    await until(store, ({ queue }) => JSON.stringify(queue[0]?.input ?? "").includes("from elsewhere"))
    await store.stop()
    const { messages } = await until(store, isAtRest)
    assert.deepStrictEqual(messages.map(({ finished_reason }) => finished_reason), [
      undefined,
      "interrupted",
      undefined,
      "completed"
    ])
    watched.leave()
    store.close()
  })

  it("loads what is older page by page, and keeps it through a connection that is lost", async () => {
    let isBad = false
    const { client } = await withKey("older", breaking(fetchOfHost, () => 0, () => isBad))
    const { session_id } = await newSession(client)
    for (let i = 0; i < 60; i++) await client.invoke({ session_id, input: `say ${i}` })
    const store = sessionStore(client, session_id)
    const newest = await until(store, isAtRest)
    assert.lengthOf(newest.messages, 50)
    assert.isTrue(newest.hasOlder)
    const watched = watching(store)
    await Promise.all([store.loadOlder(), store.loadOlder()])
    const { messages } = await until(store, ({ messages }) => messages.length === 100)
    assert.strictEqual(messages[99], newest.messages[49])
    await store.loadOlder()
    const all = await until(store, ({ hasOlder }) => !hasOlder)
    assert.deepStrictEqual(all.messages, await whole(host.as("older"), session_id))
    await store.loadOlder()
    isBad = true
    store.close()
    store.subscribe(() => {})
    await until(store, ({ connection }) => connection.state === "waiting")
    isBad = false
    const again = await until(store, isAtRest)
    assert.strictEqual(again.messages[0], all.messages[0])
    assert.lengthOf(again.messages, 120)
    watched.leave()
    store.close()
  }, patience(60_000))

  it("ends with the reason when the session is deleted, and when its key is revoked", async () => {
    const { client, key_id } = await withKey("over")
    const [one, other] = [await newSession(client), await newSession(client)]
    const deleted = sessionStore(client, one.session_id)
    await until(deleted, isAtRest)
    await host.as("over").sessions.remove(one.session_id)
    const gone = await until(deleted, ({ connection }) => connection.state === "ended")
    assert.deepInclude(gone.connection.error, { code: "not_found", status: 404 })

    const store = sessionStore(client, other.session_id)
    const leave = store.subscribe(() => {})
    await until(store, isAtRest)
    await apiOf(host.asAdmin()).keys.revoke({ path: { key_id } })
    const { connection } = await until(store, ({ connection }) => connection.state === "ended")
    assert.strictEqual(connection.error?.status, 401)
    assert.propertyVal(await store.send("Hello?").catch((error: unknown) => error), "status", 401)
    assert.lengthOf((await until(store, () => true)).sending, 0)
    leave()
    store.close()
  }, patience(60_000))
})
