/** LangGraph's SDK: threads, runs and their streams, interrupts, and connections that break. */
import { assert, layer } from "@effect/vitest"
import { Client } from "@langchain/langgraph-sdk"
import { Effect } from "effect"
import { connect } from "node:net"
import { clientOf, cuttingProxy, eventsOf, idsIn, textIn } from "../../support/langgraph.ts"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const human = (content: string, id?: string) => ({
  messages: [{ type: "human" as const, content, ...id !== undefined && { id } }]
})

const refusal = (ask: () => PromiseLike<unknown>) =>
  asked(async () => {
    try {
      await ask()
    } catch (error) {
      return error as Error & { readonly status: number }
    }
    throw new Error("The request was not refused")
  })

layer(TestHost.layer(), { excludeTestServices: true })("A client of LangGraph", (it) => {
  it.effect("finds its agents, and nobody else's", () =>
    Effect.gen(function*() {
      const { agent_id, user } = yield* tenant()
      const client = yield* clientOf(user)
      const [assistant] = yield* asked(() => client.assistants.search())
      assert.deepInclude(assistant, { assistant_id: agent_id, graph_id: "Ada", name: "Ada" })
      assert.strictEqual((yield* asked(() => client.assistants.get("Ada"))).assistant_id, agent_id)
      const other = yield* clientOf((yield* tenant()).user)
      assert.strictEqual((yield* refusal(() => other.assistants.get(agent_id))).status, 404)
    }))

  it.effect("is known by the key that the SDK sends", () =>
    Effect.gen(function*() {
      const { key } = yield* tenant()
      const { url } = yield* Host
      const client = new Client({ apiUrl: `${url}/langgraph`, apiKey: key })
      assert.lengthOf(yield* asked(() => client.assistants.search()), 1)
    }))

  it.effect("keeps threads with what it notes at them, finds them again, and removes them", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const client = yield* clientOf(user)
      const made = yield* asked(() => client.threads.create({ metadata: { topic: "tea" } }))
      yield* asked(() => client.threads.create({ metadata: { topic: "rye" }, threadId: "my own" }))
      const again = yield* refusal(() => client.threads.create({ threadId: "my own" }))
      assert.strictEqual(again.status, 409)
      yield* asked(() => client.threads.create({ threadId: "my own", ifExists: "do_nothing" }))
      yield* asked(() => client.threads.update(made.thread_id, { metadata: { mood: "calm" } }))
      const found = yield* asked(() => client.threads.search({ metadata: { topic: "tea", mood: "calm" } }))
      assert.deepStrictEqual(found.map(({ thread_id }) => thread_id), [made.thread_id])
      assert.lengthOf(yield* asked(() => client.threads.search({ ids: ["my own"] })), 1)
      yield* asked(() => client.runs.wait("my own", "Ada", { input: human("say hi") }))
      assert.deepStrictEqual(
        (yield* asked(() => client.threads.search({ sortBy: "updated_at" }))).map(({ thread_id }) => thread_id),
        ["my own", made.thread_id]
      )
      assert.lengthOf(yield* asked(() => client.threads.search({ status: "busy" })), 0)
      const [run] = yield* asked(() => client.threads.search({ metadata: { graph_id: "Ada" } }))
      assert.strictEqual(textIn(run!.values), "hi")
      yield* asked(() => client.threads.delete("my own"))
      assert.strictEqual((yield* refusal(() => client.threads.get("my own"))).status, 404)
      assert.strictEqual((yield* refusal(() => client.runs.list("my own"))).status, 404)
      // The id is free again, and what was said is gone.
      yield* asked(() => client.threads.create({ threadId: "my own" }))
      assert.deepStrictEqual((yield* asked(() => client.threads.getState("my own"))).values, {})
    }))

  it.effect("gets one thread for an id, however often it asks for it at once", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const client = yield* clientOf(user)
      yield* asked(() =>
        Promise.all(
          Array.from({ length: 8 }, () => client.threads.create({ threadId: "one", ifExists: "do_nothing" }))
        )
      )
      assert.lengthOf(yield* asked(() => client.threads.search({ ids: ["one"] })), 1)
    }))

  it.effect("sees values, updates, messages and events of a run, whose thread remembers it", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant({ tools: "all" })
      const client = yield* clientOf(user)
      const { thread_id } = yield* asked(() => client.threads.create())
      let created: { run_id: string; thread_id?: string } | undefined
      const streamMode = ["values", "updates", "messages", "messages-tuple", "events", "custom"] as const
      const events = yield* eventsOf(client.runs.stream(thread_id, "Ada", {
        input: human("think Hm\nsay one two\ncall TaskCreate {\"subject\": \"sow\"}\nthen\nsay Done", "mine"),
        streamMode: [...streamMode],
        metadata: { of: "me" },
        onRunCreated: (run) => {
          created = run
        }
      }))
      assert.deepInclude(events[0], { event: "metadata" })
      const run_id = (events[0]!.data as { run_id: string }).run_id
      assert.deepStrictEqual(created, { run_id, thread_id })
      const of = (name: string) => events.filter(({ event }) => event === name).map(({ data }) => data)
      for (
        const name of [
          "values",
          "updates",
          "messages",
          "messages/metadata",
          "messages/partial",
          "messages/complete",
          "events",
          "custom"
        ]
      ) {
        assert.isNotEmpty(of(name), name)
      }
      const chunks = of("messages").map(([chunk]) => chunk)
      const first = chunks.filter(({ id }) => id === chunks[0].id)
      assert.strictEqual(first.map(({ content }) => content).join(""), "one two")
      assert.strictEqual(
        first.map(({ additional_kwargs }) => additional_kwargs.reasoning_content ?? "").join(""),
        "Hm"
      )
      const { messages } = of("values").at(-1)
      assert.deepStrictEqual(messages.map(({ type }: { type: string }) => type), ["human", "ai", "tool", "ai"])
      assert.strictEqual(messages[0].id, "mine")
      assert.deepInclude(messages[1].tool_calls[0], { name: "TaskCreate", args: { subject: "sow" } })
      assert.strictEqual(messages[2].tool_call_id, messages[1].tool_calls[0].id)
      assert.isAbove(messages[3].usage_metadata.output_tokens, 0)
      // What was streamed piece by piece is what the thread holds.
      assert.deepStrictEqual((yield* asked(() => client.threads.getState(thread_id))).values, of("values").at(-1))
      assert.deepStrictEqual(of("updates").map((update) => Object.keys(update)[0]), ["agent", "tools", "agent"])
      assert.deepInclude(of("custom")[0], { type: "state_updated" })
      const run = yield* asked(() => client.runs.get(thread_id, run_id))
      assert.deepInclude(run, { status: "success", metadata: { of: "me" }, thread_id })
      assert.deepStrictEqual(
        (yield* asked(() => client.runs.list(thread_id))).map(({ run_id }) => run_id),
        [run_id]
      )
      // A message that is known is not said again.
      yield* asked(() =>
        client.runs.wait(thread_id, "Ada", {
          input: {
            messages: [{ type: "human", id: "mine", content: "say x" }, { type: "human", content: "context" }]
          }
        })
      )
      const { values } = yield* asked(() => client.threads.getState<{ messages: Array<object> }>(thread_id))
      assert.lengthOf(values.messages, 6)
      const history = yield* asked(() => client.threads.getHistory<{ messages: Array<object> }>(thread_id))
      assert.deepStrictEqual(history.map((state) => state.values.messages.length), [6, 5, 4, 1])
      const { checkpoint_id } = history[1]!.checkpoint
      assert.deepStrictEqual(
        (yield* asked(() => client.threads.getState(thread_id, checkpoint_id!))).values,
        history[1]!.values
      )
      const older = yield* asked(() =>
        client.threads.getHistory(thread_id, { before: { configurable: { checkpoint_id: checkpoint_id! } } })
      )
      assert.lengthOf(older, 2)
    }))

  it.effect("waits for runs, with a thread and without one, and begins with what was said elsewhere", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const client = yield* clientOf(user)
      const values = yield* asked(() => client.runs.wait(null, "Ada", { input: { messages: "say alone" } }))
      assert.strictEqual(textIn(values), "alone")
      const input = {
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "say old" },
          { role: "assistant", content: "old" },
          { role: "user", content: "context" }
        ]
      }
      assert.match(textIn(yield* asked(() => client.runs.wait(null, "Ada", { input }))), /"messages":3,/)
      const alone = yield* eventsOf(client.runs.stream(null, "Ada", { input: human("say a") }))
      assert.strictEqual(textIn(alone.at(-1)!.data), "a")
      const joined = yield* eventsOf(client.runs.joinStream(null, (alone[0]!.data as { run_id: string }).run_id))
      assert.deepStrictEqual(joined, alone)
      const { thread_id } = yield* asked(() => client.threads.create())
      const { run_id } = yield* asked(() => client.runs.create(thread_id, "Ada", { input: human("say later") }))
      assert.strictEqual(textIn(yield* asked(() => client.runs.join(thread_id, run_id))), "later")
    }))

  it.effect("is told why there is no answer: before it, in it, and where it was stopped", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const client = yield* clientOf(user)
      const { thread_id } = yield* asked(() => client.threads.create())
      assert.strictEqual((yield* refusal(() => client.runs.wait(thread_id, "Nobody"))).status, 404)
      assert.strictEqual(
        (yield* refusal(() => client.runs.wait("nothing", "Ada", { input: human("say x") }))).status,
        404
      )
      const odd = yield* refusal(() =>
        client.runs.wait(thread_id, "Ada", { input: human("say x"), webhook: "http://x" })
      )
      assert.include(odd.message, "webhook")
      const failed = yield* refusal(() =>
        client.runs.wait(thread_id, "Ada", { input: human("fail invalid_request Not this") })
      )
      assert.include(failed.message, "Not this")
      const told = yield* eventsOf(
        client.runs.stream(thread_id, "Ada", { input: human("fail invalid_request Nor this") })
      )
      assert.include((told.at(-1)!.data as { message: string }).message, "Nor this")
      assert.strictEqual((yield* asked(() => client.threads.get(thread_id))).status, "error")
      const { run_id } = yield* asked(() =>
        client.runs.create(thread_id, "Ada", { input: human("say half\nsleep 60000\nsay whole") })
      )
      const busy = yield* refusal(() =>
        client.runs.wait(thread_id, "Ada", { input: human("say x"), multitaskStrategy: "reject" })
      )
      assert.strictEqual(busy.status, 409)
      assert.strictEqual((yield* asked(() => client.threads.get(thread_id))).status, "busy")
      yield* asked(() => client.runs.cancel(thread_id, run_id, true))
      assert.strictEqual((yield* asked(() => client.runs.get(thread_id, run_id))).status, "interrupted")
      assert.strictEqual(textIn((yield* asked(() => client.threads.getState(thread_id))).values), "half")
    }))

  it.effect("is asked for permission, and what it decides holds", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant({ client_tools: [{ name: "pay", effect: "write" }] })
      const client = yield* clientOf(user)
      const decisions = [
        [{ decisions: [{ type: "approve" }] }, { n: 1 }],
        [{ decisions: [{ type: "edit", edited_action: { name: "pay", args: { n: 2 } } }] }, { n: 2 }],
        [true, { n: 1 }],
        [{ decisions: [{ type: "reject" }] }, undefined]
      ] as const
      for (const [resume, paid] of decisions) {
        const { thread_id } = yield* asked(() => client.threads.create())
        const events = yield* eventsOf(client.runs.stream(thread_id, "Ada", {
          input: human("call pay {\"n\": 1}\nthen\nsay Done: \nresults"),
          streamMode: ["updates", "values"]
        }))
        const [interrupt] = (events.find(({ data }) =>
          "__interrupt__" in (data as object)
        )!.data as Interrupted).__interrupt__
        assert.deepInclude(interrupt!.value.action_requests[0], { name: "pay", args: { n: 1 } })
        const state = yield* asked(() => client.threads.getState(thread_id))
        assert.deepStrictEqual(state.tasks[0]!.interrupts[0]!.id, interrupt!.id)
        assert.strictEqual((yield* asked(() => client.threads.get(thread_id))).status, "interrupted")
        // Nothing goes on without an answer, nor with one that says nothing.
        assert.strictEqual((yield* refusal(() => client.runs.wait(thread_id, "Ada", { input: null }))).status, 409)
        assert.strictEqual(
          (yield* refusal(() => client.runs.wait(thread_id, "Ada", { command: { resume: { perhaps: 1 } } }))).status,
          422
        )
        const resumed = yield* eventsOf(
          client.runs.stream(thread_id, "Ada", { command: { resume }, streamMode: ["updates", "values"] })
        )
        assert.strictEqual(resumed[0]!.event, "metadata")
        assert.isTrue(resumed.every(({ id }) => Number(id) >= Number(events.at(-1)!.id)))
        if (paid === undefined) {
          assert.strictEqual(textIn(resumed.at(-1)!.data).slice(0, 4), "Done")
          continue
        }
        const [call] = (resumed.at(-1)!.data as Interrupted).__interrupt__[0]!.value.tool_calls
        assert.deepInclude(call, { name: "pay", args: paid })
        const results = [{ tool_call_id: call!.id, content: "paid" }]
        const values = yield* asked(() => client.runs.wait(thread_id, "Ada", { command: { resume: { results } } }))
        assert.match(textIn(values), /^Done: .*paid/s)
        const late = yield* refusal(() => client.runs.wait(thread_id, "Ada", { command: { resume: true } }))
        assert.strictEqual(late.status, 409)
      }
    }))

  it.effect("answers for its own tools by messages, too", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant({ client_tools: [{ name: "weather" }] })
      const client = yield* clientOf(user)
      const { thread_id } = yield* asked(() => client.threads.create())
      const halted = yield* asked(() =>
        client.runs.wait(thread_id, "Ada", { input: human("call weather {}\nthen\nsay It is \nresults") })
      )
      const call = (halted as unknown as Interrupted).__interrupt__[0]!.value.tool_calls[0]!
      const tool = { type: "tool", tool_call_id: call.id, content: "9 degrees" }
      const values = yield* asked(() => client.runs.wait(thread_id, "Ada", { input: { messages: [tool] } }))
      assert.match(textIn(values), /9 degrees/)
      // Whoever says something else gives the answer up.
      yield* asked(() => client.runs.wait(thread_id, "Ada", { input: human("call weather {}\nthen\nsay x") }))
      assert.strictEqual(
        textIn(yield* asked(() => client.runs.wait(thread_id, "Ada", { input: human("say else") }))),
        "else"
      )
    }))

  it.effect("has its request done once for a key", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const client = yield* clientOf(user, { "idempotency-key": "once" })
      const plain = yield* clientOf(user)
      const { thread_id } = yield* asked(() => plain.threads.create())
      const begun = yield* asked(() =>
        Promise.all(Array.from({ length: 4 }, () => client.runs.create(thread_id, "Ada", { input: human("say x") })))
      )
      assert.lengthOf(new Set(begun.map(({ run_id }) => run_id)), 1)
      assert.lengthOf(yield* asked(() => plain.runs.list(thread_id)), 1)
    }))

  it.scoped("gets every frame once, wherever its connection breaks", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant({ client_tools: [{ name: "weather" }] })
      const { port } = yield* Host
      const client = yield* clientOf(user)
      const streamMode = ["values", "updates", "messages-tuple"] as const
      const input = human("say one two three\ncall weather {}\nthen\nsay four")
      const { thread_id } = yield* asked(() => client.threads.create())
      const whole = yield* eventsOf(client.runs.stream(thread_id, "Ada", { input, streamMode: [...streamMode] }))
      const run_id = (whole[0]!.data as { run_id: string }).run_id
      const results = [9]
      const rest = yield* eventsOf(
        client.runs.stream(thread_id, "Ada", { command: { resume: results[0] }, streamMode: [...streamMode] })
      )
      // From any frame on, also across the question, the run is told on with the next.
      const all = [...whole, ...rest.slice(1)]
      assert.deepStrictEqual(idsIn(all), [...new Set(idsIn(all))])
      for (const [i, { id }] of all.entries()) {
        const options = { lastEventId: id!, streamMode: [...streamMode] }
        const joined = yield* eventsOf(client.runs.joinStream(thread_id, run_id, options))
        assert.deepStrictEqual(joined, all.slice(i + 1), `after ${id}`)
      }
      // The same by the SDK itself, which comes back when its connection breaks.
      const proxy = yield* cuttingProxy(port, { after: whole.slice(0, 5).map(({ id }) => `id: ${id}\n`).at(-1)! })
      const cut = new Client({ apiUrl: `${proxy.url}/langgraph`, defaultHeaders: { "x-user-id": user } })
      const other = yield* asked(() => cut.threads.create())
      const told = yield* eventsOf(cut.runs.stream(other.thread_id, "Ada", { input, streamMode: [...streamMode] }))
      assert.strictEqual(proxy.cuts(), 1)
      assert.deepStrictEqual(idsIn(told), idsIn(whole))
    }), 60_000)

  it.effect("goes on when its client has left, unless that was said otherwise", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const { port } = yield* Host
      const client = yield* clientOf(user)
      for (const [on_disconnect, status] of [["continue", "success"], ["cancel", "interrupted"]] as const) {
        const { thread_id } = yield* asked(() => client.threads.create())
        const body = JSON.stringify({
          assistant_id: "Ada",
          input: human("say half\nsleep 700\nsay whole"),
          on_disconnect
        })
        yield* asked(() =>
          new Promise<void>((resolve) => {
            const socket = connect(port, "127.0.0.1", () =>
              socket.write(
                `POST /langgraph/threads/${thread_id}/runs/stream HTTP/1.1\r\nhost: 127.0.0.1\r\nx-user-id: ${user}\r\n`
                  + `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
              ))
            let text = ""
            socket.on("data", (bytes) => {
              text += bytes.toString()
              if (text.includes("event: metadata")) socket.destroy()
            })
            socket.on("close", () => resolve())
          })
        )
        const { run_id } = (yield* asked(() => client.runs.list(thread_id)))[0]!
        yield* asked(() => client.runs.join(thread_id, run_id))
        assert.strictEqual((yield* asked(() => client.runs.get(thread_id, run_id))).status, status)
      }
    }))
})

interface Interrupted {
  readonly __interrupt__: ReadonlyArray<{
    readonly id: string
    readonly value: {
      readonly action_requests: ReadonlyArray<object>
      readonly tool_calls: ReadonlyArray<{ readonly id: string; readonly name: string; readonly args: object }>
    }
  }>
}
