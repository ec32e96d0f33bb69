/** Agents elsewhere talk to agents here: A2A's own client over both transports. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  answering,
  clientOf,
  refusal,
  saying,
  stateOf,
  streamed,
  taskIn,
  textOf,
  transports
} from "../../support/a2a.ts"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const version = { "a2a-version": "1.0" }
const pay = [{ name: "pay", effect: "write", parameters: { type: "object", properties: {} } }]

interface Called {
  readonly arguments: { readonly sum: number }
}

const message = (text: string, more: object = {}) => ({ messageId: "m", role: "ROLE_USER", parts: [{ text }], ...more })

/** A tenant with the two ways to call by hand. */
const world = (agent: object = {}) =>
  Effect.gen(function*() {
    const { call, url } = yield* Host
    const ada = yield* tenant(agent)
    const rpc = (method: string, params: object, headers: Readonly<Record<string, string>> = version) =>
      call("POST", "/a2a", { user: ada.user, headers, body: { jsonrpc: "2.0", id: 7, method, params } })
    const rest = (method: string, path: string, body?: object, headers: Readonly<Record<string, string>> = version) =>
      call(method, `/a2a${path}`, { user: ada.user, headers, ...body !== undefined && { body } })
    return { ...ada, call, rpc, rest, url }
  })

