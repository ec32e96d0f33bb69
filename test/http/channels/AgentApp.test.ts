/** AgentApp's protocol: its objects, its keys, its stops and its runs in the background. */
import SwaggerParser from "@apidevtools/swagger-parser"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { storyteller } from "../../../examples/own-agent/Storyteller.ts"
import { squares } from "../../../examples/own-endpoint/Squares.ts"
import { Objects } from "../../../src/http/channels/agentapp/Objects.ts"
import * as Agent from "../../../src/layers/OwnAgents/Agent.ts"
import { hostWith, objectsOf, says, textsOf } from "../../support/agentapp.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import { png } from "../../support/pictures.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

layer(hostWith({ agents: [storyteller], tasks: [squares], settings: { agentapp: { agent: "Ada" } } }), {
  excludeTestServices: true
})(
  "AgentApp's clients",
  (it) => {
    const world = Effect.gen(function*() {
      const { call, watch } = yield* Host
      const { user } = yield* tenant()
      const process = (body: object, headers: Record<string, string> = {}) =>
        call("POST", "/process", { user, body, headers })
      return { call, process, user, watch }
    })

    it.scoped("are told of a response, its messages and their content, numbered from 0, each whole at its end", () =>
      Effect.gen(function*() {
        const { process } = yield* world
        const script = "think hm\nsay Hello there\ncall CurrentTime {}\nthen\nsay bye"
        const { headers, status, text } = yield* process(says(script, { id: "mine" }))
        assert.strictEqual(status, 200)
        assert.match(headers["content-type"]!, /^text\/event-stream/)
        const objects = objectsOf(text)
        assert.deepStrictEqual(objects.map(({ sequence_number }) => sequence_number), objects.map((_, i) => i))
        const [first, second] = objects
        assert.deepInclude(first, { object: "response", status: "created", id: "mine", output: null })
        assert.deepInclude(second, { object: "response", status: "in_progress" })
        const last = objects.at(-1)
        assert.deepInclude(last, { object: "response", status: "completed", id: "mine", error: null })
        assert.deepStrictEqual(
          last.output.map(({ role, type }: { role: string; type: string }) => `${type} ${role}`),
          [
            "reasoning assistant",
            "message assistant",
            "plugin_call assistant",
            "plugin_call_output tool",
            "message assistant"
          ]
        )
        const [, , called, result] = last.output
        assert.deepInclude(called.content[0].data, { name: "CurrentTime", arguments: "{}" })
        assert.strictEqual(result.content[0].data.call_id, called.content[0].data.call_id)
        assert.isAbove(last.usage.output_tokens, 0)
        assert.strictEqual(last.usage.total_tokens, last.usage.input_tokens + last.usage.output_tokens)
        // Each message is begun before its content, and told whole after it.
        for (const { id } of last.output) {
          const told = objects.filter((object) => object.id === id || object.msg_id === id)
          assert.deepStrictEqual(
            [told[0].status, told.at(-2).delta, told.at(-1).status],
            ["in_progress", false, "completed"]
          )
          assert.deepStrictEqual(told.at(-1), {
            ...last.output.find((one: { id: string }) => one.id === id),
            sequence_number: told.at(-1).sequence_number
          })
        }
        const { deltas, whole } = textsOf(text)
        assert.deepStrictEqual([deltas, whole], ["Hello therebye", "Hello therebye"])
      }))

    it.scoped("share a session by its keys, within the one who was authenticated, and are told its id where they named none", () =>
      Effect.gen(function*() {
        const { call, process, user } = yield* world
        const context = (more: object) =>
          Effect.map(process(says("context", more)), ({ text }) => JSON.parse(textsOf(text).whole).messages)
        assert.strictEqual(yield* context({ session_id: "s", user_id: "u" }), 1)
        assert.strictEqual(yield* context({ session_id: "s", user_id: "u" }), 3)
        assert.strictEqual(yield* context({ session_id: "s", user_id: "other" }), 1)
        assert.strictEqual(yield* context({ session_id: "s" }), 1)
        const other = yield* tenant()
        const theirs = yield* call("POST", "/process", {
          user: other.user,
          body: says("context", { session_id: "s", user_id: "u" })
        })
        assert.strictEqual(JSON.parse(textsOf(theirs.text).whole).messages, 1)
        const fresh = objectsOf((yield* process(says("say x"))).text).at(-1).session_id
        assert.strictEqual(yield* context({ session_id: fresh }), 3)
        assert.notStrictEqual(objectsOf((yield* process(says("say x"))).text).at(-1).session_id, fresh)
        // A key that tries to be another user's is none.
        assert.strictEqual((yield* process(says("context", { session_id: "u\ns" }))).status, 400)
        assert.strictEqual((yield* call("GET", "/sessions", { user })).json.total, 5)
      }))

    it.scoped("bring what was said before, and what the system says; files and pictures too", () =>
      Effect.gen(function*() {
        const { call, process, user } = yield* world
        const picture = png(300)
        const input = [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Hi" },
          { role: "assistant", type: "reasoning", content: "Somebody greets." },
          { role: "assistant", content: [{ type: "text", text: "Hello" }] },
          {
            role: "user",
            content: [
              { type: "text", text: "context" },
              { type: "image", image_url: `data:image/png;base64,${picture.toString("base64")}` },
              { type: "data", data: { a: 1 } }
            ]
          }
        ]
        const whole = yield* process({ input, session_id: "long", stream: false })
        assert.strictEqual(whole.status, 200)
        assert.strictEqual(whole.json.status, "completed")
        const { sessions } = (yield* call("GET", "/sessions", { user })).json
        const { messages } = (yield* call("GET", `/sessions/${sessions[0].id}/messages`, { user })).json
        assert.deepStrictEqual(messages.map(({ role }: { role: string }) => role), [
          "user",
          "assistant",
          "user",
          "assistant"
        ])
        assert.strictEqual(messages[2].content[1].source.media_type, "image/png")
      }))

    it.scoped("are refused a second run in a session, stop the first from anywhere, and are told what became of it", () =>
      Effect.gen(function*() {
        const { call, process, user, watch } = yield* world
        const keys = { session_id: "s", user_id: "u" }
        const stop = () => Effect.map(call("POST", "/stop", { user, body: { input: [], ...keys } }), ({ json }) => json)
        assert.deepInclude(yield* stop(), { status: "success", state: "IDLE" })
        const running = yield* watch("POST", "/process", {
          user,
          body: says("say before\nsleep 60000\nsay after", keys)
        })
        yield* running.until((text) => text.includes("before"))
        const second = yield* process(says("say x", keys))
        assert.deepInclude(second, { status: 409 })
        assert.deepStrictEqual(objectsOf(second.text), [
          { error: "Task u:s is already in RUNNING state.", code: "session_busy" }
        ])
        assert.strictEqual((yield* process(says("say x", { ...keys, stream: false }))).json.code, "session_busy")
        assert.deepInclude(yield* stop(), {
          status: "success",
          message: "Interrupt signal broadcasted.",
          state: "STOPPED"
        })
        const last = objectsOf(yield* running.ended).at(-1)
        assert.deepInclude(last, { object: "response", status: "canceled" })
        assert.strictEqual(last.output[0].content[0].text, "before")
        assert.deepInclude(yield* stop(), { state: "STOPPED" })
        yield* process(says("say x", keys))
        assert.deepInclude(yield* stop(), { state: "FINISHED" })
        yield* process(says("fail invalid_request no", keys))
        assert.deepInclude(yield* stop(), { state: "ERROR" })
        const unnamed = yield* call("POST", "/stop", { user, body: {} })
        assert.deepInclude(unnamed, { status: 422 })
      }))

    it.scoped("repeat a request with a key, and get the same stream, also of one that named no session", () =>
      Effect.gen(function*() {
        const { call, process, user } = yield* world
        const key = { "idempotency-key": "again" }
        const first = yield* process(says("say once"), key)
        assert.strictEqual((yield* process(says("say once"), key)).text, first.text)
        assert.deepInclude(yield* process(says("say twice"), key), { status: 422 })
        assert.strictEqual((yield* call("GET", "/process/task", { user })).json.total, 1)
      }))

    it.scoped("stop a run by leaving, lose nothing by it, and have the session at once", () =>
      Effect.gen(function*() {
        const { call, process, user, watch } = yield* world
        const running = yield* watch("POST", "/process", {
          user,
          body: says("say kept\nsleep 60000", { session_id: "s" })
        })
        const text = yield* running.until((text) => text.includes("kept"))
        running.leave()
        const { run_id } = objectsOf(text)[0]
        const task = Effect.map(call("GET", `/process/task/${run_id}`, { user }), ({ json }) => json)
        const ended = yield* eventually("the run has ended", task, ({ status }) => status === "error")
        assert.deepInclude(ended, { error: "The task was stopped." })
        assert.deepInclude(ended.result, { status: "canceled", session_id: "s" })
        assert.strictEqual(ended.result.output[0].content[0].text, "kept")
        const next = yield* process(says("context", { session_id: "s" }))
        assert.strictEqual(JSON.parse(textsOf(next.text).whole).messages, 3)
      }))

    it.scoped("are told of a run that fails by its response, in words of the protocol and never the cause", () =>
      Effect.gen(function*() {
        const { process } = yield* world
        const codes = [
          ["fail rate_limit secret", "RATE_LIMIT_EXCEEDED"],
          ["fail context_length secret", "MODEL_CONTEXT_LENGTH_EXCEEDED"],
          ["fail authentication secret", "MODEL_UNAUTHORIZED_ACCESS"],
          ["say so far\nfail cut secret", "MODEL_EXECUTION_FAILED"]
        ] as const
        for (const [script, code] of codes) {
          const last = objectsOf((yield* process(says(script))).text).at(-1)
          assert.deepInclude(last, { object: "response", status: "failed" }, script)
          assert.strictEqual(last.error.code, code)
        }
        const whole = yield* process(says("fail authentication secret", { stream: false }))
        assert.deepInclude(whole.json, { status: "failed" })
      }))

    it.scoped("start runs in the background, which wait for each other, and ask for them and their results by id", () =>
      Effect.gen(function*() {
        const { call, user } = yield* world
        const submit = (text: string, headers: Record<string, string> = {}) =>
          Effect.map(
            call("POST", "/process/task", { user, body: says(text, { session_id: "s", user_id: "u" }), headers }),
            ({ json }) => json
          )
        const first = yield* submit("sleep 300\nsay one")
        const second = yield* submit("say two")
        assert.deepInclude(first, { status: "submitted", queue: "stream_query" })
        const read = (id: string) => Effect.map(call("GET", `/process/task/${id}`, { user }), ({ json }) => json)
        assert.deepInclude(yield* read(first.task_id), { status: "running", result: null })
        assert.deepInclude(yield* read(second.task_id), { status: "pending", started_at: null, result: null })
        const done = yield* eventually("both are done", read(second.task_id), ({ status }) => status === "finished")
        assert.deepInclude(done.result, { object: "response", status: "completed", session_id: "s" })
        assert.strictEqual(done.result.output[0].content[0].text, "two")
        const listed = (yield* call("GET", "/process/task?limit=1", { user })).json
        assert.deepInclude(listed, { total: 2 })
        assert.strictEqual(listed.tasks[0].task_id, second.task_id)
        const key = { "idempotency-key": "k" }
        assert.deepStrictEqual(yield* submit("say once", key), yield* submit("say once", key))
        const nobodys = yield* call("GET", `/process/task/${"0".repeat(32)}`, { user })
        assert.deepInclude(nobodys, { status: 404 })
        const other = yield* tenant()
        const theirs = yield* call("GET", `/process/task/${first.task_id}`, { user: other.user })
        assert.deepInclude(theirs, { status: 404 })
        assert.strictEqual(theirs.json.error, `Task '${first.task_id}' not found.`)
      }))

    it.scoped("are refused what cannot be served, with a sentence", () =>
      Effect.gen(function*() {
        const { call, process, user } = yield* world
        yield* call("POST", "/agent", {
          user,
          body: { name: "Tooled", client_tools: [{ name: "x", description: "", input_schema: { type: "object" } }] }
        })
        for (
          const [body, status, why] of [
            [says("x", { tools: [{ type: "function" }] }), 422, /Tools of a client cannot run here/],
            [says("x", { n: 2 }), 422, /one answer/],
            [says("x", { model: "agent/Tooled" }), 422, /tools of its client/],
            [says("x", { model: "agent/Nobody" }), 404, /not found/],
            [{ input: [] }, 422, /last message to be the user's/],
            [{ input: [{ role: "user", content: " " }] }, 422, /not blank/],
            [{ input: [{ role: "assistant", content: "x" }] }, 422, /last message/],
            [{ input: [{ role: "user", type: "function_call_output", content: "x" }] }, 422, /no run .* waits/],
            [{ input: [{ role: "user", content: [{ type: "file", file_id: "f" }] }] }, 422, /file_data or file_url/],
            [{ input: [{ role: "user", content: [{ type: "image", image_url: "data:nothing" }] }] }, 422, /data: URL/]
          ] as const
        ) {
          const answer = yield* process(body)
          assert.strictEqual(answer.status, status, answer.text)
          assert.match(objectsOf(answer.text)[0].error, why)
        }
        const malformed = yield* call("POST", "/process", {
          user,
          text: "{",
          headers: { "content-type": "application/json" }
        })
        assert.deepInclude(malformed, { status: 400 })
        assert.isString(malformed.json.error)
        const wrong = yield* process({ input: "x" })
        assert.deepInclude(wrong.json, { code: "invalid" })
        assert.deepInclude(yield* call("POST", "/process", { body: says("x") }), { status: 401 })
        const welcome = yield* call("GET", "/")
        assert.strictEqual(welcome.json.endpoints.process, "/process")
        for (const path of ["/health", "/liveness", "/readiness"]) {
          assert.deepInclude(yield* call("GET", path, { user }), { status: 200 })
        }
      }))

    it.scoped("talk to an agent that is code as to any other, and warn of a model that it does not have", () =>
      Effect.gen(function*() {
        const { process } = yield* world
        const { headers, text } = yield* process(says("1 word", { model: "agent/storyteller", session_id: "s" }))
        assert.strictEqual(textsOf(text).whole, "Chapter 1, after 0 messages: word 1.")
        assert.notProperty(headers, "stoa-warnings")
        const other = yield* process(says("say x", { model: "qwen-max", temperature: 0.5 }))
        assert.include(other.headers["stoa-warnings"], "none of your agents")
        assert.include(other.headers["stoa-warnings"], "temperature")
      }))

    it.effect("find the documents of the protocol, and of the tasks that the program brings", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const own = yield* call("GET", "/docs/agentapp.json")
        assert.sameMembers(Object.keys(own.json.paths), [
          "/",
          "/process",
          "/stop",
          "/process/task",
          "/process/task/{task_id}"
        ])
        const tasks = yield* call("GET", "/docs/tasks.json")
        assert.sameMembers(Object.keys(tasks.json.paths), ["/squares", "/squares/{task_id}"])
        for (const { json } of [own, tasks]) yield* Effect.promise(() => SwaggerParser.validate(structuredClone(json)))
      }))

    it.effect("get the same bytes when a run is told again", () =>
      Effect.sync(() => {
        const at = "2026-01-01T00:00:00.000Z"
        const tell = () => {
          const objects = new Objects({ id: "r", session_id: "s", run_id: "1" })
          const base = { id: "e", created_at: at, reply_id: "m" }
          return ([
            { ...base, type: "REPLY_START", session_id: "s", run_id: "1", name: "a", role: "assistant" },
            { ...base, type: "TEXT_BLOCK_START", block_id: "b" },
            { ...base, type: "TEXT_BLOCK_DELTA", block_id: "b", delta: "x" },
            { ...base, type: "TEXT_BLOCK_END", block_id: "b" },
            { ...base, type: "REPLY_END", session_id: "s", run_id: "1", finished_reason: "completed", error: null },
            { ...base, type: "TEXT_BLOCK_START", block_id: "late" }
          ] as unknown as ReadonlyArray<Parameters<typeof objects.step>[0]>).map(objects.step).join("")
        }
        assert.strictEqual(tell(), tell())
        assert.deepStrictEqual(objectsOf(tell()).map(({ object, status }) => `${object} ${status}`), [
          "response created",
          "response in_progress",
          "message in_progress",
          "content in_progress",
          "content completed",
          "message completed",
          "response completed"
        ])
      }))
  }
)

