/** AG-UI, by its own clients: the one of 1.0 and one of before, which check every event that they are sent. */
import { EventSchema } from "@ag-ui/core/schemas"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { complaints, framesOf, textIn, threadOf, typesOf, versions } from "../../support/agui.ts"
import { tenant } from "../../support/openai.ts"
import { png } from "../../support/pictures.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const weather = { name: "weather", description: "Tells the weather", parameters: { type: "object", properties: {} } }

const write = (content: string) => `call Write {"file_path": "a.txt", "content": "${content}"}\nthen\nresults`

layer(TestHost.layer(), { excludeTestServices: true })("AG-UI's clients", (it) => {
  const world = Effect.gen(function*() {
    const { call, url, watch } = yield* Host
    const { agent_id, key, user } = yield* tenant({ tools: "all" })
    const path = `/ag-ui/agents/${agent_id}`
    const thread = (version: typeof versions[number] = "1.0.0", threadId?: string) =>
      threadOf(version, { url: url + path, key, ...threadId !== undefined && { threadId } })
    const post = (body: object, headers: Record<string, string> = {}) =>
      call("POST", path, { user, headers, body: { runId: "r", messages: [], tools: [], context: [], ...body } })
    return { agent_id, call, key, path, post, thread, url, user, watch }
  })

  const says = (content: unknown, id = "m1") => [{ id, role: "user", content }]

  for (const version of versions) {
    it.effect(`of ${version} read text, thoughts and the agent's own tools, and nothing that they do not know`, () =>
      Effect.gen(function*() {
        const { thread } = yield* world
        const one = thread(version)
        const { events, problem } = yield* one.run("think hm\nsay Hello there\ncall CurrentTime {}\nthen\nsay bye")
        assert.isUndefined(problem)
        assert.strictEqual(textIn(events), "Hello therebye")
        for (const event of events) EventSchema.parse(event)
        const finished = events.at(-1)
        assert.deepStrictEqual(finished.outcome, { type: "success" })
        assert.isAbove(finished.usage[0].outputTokens, 0)
        assert.strictEqual(events[0].protocolVersion, version === "1.0.0" ? "1.0" : undefined)
        const roles = one.messages().map(({ role }) => role)
        assert.deepStrictEqual(roles, ["user", "reasoning", "assistant", "tool", "assistant"])
        const [, , caller, result] = one.messages()
        assert.strictEqual(caller.content, "Hello there")
        assert.strictEqual(result.toolCallId, caller.toolCalls[0].id)
        // What was said is known here: only the new words are taken.
        const second = yield* one.run("context")
        assert.strictEqual(JSON.parse(textIn(second.events)).messages, 3)
      }))

    it.effect(`of ${version} run their own tools, whose results the same run goes on with`, () =>
      Effect.gen(function*() {
        const { thread } = yield* world
        const one = thread(version)
        const first = yield* one.run("say Look.\ncall weather {\"city\": \"Kiel\"}\nthen\nresults", {
          tools: [weather]
        })
        assert.isUndefined(first.problem)
        const call = first.events.find(({ type }) => type === "TOOL_CALL_START")
        const { outcome } = first.events.at(-1)
        assert.deepStrictEqual(
          outcome,
          { type: "success", ...version === "1.0.0" && { pendingToolCallIds: [call.toolCallId] } }
        )
        assert.notInclude(typesOf(first.events), "TOOL_CALL_RESULT")
        const result = { id: "result", role: "tool", toolCallId: call.toolCallId, content: "9 degrees" }
        const second = yield* one.run(result, { tools: [weather] })
        assert.isUndefined(second.problem)
        assert.include(textIn(second.events), "9 degrees")
        // The client has the result already.
        assert.strictEqual(one.messages().filter(({ role }) => role === "tool").length, 1)
        // What it sends again has been taken.
        const again = yield* one.run("say more", { tools: [weather] })
        assert.strictEqual(textIn(again.events), "more")
      }))

    it.effect(`of ${version} answer interrupts: with yes, with other arguments, with no, and not at all`, () =>
      Effect.gen(function*() {
        const { thread } = yield* world
        for (
          const [answer, state] of [
            [{ status: "resolved", payload: { approved: true } }, "success"],
            [
              { status: "resolved", payload: { approved: true, editedArgs: { file_path: "b.txt", content: "y" } } },
              "success"
            ],
            [{ status: "resolved", payload: { approved: false } }, "denied"],
            [{ status: "cancelled" }, "denied"]
          ] as const
        ) {
          const one = thread(version)
          const first = yield* one.run(write("x"))
          assert.isUndefined(first.problem)
          const { outcome } = first.events.at(-1)
          assert.strictEqual(outcome.type, "interrupt", JSON.stringify(first.events.at(-1)))
          const [interrupt] = outcome.interrupts
          assert.strictEqual(interrupt.reason, "tool_call")
          assert.strictEqual(
            interrupt.toolCallId,
            first.events.find(({ type }) => type === "TOOL_CALL_START").toolCallId
          )
          const second = yield* one.run(undefined, { resume: [{ interruptId: interrupt.id, ...answer }] })
          assert.isUndefined(second.problem)
          const types = typesOf(second.events)
          assert.include(types, "TOOL_CALL_RESULT")
          assert.notInclude(types, "TOOL_CALL_START")
          const text = textIn(second.events)
          assert.include(text, `"state":"${state}"`)
          if ("payload" in answer && "editedArgs" in answer.payload) assert.include(text, "b.txt")
        }
      }))

    it.effect(`of ${version} share a state, which is told whole and then as it changes`, () =>
      Effect.gen(function*() {
        const { thread } = yield* world
        const one = thread(version)
        one.setState({ recipe: { title: "Soup" } })
        const { events, problem } = yield* one.run(
          "call TaskCreate {\"subject\": \"sow\"}\nthen\ncall TaskCreate {\"subject\": \"reap\"}\nthen\nsay planned"
        )
        assert.isUndefined(problem)
        const kinds = typesOf(events).filter((type) => type.startsWith("STATE_"))
        assert.deepStrictEqual(kinds, ["STATE_SNAPSHOT", "STATE_DELTA"])
        assert.deepStrictEqual(one.state().recipe, { title: "Soup" })
        assert.deepStrictEqual(one.state().stoa.tasks.map(({ subject }: { subject: string }) => subject), [
          "sow",
          "reap"
        ])
      }))

    it.effect(`of ${version} are told of a run that fails by a status before it, and by an event in it`, () =>
      Effect.gen(function*() {
        const { thread, url, key } = yield* world
        const failed = yield* thread(version).run("say Well\nfail upstream It broke.")
        const last = failed.events.at(-1)
        assert.strictEqual(last.type, "RUN_ERROR")
        assert.include(last.message, "It broke.")
        const nowhere = yield* threadOf(version, { url: `${url}/ag-ui/agents/nobody`, key }).run("Hello")
        assert.include(nowhere.problem ?? "", "404")
        assert.deepStrictEqual(nowhere.events, [])
      }))
  }

  it.effect("bring pictures, documents and the history of a conversation that began elsewhere", () =>
    Effect.gen(function*() {
      const { call, post, user } = yield* world
      const data = png(300).toString("base64")
      const answer = yield* post({
        threadId: "from-elsewhere",
        context: [{ description: "The user's city", value: "Kiel" }],
        messages: [
          { id: "s", role: "system", content: "Be brief." },
          { id: "1", role: "user", content: "Hi" },
          {
            id: "2",
            role: "assistant",
            content: "Hello",
            toolCalls: [{ id: "c", type: "function", function: { name: "look", arguments: "{}" } }]
          },
          { id: "3", role: "tool", toolCallId: "c", content: "seen" },
          { id: "4", role: "reasoning", content: "hm" },
          { id: "5", role: "activity", activityType: "plan", content: {} },
          {
            id: "6",
            role: "user",
            content: [
              { type: "text", text: "context" },
              { type: "image", source: { type: "data", value: data, mimeType: "image/png" } },
              { type: "binary", mimeType: "image/png", data }
            ]
          }
        ]
      })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(JSON.parse(textIn(framesOf(answer.text))).messages, 3)
      const { sessions } = (yield* call("GET", "/sessions", { user })).json
      const { messages } = (yield* call("GET", `/sessions/${sessions[0].id}/messages`, { user })).json
      assert.deepStrictEqual(
        messages[2].content.map(({ type }: { type: string }) => type),
        ["text", "data", "data"]
      )
    }))

  it.effect("are refused in words, and lose nothing by it", () =>
    Effect.gen(function*() {
      const { call, post, thread, user } = yield* world
      const refused = (body: object) => Effect.map(post(body), ({ json, status }) => `${status} ${json.code}`)
      assert.strictEqual(yield* refused({ threadId: " ", messages: says("x") }), "400 invalid_thread_id")
      assert.strictEqual(yield* refused({ threadId: "t" }), "422 nothing_said")
      assert.strictEqual(yield* refused({ messages: says("x") }), "422 invalid")
      assert.strictEqual(yield* refused({ threadId: "t", messages: [{ role: "user", content: 1 }] }), "422 invalid")
      assert.strictEqual(
        yield* refused({ threadId: "t", messages: says("x"), tools: [{ name: "no blanks please" }] }),
        "422 invalid"
      )
      assert.strictEqual(
        yield* refused({ threadId: "t", messages: says("x"), state: { long: "x".repeat(70_000) } }),
        "422 state_too_large"
      )
      assert.strictEqual(
        yield* refused({
          threadId: "t",
          messages: says([{ type: "image", source: { type: "file", value: "file-1" } }])
        }),
        "422 invalid_file"
      )
      const resume = [{ interruptId: "gone", status: "resolved", payload: true }]
      assert.strictEqual(yield* refused({ threadId: "t", messages: says("x"), resume }), "409 interrupt_not_open")
      const bare = yield* call("POST", "/ag-ui", { user, body: { threadId: "t", runId: "r", messages: says("x") } })
      assert.strictEqual(`${bare.status} ${bare.json.code}`, "422 agent_missing")
      assert.strictEqual((yield* call("GET", "/ag-ui/nowhere", { user })).status, 404)

      // An interrupt has to be answered, in words that say yes or no, and once.
      const asked = framesOf(
        (yield* post({ threadId: "open", messages: says(write("x")), protocolVersion: "1.0" })).text
      )
      const [{ id: interruptId }] = asked.at(-1).outcome.interrupts
      const open = { threadId: "open", messages: [...says(write("x")), { id: "a", role: "assistant", content: "" }] }
      assert.strictEqual(
        yield* refused({ ...open, messages: [...open.messages, ...says("say more", "m2")] }),
        "409 interrupts_open"
      )
      assert.strictEqual(
        yield* refused({ ...open, resume: [{ interruptId, status: "resolved", payload: "perhaps" }] }),
        "422 invalid"
      )
      const yes = { ...open, resume: [{ interruptId, status: "resolved", payload: { approved: true } }] }
      assert.strictEqual((yield* post(yes)).status, 200)
      assert.strictEqual(yield* refused(yes), "409 interrupt_not_open")
      // Whoever cancels what nobody waits for any more goes on.
      const later = yield* post({
        ...open,
        messages: [...open.messages, ...says("say later", "m3")],
        resume: [{ interruptId, status: "cancelled" }]
      })
      assert.strictEqual(textIn(framesOf(later.text)), "later")

      // Results have to be whole.
      const tools = thread()
      const { events } = yield* tools.run("call weather {}\ncall weather {}\nthen\nresults", { tools: [weather] })
      const [first] = events.at(-1).outcome.pendingToolCallIds
      const half = yield* tools.run({ id: "h", role: "tool", toolCallId: first, content: "rain" }, { tools: [weather] })
      assert.include(half.problem ?? "", "tool_results_missing")
      // Words alone give the results up.
      const given = yield* tools.run("say never mind", { tools: [weather] })
      assert.include(given.problem ?? "", "tool_results_missing")
    }))

  it.effect("get the same run again in the same bytes by its key, and a stream that goes on without them", () =>
    Effect.gen(function*() {
      const { post } = yield* world
      const body = {
        threadId: "kept",
        protocolVersion: "1.0",
        messages: says("think hm\nsay once upon a time\ncall CurrentTime {}\nthen\nsay end")
      }
      const headers = { "idempotency-key": "k1" }
      const first = yield* post(body, headers)
      const second = yield* post(body, headers)
      assert.strictEqual(second.text, first.text)
      assert.include(first.text, "upon")
    }))

  it.scoped("come back to a thread: its messages, its state, and what runs, as it was told at first", () =>
    Effect.gen(function*() {
      const { call, path, post, user, watch } = yield* world
      yield* post({
        threadId: "back",
        messages: says("say before\ncall TaskCreate {\"subject\": \"sow\"}\nthen\nsay done")
      })
      const messages = [
        ...says("x"),
        { id: "a", role: "assistant", content: "before" },
        ...says("say one two\nsleep 1500\nsay three", "m2")
      ]
      const live = yield* watch("POST", path, {
        user,
        body: {
          threadId: "back",
          runId: "r2",
          protocolVersion: "1.0",
          messages,
          tools: [],
          context: [],
          state: { a: 1 }
        }
      })
      yield* live.until((text) => text.includes("two"))
      const stream = "/ag-ui/threads/back/stream?runId=r2&protocolVersion=1.0"
      const back = yield* call("GET", stream, { user })
      const frames = framesOf(back.text)
      const whole = framesOf(yield* live.ended)
      assert.deepStrictEqual(typesOf(frames.slice(0, 3)), ["RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT"])
      assert.deepStrictEqual(frames[1].messages.map(({ id }: { id: string }) => id).at(-1), "m2")
      assert.deepStrictEqual(frames[2].snapshot.a, 1)
      assert.deepStrictEqual(frames[2].snapshot.stoa.tasks.map(({ subject }: { subject: string }) => subject), ["sow"])
      assert.deepStrictEqual(frames.slice(3), whole.slice(1))
      for (const event of frames) EventSchema.parse(event)
      // At rest, everything is in the snapshot, with the ids that the events had.
      const rest = framesOf((yield* call("GET", stream, { user })).text)
      assert.deepStrictEqual(typesOf(rest), ["RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT", "RUN_FINISHED"])
      const ids = rest[1].messages.map(({ id }: { id: string }) => id)
      for (const { messageId, type } of whole) if (type === "TEXT_MESSAGE_START") assert.include(ids, messageId)
      assert.strictEqual((yield* call("GET", "/ag-ui/threads/unknown/stream", { user })).status, 404)
    }))

  it.scoped("come back to a run that has waited for an answer and went on, and to one that waits", () =>
    Effect.gen(function*() {
      const { call, path, post, user, watch } = yield* world
      const script =
        `say first\ncall Write {"file_path": "a.txt", "content": "x"}\nthen\nsay second\nsleep 1500\nsay third`
      const asked = framesOf((yield* post({ threadId: "waits", protocolVersion: "1.0", messages: says(script) })).text)
      const [{ id: interruptId }] = asked.at(-1).outcome.interrupts
      const stream = "/ag-ui/threads/waits/stream?protocolVersion=1.0"
      const waiting = framesOf((yield* call("GET", stream, { user })).text)
      assert.deepStrictEqual(waiting.at(-1).outcome, asked.at(-1).outcome)
      const resumed = yield* watch("POST", path, {
        user,
        body: {
          threadId: "waits",
          runId: "r2",
          messages: says(script),
          tools: [],
          context: [],
          resume: [{ interruptId, status: "resolved", payload: { approved: true } }]
        }
      })
      yield* resumed.until((text) => text.includes("second"))
      const back = framesOf((yield* call("GET", stream, { user })).text)
      assert.strictEqual(textIn(back), "firstsecondthird")
      assert.strictEqual(typesOf(back).filter((type) => type === "TOOL_CALL_RESULT").length, 1)
      assert.deepStrictEqual(back.at(-1).outcome, { type: "success" })
      yield* resumed.ended
    }))

  it.effect("are asked about all calls that wait at the same time", () =>
    Effect.gen(function*() {
      const { call, post, user } = yield* world
      const messages = says(`call Write {"file_path": "b.txt", "content": "y"}\n${write("x")}`)
      const body = { threadId: "two-at-once", protocolVersion: "1.0", messages }
      const { outcome } = framesOf((yield* post(body)).text).at(-1)
      assert.strictEqual(outcome.interrupts.length, 2)
      const looked = framesOf(
        (yield* call("GET", "/ag-ui/threads/two-at-once/stream?protocolVersion=1.0", { user })).text
      )
      assert.deepStrictEqual(looked.at(-1).outcome, outcome)
      const resume = outcome.interrupts.map(({ id }: { readonly id: string }) => ({
        interruptId: id,
        status: "resolved",
        payload: { approved: false }
      }))
      const answered = framesOf((yield* post({ ...body, resume })).text)
      assert.deepStrictEqual(answered.at(-1).outcome, { type: "success" })
    }))

  it.scoped("stop a run, which says so in the words of their version; leaving stops nothing", () =>
    Effect.gen(function*() {
      const { call, path, user, watch } = yield* world
      for (const protocolVersion of ["1.0", undefined]) {
        const threadId = `stopped-${protocolVersion}`
        const body = {
          threadId,
          runId: "r",
          protocolVersion,
          messages: says("say well\nsleep 60000"),
          tools: [],
          context: []
        }
        const left = yield* watch("POST", path, { user, body })
        yield* left.until((text) => text.includes("well"))
        left.leave()
        const back = yield* watch(
          "GET",
          `/ag-ui/threads/${threadId}/stream?protocolVersion=${protocolVersion ?? "0"}`,
          { user }
        )
        yield* back.until((text) => text.includes("well"))
        const cancelled = yield* call("POST", `/ag-ui/threads/${threadId}/cancel`, { user })
        assert.deepStrictEqual([cancelled.status, cancelled.json], [200, { threadId, status: "cancelled" }])
        const last = framesOf(yield* back.ended).at(-1)
        if (protocolVersion === undefined) assert.deepInclude(last, { type: "RUN_ERROR", code: "cancelled" })
        else assert.deepInclude(last, { type: "RUN_FINISHED", outcome: { type: "cancelled" } })
      }
      // One that waits for somebody is stopped too, and its interrupt is not open any more.
      const body = { threadId: "parked", runId: "r", messages: says(write("x")), tools: [], context: [] }
      yield* call("POST", path, { user, body })
      yield* call("POST", "/ag-ui/threads/parked/cancel", { user })
      const after = framesOf((yield* call("GET", "/ag-ui/threads/parked/stream", { user })).text).at(-1)
      assert.deepStrictEqual(after.outcome, { type: "success" })
      const { json: { runs } } = yield* call("GET", "/runs", { user })
      assert.isTrue(runs.every(({ status }: { status: string }) => status === "ended"))
    }))

  it.effect("say what an agent can do", () =>
    Effect.gen(function*() {
      const { call, path, user } = yield* world
      const { json, status } = yield* call("GET", `${path}/capabilities`, { user })
      assert.strictEqual(status, 200)
      assert.strictEqual(json.identity.name, "Ada")
      assert.isTrue(json.humanInTheLoop.approveWithEdits)
    }))

  it.effect("have complained of nothing", () => Effect.sync(() => assert.deepStrictEqual(complaints, [])))
})