layer(TestHost.layer(), { excludeTestServices: true })("A client of A2A", (it) => {
  for (const transport of transports) {
    it.effect(`sends, streams, reads, lists and follows up over ${transport}`, () =>
      Effect.gen(function*() {
        const { key, url } = yield* world()
        const client = yield* asked(() => clientOf(url, key, transport))
        const task = taskIn(yield* asked(() => client.sendMessage(saying("say Hello"))))
        assert.strictEqual(stateOf(task), "TASK_STATE_COMPLETED")
        assert.strictEqual(textOf(task), "Hello")
        assert.isNotEmpty(task.contextId)
        const again = yield* asked(() => client.getTask({ tenant: "", id: task.id }))
        assert.deepStrictEqual(again, task)

        const { kinds, states, task: second, text } = yield* asked(() =>
          streamed(client.sendMessageStream(saying("repeat 3 ab ", { contextId: task.contextId })))
        )
        assert.strictEqual(kinds[0], "task")
        assert.strictEqual(stateOf(second), "TASK_STATE_SUBMITTED")
        assert.strictEqual(second.contextId, task.contextId)
        assert.deepStrictEqual(states, ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"])
        assert.strictEqual(kinds.at(-1), "statusUpdate")
        const read = yield* asked(() => client.getTask({ tenant: "", id: second.id, historyLength: 1 }))
        assert.strictEqual(text, textOf(read))
        assert.lengthOf(read.history, 1)

        const listed = yield* asked(() =>
          client.listTasks({
            tenant: "",
            contextId: task.contextId,
            status: 0,
            pageToken: "",
            pageSize: 1,
            statusTimestampAfter: undefined
          })
        )
        assert.deepStrictEqual(listed.tasks.map(({ id }) => id), [second.id])
        assert.lengthOf(listed.tasks[0]!.artifacts, 0)
        const rest = yield* asked(() =>
          client.listTasks({
            tenant: "",
            contextId: task.contextId,
            status: 0,
            pageToken: listed.nextPageToken,
            pageSize: 5,
            includeArtifacts: true,
            statusTimestampAfter: undefined
          })
        )
        assert.deepStrictEqual(rest.tasks.map(({ id }) => id), [task.id])
        assert.strictEqual(textOf(rest.tasks[0]!), "Hello")
        assert.strictEqual(rest.nextPageToken, "")
      }))

    it.effect(`follows a task again and stops it over ${transport}`, () =>
      Effect.gen(function*() {
        const { key, url } = yield* world()
        const client = yield* asked(() => clientOf(url, key, transport))
        const task = taskIn(
          yield* asked(() => client.sendMessage(saying("say before\nsleep 60000", {}, { returnImmediately: true })))
        )
        assert.include(["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"], stateOf(task))
        const following = asked(() => streamed(client.resubscribeTask({ tenant: "", id: task.id })))
        const [followed, stopped] = yield* Effect.all([
          following,
          Effect.delay(asked(() => client.cancelTask({ tenant: "", id: task.id, metadata: undefined })), "300 millis")
        ], { concurrency: 2 })
        assert.strictEqual(stateOf(stopped), "TASK_STATE_CANCELED")
        assert.strictEqual(followed.states.at(-1), "TASK_STATE_CANCELED")
        for (
          const [name, ask] of [
            ["TaskNotCancelableError", () => client.cancelTask({ tenant: "", id: task.id, metadata: undefined })],
            ["UnsupportedOperationError", () => streamed(client.resubscribeTask({ tenant: "", id: task.id }))],
            ["UnsupportedOperationError", () => client.sendMessage(saying("say more", { taskId: task.id }))],
            ["TaskNotFoundError", () => client.getTask({ tenant: "", id: "nobodys" })],
            ["TaskNotFoundError", () => client.sendMessage(saying("say more", { taskId: "nobodys" }))]
          ] as const
        ) assert.include((yield* refusal(ask)).name, name)
      }))

    it.effect(`is asked for permissions and for its tools over ${transport}`, () =>
      Effect.gen(function*() {
        const { key, url } = yield* world({ client_tools: pay })
        const client = yield* asked(() => clientOf(url, key, transport))
        const script = "say Wait.\ncall pay {\"sum\":1}\nthen\nresults"
        const task = taskIn(yield* asked(() => client.sendMessage(saying(script))))
        assert.strictEqual(stateOf(task), "TASK_STATE_INPUT_REQUIRED")
        const data = task.status?.message?.parts.find(({ content }) => content?.$case === "data")?.content?.value
        assert.deepInclude(data, { type: "approval" })
        assert.deepInclude(data.calls[0], { name: "pay", arguments: { sum: 1 } })
        const vague = yield* refusal(() => client.sendMessage(saying("perhaps", { taskId: task.id })))
        assert.include(vague.message, "approve")
        const elsewhere = yield* refusal(() =>
          client.sendMessage(saying("approve", { taskId: task.id, contextId: "another" }))
        )
        assert.include(elsewhere.message, "context")
        const second = yield* refusal(() => client.sendMessage(saying("say x", { contextId: task.contextId })))
        assert.include(second.name, "UnsupportedOperationError")
        const approved = taskIn(
          yield* asked(() =>
            client.sendMessage(answering(task, { approvals: [{ id: data.calls[0].id, approved: true }] }))
          )
        )
        assert.strictEqual(approved.id, task.id)
        assert.strictEqual(stateOf(approved), "TASK_STATE_INPUT_REQUIRED")
        const end = yield* asked(() => streamed(client.sendMessageStream(saying("paid", { taskId: task.id }))))
        assert.deepStrictEqual(end.states, ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"])
        assert.match(end.text, /^Wait\.\n\n.*paid/)
        assert.strictEqual(textOf(yield* asked(() => client.getTask({ tenant: "", id: task.id }))), end.text)
      }))
  }

  it.effect("is asked in a stream about all calls that wait, and about those alone", () =>
    Effect.gen(function*() {
      const { rest } = yield* world({ client_tools: pay })
      const streaming = (sent: object) =>
        Effect.map(rest("POST", "/message:stream", { message: sent }), ({ text }) => {
          const frames = text.split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
            JSON.parse(line.slice("data: ".length))
          )
          const { status, taskId } = frames.at(-1).statusUpdate
          const { calls = [], type } = status.message?.parts[1].data ?? {}
          return { taskId, state: status.state, type, sums: calls.map((one: Called) => one.arguments.sum), calls }
        })
      const asked = yield* streaming(message("call pay {\"sum\":1}\ncall pay {\"sum\":2}\nthen\nresults"))
      assert.deepStrictEqual([asked.type, asked.sums], ["approval", [1, 2]])
      const { calls: [first, second], taskId } = asked
      const answer = (data: object) => streaming({ ...message(""), taskId, parts: [{ data }] })
      const half = yield* answer({ approvals: [{ id: first.id, approved: true }] })
      assert.deepStrictEqual([half.type, half.sums], ["tool_results", [1]])
      const paid = yield* answer({ results: [{ id: first.id, output: "paid" }] })
      assert.deepStrictEqual([paid.type, paid.sums], ["approval", [2]])
      const denied = yield* answer({ approvals: [{ id: second.id, approved: false }] })
      assert.strictEqual(denied.state, "TASK_STATE_COMPLETED")
    }))

  it.effect("has its card, and one for each agent, with addresses that work", () =>
    Effect.gen(function*() {
      const { agent_id, call, key, rest, url, user } = yield* world({ name: "Friday", description: "Helps" })
      yield* call("POST", "/agent", { user, body: { name: "Hidden", channels: "none" } })
      const open = yield* call("GET", "/.well-known/agent-card.json", {})
      assert.strictEqual(open.status, 200, open.text)
      assert.notInclude(open.text, "Friday")
      assert.isNotEmpty(open.headers.etag)
      assert.deepInclude(open.json.capabilities, { streaming: true, extendedAgentCard: true })
      const same = yield* call("GET", "/.well-known/agent-card.json", {
        headers: { "if-none-match": open.headers.etag! }
      })
      assert.strictEqual(same.status, 304)
      const extended = yield* rest("GET", "/extendedAgentCard")
      assert.deepStrictEqual(
        extended.json.skills.map(({ description, id }: { description: string; id: string }) => [id, description]),
        [[agent_id, "Helps"]]
      )
      for (const transport of transports) {
        const client = yield* asked(() => clientOf(`${url}/a2a/agents/${agent_id}/`, key, transport))
        const task = taskIn(yield* asked(() => client.sendMessage(saying("say Here"))))
        assert.strictEqual(textOf(task), "Here")
        const whole = yield* asked(() => client.getAgentCard())
        assert.strictEqual(whole.name, "Friday")
      }
      const card = yield* call("GET", `/a2a/agents/${agent_id}/.well-known/agent-card.json`, { user })
      assert.deepInclude(card.json, { name: "Friday", description: "Helps" })
      const address = card.json.supportedInterfaces[0].url
      assert.strictEqual(address, `${url}/a2a/agents/${agent_id}`)
      const sent = yield* call("POST", new URL(address).pathname, {
        user,
        headers: version,
        body: { jsonrpc: "2.0", id: "a", method: "SendMessage", params: { message: message("say Hi") } }
      })
      assert.strictEqual(sent.json.result.task.artifacts[0].parts[0].text, "Hi", sent.text)
    }))

  it.effect("hears in both transports' own errors what is wrong with a request", () =>
    Effect.gen(function*() {
      const { call, rest, rpc, user } = yield* world()
      const task = (yield* rpc("SendMessage", { message: message("say x") })).json.result.task
      const calls: ReadonlyArray<readonly [number, object, Readonly<Record<string, string>>?, string?]> = [
        [-32009, {}, {}, "GetTask"],
        [-32009, {}, { "a2a-version": "0.3" }, "SendMessage"],
        [-32601, {}, version, "message/send"],
        [-32602, {}, version, "GetTask"],
        [-32602, { message: message("x", { role: "ROLE_AGENT" }) }],
        [-32602, { message: message("  ") }],
        [-32602, { message: message("x", { parts: [] }) }],
        [-32602, { message: message("x", { contextId: "\u0007" }) }],
        [-32602, { message: message("approve", { taskId: task.id, contextId: "other" }) }],
        [-32004, { message: message("x", { taskId: task.id }) }],
        [-32005, { message: message("x", { parts: [{ raw: "AAAA" }] }) }],
        [-32005, { message: message("x", { parts: [{ text: "x", mediaType: "image/png" }] }) }],
        [-32005, { message: message("x"), configuration: { acceptedOutputModes: ["video/mp4"] } }],
        [-32602, { message: message("x"), metadata: { agent: "nobody" } }]
      ]
      for (const [code, params, headers = version, method = "SendMessage"] of calls) {
        const { json, status, text } = yield* rpc(method, params, headers)
        assert.strictEqual(status, 200, text)
        assert.deepInclude(json, { jsonrpc: "2.0", id: 7 })
        assert.strictEqual(json.error.code, code, text)
        assert.strictEqual(json.error.data[0].domain, "a2a-protocol.org")
        if (method !== "SendMessage") continue
        const said = yield* rest("POST", "/message:send", params, headers)
        assert.isTrue(said.status >= 400 && said.status < 500, said.text)
        assert.strictEqual(said.json.error.code, said.status)
        assert.isString(said.json.error.status)
      }
      const broken = yield* call("POST", "/a2a", {
        user,
        headers: { ...version, "content-type": "application/json" },
        text: "{"
      })
      assert.strictEqual(broken.json?.error.code, -32700, broken.text)
      const batch = yield* call("POST", "/a2a", { user, headers: version, body: [{ jsonrpc: "2.0" }] })
      assert.strictEqual(batch.json.error.code, -32600, batch.text)
      const none = yield* call("POST", "/a2a", { user, headers: version, body: { method: "GetTask" } })
      assert.deepInclude(none.json, { id: null })
      assert.strictEqual(none.json.error.code, -32600)
      const xml = yield* call("POST", "/a2a/message:send", {
        user,
        headers: { ...version, "content-type": "text/xml" },
        text: "<a/>"
      })
      assert.strictEqual(xml.json.error.details[0].reason, "CONTENT_TYPE_NOT_SUPPORTED", xml.text)
      const own = yield* call("POST", "/a2a/message:send", {
        user,
        headers: { ...version, "content-type": "application/a2a+json" },
        text: JSON.stringify({ message: message("say ok") })
      })
      assert.strictEqual(own.json.task.status.state, "TASK_STATE_COMPLETED", own.text)
      assert.strictEqual((yield* call("POST", "/a2a", { body: {}, headers: version })).status, 401)
    }))

  it.effect("finds no task of others, nor runs that came another way", () =>
    Effect.gen(function*() {
      const { rpc, user, call } = yield* world()
      const bob = yield* world()
      const { task } = (yield* rpc("SendMessage", { message: message("say mine") })).json.result
      for (const method of ["GetTask", "CancelTask", "SubscribeToTask"]) {
        assert.strictEqual((yield* bob.rpc(method, { id: task.id })).json.error.code, -32001)
      }
      const stolen = yield* bob.rpc("SendMessage", { message: message("x", { taskId: task.id }) })
      assert.strictEqual(stolen.json.error.code, -32001)
      // The same name of a conversation is another conversation of another owner.
      const theirs = yield* bob.rpc("SendMessage", { message: message("context", { contextId: task.contextId }) })
      assert.notInclude(theirs.text, "mine")
      const completion = yield* call("POST", "/v1/chat/completions", {
        user,
        body: { model: "agent/Ada", messages: [{ role: "user", content: "say x" }] }
      })
      assert.strictEqual(completion.status, 200)
      const { runs } = (yield* call("GET", "/runs", { user })).json
      const foreign = runs.find(({ source_id }: { source_id: string }) => source_id !== "a2a")
      assert.strictEqual((yield* rpc("GetTask", { id: foreign.id })).json.error.code, -32001)
      assert.deepStrictEqual((yield* rpc("ListTasks", {})).json.result.tasks.map(({ id }: { id: string }) => id), [
        task.id
      ])
    }))

  it.effect("gets one task for a message that comes twice with one key, and a failed one as a task", () =>
    Effect.gen(function*() {
      const { rpc } = yield* world()
      const headers = { ...version, "idempotency-key": "once" }
      const first = yield* rpc("SendMessage", { message: message("say x") }, headers)
      const second = yield* rpc("SendMessage", { message: message("say x") }, headers)
      assert.strictEqual(second.json.result.task.id, first.json.result.task.id, second.text)
      const failed = yield* rpc("SendMessage", { message: message("say a\nfail invalid_request") })
      assert.strictEqual(failed.json.result.task.status.state, "TASK_STATE_FAILED", failed.text)
      assert.isNotEmpty(failed.json.result.task.status.message.parts[0].text)
    }))

  it.effect("gets lists in pages that are not too large", () =>
    Effect.gen(function*() {
      const { rest } = yield* world()
      const long = "x".repeat(250_000)
      const many = 20
      for (let i = 0; i < many; i++) {
        const { status } = yield* rest("POST", "/message:send", {
          message: message(`say ${long}`, { messageId: `m${i}` })
        })
        assert.strictEqual(status, 200)
      }
      const seen: Array<string> = []
      let token = ""
      do {
        const { json, text } = yield* rest("GET", `/tasks?pageSize=100&includeArtifacts=true&pageToken=${token}`)
        assert.isBelow(text.length, 4.5 * 1024 * 1024)
        assert.isNotEmpty(json.tasks)
        for (const task of json.tasks) {
          assert.strictEqual(task.artifacts[0].parts[0].text, long)
          seen.push(task.id)
        }
        token = json.nextPageToken
      } while (token !== "")
      assert.strictEqual(new Set(seen).size, many)
      assert.lengthOf(seen, many)
    }))
})

const wellKnown = "/.well-known/agent-card.json"

const addressesOf = (card: { readonly supportedInterfaces: ReadonlyArray<{ readonly url: string }> }) =>
  new Set(card.supportedInterfaces.map(({ url }) => url))

layer(TestHost.layer(), { excludeTestServices: true })("A card", (it) => {
  it.effect("says by which address it was found, and believes no header about it", () =>
    Effect.gen(function*() {
      const { call, url } = yield* Host
      const headers = {
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil.example",
        forwarded: "host=evil.example"
      }
      const { json } = yield* call("GET", wellKnown, { headers })
      assert.deepStrictEqual(addressesOf(json), new Set([`${url}/a2a`]))
    }))
})

layer(TestHost.layer({ publicUrl: "https://stoa.example.com/agents" }), { excludeTestServices: true })(
  "A card of a server whose operator has named its address",
  (it) => {
    it.effect("says that one", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { user } = yield* tenant()
        for (const place of [wellKnown, `/a2a/agents/Ada${wellKnown}`]) {
          const { json } = yield* call("GET", place, { user })
          const [address = ""] = addressesOf(json)
          assert.isTrue(address.startsWith("https://stoa.example.com/agents/a2a"), address)
        }
        const { json } = yield* call("GET", "/mcp/authorize/client.json")
        assert.strictEqual(json.client_id, "https://stoa.example.com/agents/mcp/authorize/client.json")
      }))
  }
)