const echo = Agent.make({
  name: "echo",
  run: ({ history, text }) => text === "how much was said?" ? String(history.length) : text
})

layer(hostWith({ agents: [echo], trusted: true }), { excludeTestServices: true })(
  "AgentApp's clients of a program with one agent, behind a proxy that is trusted",
  (it) => {
    it.effect("are answered by it, whatever their owner calls agents, and are who the proxy says", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { user } = yield* tenant()
        yield* call("POST", "/agent", { user, body: { name: "echo" } })
        const asked = { user, headers: { "x-agent-chat-isolation-key": "chat" } }
        const { json } = yield* call("POST", "/process", { ...asked, body: says("hi", { stream: false }) })
        assert.deepInclude(json, { status: "completed", session_id: "chat" })
        assert.strictEqual(json.output[0].content[0].text, "hi")
        const stopped = yield* call("POST", "/stop", { ...asked, body: {} })
        assert.deepInclude(stopped.json, { state: "FINISHED" })
        assert.deepInclude(yield* call("POST", "/stop", { user, body: {} }), { status: 422 })
        const as = (name: string, text: string) =>
          Effect.map(
            call("POST", "/process", {
              user,
              headers: { "x-agent-user-isolation-key": name },
              body: says(text, { stream: false, session_id: "s", user_id: "bob" })
            }),
            ({ json }) => json.output[0].content[0].text
          )
        assert.strictEqual(yield* as("alice", "I am Bob"), "I am Bob")
        assert.strictEqual(yield* as("bob", "how much was said?"), "0")
        assert.strictEqual(yield* as("bob", "how much was said?"), "2")
      }))
  }
)
