/** A host inside of a program, spoken to by promises. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { converse, show, tryTo } from "../../examples/client/Talk.ts"
import * as Host from "../../src/embed/Host.ts"
import { StoaError } from "../../src/http/client/StoaError.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import { patience } from "../support/Patience.ts"

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

beforeAll(async () => {
  host = await Host.make({ storage: "memory" }, { tools: [stamp] })
}, patience(30_000))

afterAll(() => host.close(), patience(30_000))

/** A user of the host with an agent that does what it is told. */
const newcomer = async (user: string, of: Host.Host = host) => {
  const client = of.as(user)
  const { credential_id } = await client.credentials.create({ type: "demo_credential" })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { agent_id } = await client.agents.create({ name: "Friday", chat_model_config })
  return { client, agent_id }
}

const refusal = async (call: Promise<unknown>): Promise<StoaError> => {
  try {
    await call
  } catch (error) {
    assert.instanceOf(error, StoaError)
    return error
  }
  return assert.fail("Nothing was refused.")
}

const long = "repeat 200 word\nsleep 60000"

describe("A host inside of a program", () => {
  it("does not start when a hook that is required is against it, and says no more than that", async () => {
    const refusing = (required: boolean) =>
      Host.make({ storage: "memory", log_level: "none" }, {
        hooks: [{ name: "gate", required, "server.start": () => Promise.reject(new Error("secret reason")) }]
      })
    const { message } = await refusal(refusing(true))
    assert.strictEqual(message, "A hook of this server broke, so the server does not start.")
    await (await refusing(false)).close()
  })

  it("answers an input with the whole reply, in a session of its own or in one that is there", async () => {
    const { agent_id, client } = await newcomer("anna")
    const first = await client.invoke({ agent_id, input: "say Good morning." })
    assert.strictEqual(first.status, "completed")
    assert.strictEqual(first.text, "Good morning.")
    const { session_id } = first.run
    const second = await client.invoke({ session_id, input: { content: "say And good night." } })
    assert.strictEqual(second.text, "And good night.")
    const { messages } = await client.sessions.messages(session_id)
    assert.strictEqual(messages.length, 4)
    assert.deepStrictEqual(messages[1], first.message)
    assert.strictEqual((await client.sessions.list()).sessions.length, 1)
  })

  it("gives a run's events as they come, and from any place on once more", async () => {
    const { agent_id, client } = await newcomer("bert")
    const run = await client.send({ agent_id, input: "say one two three" })
    const all = []
    for await (const seen of client.stream(run)) all.push(seen)
    assert.strictEqual(all[0]!.seq, run.seq + 1)
    assert.strictEqual(all.at(-1)!.type, "REPLY_END")
    const rest = []
    for await (const seen of client.stream(run, { after: all[3]!.seq })) rest.push(seen)
    assert.deepStrictEqual(rest, all.slice(4))
    const attached = []
    for await (const seen of client.attach(run.session_id, { after: run.seq })) {
      attached.push(seen)
      if (seen.type === "REPLY_END") break
    }
    assert.deepStrictEqual(attached, all)
    const chatted = []
    for await (const seen of client.chat({ session_id: run.session_id, input: "say four" })) chatted.push(seen.type)
    assert.strictEqual(chatted.at(-1), "REPLY_END")
    assert.strictEqual((await client.reply(run)).text, "one two three")
  })

  it("ends at once for whoever goes on behind the end of a run, and says nothing of the next one", async () => {
    const { agent_id, client } = await newcomer("bess")
    const run = await client.send({ agent_id, input: "say one" })
    const first = await client.reply(run)
    await client.invoke({ session_id: run.session_id, input: "say two" })
    const rest = []
    for await (const seen of client.stream(run, { after: first.run.seq })) rest.push(seen)
    for await (const seen of client.stream(first.run)) rest.push(seen)
    assert.deepStrictEqual(rest, [])
    const again = await client.reply(first.run)
    assert.deepStrictEqual([again.text, again.status], ["one", "completed"])
  }, patience(10_000))

  it("gives the same run for the same key, also in a new session", async () => {
    const { agent_id, client } = await newcomer("bill")
    const ask = { agent_id, input: "say once", idempotency_key: "k-1" }
    const [one, two] = await Promise.all([client.invoke(ask), client.invoke(ask)])
    assert.strictEqual(one.run.run_id, two.run.run_id)
    assert.strictEqual((await client.send(ask)).run_id, one.run.run_id)
    assert.strictEqual((await client.sessions.list()).sessions.length, 1)
  })

  it("says what a run waits for, and goes on with the answer", async () => {
    const { agent_id, client } = await newcomer("cora")
    const input = "call Stamp {\"letter\":\"A\"}\nthen\nresults"
    const waiting = await client.invoke({ agent_id, input })
    assert.strictEqual(waiting.status, "waiting")
    assert.strictEqual(waiting.waiting_for, "user_confirmation")
    assert.deepStrictEqual(waiting.calls.map(({ name }) => name), ["Stamp"])
    assert.strictEqual((await refusal(client.answer(waiting, { results: {} }))).code, "misused")
    const done = await client.reply(await client.answer(waiting, { approve: true }))
    assert.strictEqual(done.status, "completed")
    assert.strictEqual(done.message.id, waiting.message.id)
    assert.include(done.text, "stamped A")

    const again = await client.invoke({ session_id: done.run.session_id, input })
    const denied = await client.reply(await client.answer(again, { approve: { [again.calls[0]!.id]: false } }))
    assert.notInclude(denied.text, "stamped A")
  })

  it("rejects with one class, whose code and status are those of the server", async () => {
    const { agent_id, client } = await newcomer("dora")
    const missing = await refusal(client.invoke({ session_id: "nowhere", input: "say x" }))
    assert.deepInclude({ ...missing }, { code: "not_found", status: 404 })
    const strange = await refusal(client.agents.create({ name: "" }))
    assert.strictEqual(strange.status, 422)
    const failed = await refusal(client.invoke({ agent_id, input: "fail authentication No such key." }))
    assert.strictEqual(failed.code, "authentication")
    assert.isUndefined(failed.status)
    assert.strictEqual(failed.reply?.status, "error")
    const { agent_id: another } = await newcomer("eric")
    assert.strictEqual((await refusal(client.agents.get(another))).code, "not_found")
    assert.throws(() => host.as("no such user"), StoaError)
    assert.strictEqual((await refusal(Host.make({ port: "many" } as never))).code, "misused")
  })

  it("ends a call with its signal, and leaves the run to itself until somebody stops it", async () => {
    const { agent_id, client } = await newcomer("fred")
    const run = await client.send({ agent_id, input: long })
    const leaving = new AbortController()
    let count = 0
    const error = await refusal((async () => {
      for await (const _ of client.stream(run, { signal: leaving.signal })) if (++count === 5) leaving.abort()
    })())
    assert.strictEqual(error.code, "aborted")
    assert.isAtLeast(count, 5)
    assert.strictEqual((await refusal(client.reply(run, { signal: AbortSignal.timeout(20) }))).code, "aborted")
    assert.strictEqual((await client.runs.get(run.run_id)).status, "running")
    await client.stop(run.run_id)
    assert.strictEqual((await client.reply(run)).status, "interrupted")
  })

  it("stands beside another one in the same process, and neither knows the other's users", async () => {
    const other = await Host.make({ storage: "memory" })
    try {
      const { agent_id } = await newcomer("gina")
      const { client } = await newcomer("gina", other)
      assert.strictEqual((await refusal(client.agents.get(agent_id))).code, "not_found")
      const replies = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const { agent_id, client } = await newcomer(`user-${i}`, i % 2 === 0 ? host : other)
          return (await client.invoke({ agent_id, input: `say ${i}` })).text
        })
      )
      assert.deepStrictEqual(replies, ["0", "1", "2", "3", "4", "5", "6", "7"])
    } finally {
      await other.close()
    }
  })

  it("closes once, in order: streams end, calls are refused, and nothing hangs", async () => {
    const closing = await Host.make({ storage: "memory", drain_seconds: 0 })
    const { agent_id, client } = await newcomer("hugo", closing)
    const run = await client.send({ agent_id, input: long })
    const events = client.attach(run.session_id, { after: run.seq })[Symbol.asyncIterator]()
    await events.next()
    const rest = (async () => {
      for (let next = await events.next(); next.done !== true; next = await events.next());
    })().then(() => "ended", () => "ended")
    const first = closing.close()
    assert.strictEqual(closing.close(), first)
    await first
    assert.strictEqual(await rest, "ended")
    assert.isUndefined(await closing.ended)
    assert.throws(() => closing.as("hugo"), /closed/)
    assert.strictEqual((await refusal(client.sessions.list())).code, "closed")
    assert.strictEqual((await closing.fetch()(new Request("http://stoa/sessions"))).status, 503)
  }, patience(30_000))

  it("is spoken to as the example of the client does", async () => {
    const { agent_id, client } = await newcomer("jana")
    let printed = ""
    await show(client, agent_id, "say one two", (text) => printed += text)
    assert.strictEqual(printed, "one two\n")
    const input = "call Stamp {\"letter\":\"B\"}\nthen\nresults"
    assert.include((await converse(client, agent_id, input, (tool) => tool === "Stamp")).text, "stamped B")
    assert.match(await tryTo(client.invoke({ session_id: "nowhere", input: "x" })), /^not_found \(404\): /)
  })

  it("has the whole API, typed, and manages keys for an admin", async () => {
    const { client } = await newcomer("ines")
    const { agents } = await client.api.agents.list({ urlParams: { limit: 10 } })
    assert.strictEqual(agents[0]?.data.name, "Friday")
    const gone = client.api.agents.list({ urlParams: { limit: 10 } }, { signal: AbortSignal.abort() })
    assert.strictEqual((await refusal(gone)).code, "aborted")
    const answer = await host.fetch()(new Request("http://stoa/sessions"))
    assert.strictEqual(answer.status, 401)
    const { keys } = await host.asAdmin().api.keys.list({ urlParams: { limit: 10 } })
    assert.isArray(keys)
    assert.strictEqual((await refusal(client.api.keys.list({ urlParams: { limit: 10 } }))).code, "scope_missing")
  })
})
