/** Clients of the Open Agent API: their agents, runs with and without a stream, and tools that they run themselves. */
import SwaggerParser from "@apidevtools/swagger-parser"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Either, type Scope } from "effect"
import OpenAI from "openai"
import { Unauthenticated } from "../../../src/domain/Errors.ts"
import { RunId, type UserId } from "../../../src/domain/Ids.ts"
import { all } from "../../../src/http/channels/All.ts"
import * as Follow from "../../../src/http/channels/Follow.ts"
import * as Mounts from "../../../src/http/channels/Mounts.ts"
import * as Cost from "../../../src/http/channels/openagent/Cost.ts"
import { Run } from "../../../src/http/channels/openagent/Encode.ts"
import * as Server from "../../../src/http/Server.ts"
import { Sse } from "../../../src/http/Sse.ts"
import { Ledger } from "../../../src/services/Ledger.ts"
import type { Sink } from "../../../src/services/Rooms.ts"
import { SessionHub } from "../../../src/services/SessionHub.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { agentOf, freshId, freshOwner, sessionOf } from "../../support/fixtures.ts"
import { eventually } from "../../support/live.ts"
import { answerOf, errorOf, eventsOf, recordOf } from "../../support/openagent.ts"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const base = "/open-agent/v1"
const everything = { limit: 100, cursor: undefined }
const sse = { accept: "text/event-stream" }

const weather = { name: "weather", description: "Tells the weather", parameters: { type: "object", properties: {} } }
const toolkit = { name: "outside", instructions: "Ask it before you go out.", functions: [weather] }

const say = (content: unknown) => [{ role: "user", content }]
const names = (stream: string) => eventsOf(stream).map(({ event }) => event)

/** A tenant with an agent that this protocol has made. */
const client = (more: object = {}) =>
  Effect.gen(function*() {
    const { call, watch } = yield* Host
    const { key, user } = yield* tenant()
    const authorization = { "x-api-key": key }
    const ask = (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
      call(method, `${base}${path}`, { headers: { ...authorization, ...headers }, ...body !== undefined && { body } })
    const body = { name: "Friday", model: "Demo/demo-script", ...more }
    const made = yield* ask("POST", "/agents", body)
    assert.strictEqual(made.status, 201, made.text)
    const agent = recordOf(made.json)
    const run = (
      messages: ReadonlyArray<unknown>,
      given: object = {},
      headers: Readonly<Record<string, string>> = {}
    ) => ask("POST", `/agents/${agent.id}/run`, { messages, ...given }, headers)
    const stream = (messages: ReadonlyArray<unknown>, given: object = {}) =>
      watch("POST", `${base}/agents/${agent.id}/run`, {
        headers: { ...authorization, ...sse },
        body: { messages, ...given }
      })
    return { agent, ask, run, stream, user, key }
  })

const costIn = (user: UserId, run: string) =>
  Effect.gen(function*() {
    const { calls } = yield* Ledger
    const entries = yield* calls(user, run as RunId, 100)
    return {
      input_tokens: entries.reduce((sum, entry) => sum + entry.input_tokens, 0),
      output_tokens: entries.reduce((sum, entry) => sum + entry.output_tokens, 0),
      microdollars: Math.round(entries.reduce((sum, entry) => sum + (entry.cost ?? 0), 0) * 1e6),
      unpriced_calls: entries.filter(({ cost }) => cost === null).length
    }
  })

layer(TestHost.layer(), { excludeTestServices: true })("A client of the Open Agent API", (it) => {
  it.effect("makes, reads, changes and deletes agents, which are agents everywhere", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const given = { description: "Helps", instructions: "Be kind.", tools: [toolkit] }
      const { agent, ask, user } = yield* client(given)
      assert.deepInclude(agent, { name: "Friday", model: "Demo/demo-script", description: "Helps" })
      assert.deepStrictEqual(agent.tools, [{ ...toolkit, functions: [{ ...weather, strict: false }] }])
      const native = (yield* call("GET", `/agent/${agent.id}`, { user })).json
      assert.deepInclude(native.data, { system_prompt: "Be kind.", description: "Helps" })
      assert.strictEqual(native.data.client_tools[0].name, "weather")
      assert.deepStrictEqual(recordOf((yield* ask("GET", `/agents/${agent.id}`)).json), agent)
      assert.deepStrictEqual((yield* ask("GET", "/agents/Friday")).json.id, agent.id)
      const { agents } = (yield* ask("GET", "/agents")).json
      assert.deepStrictEqual(agents.map(({ name }: { name: string }) => name), ["Ada", "Friday"])
      // What was read can be sent back, and changes nothing.
      const same = yield* ask("PUT", `/agents/${agent.id}`, agent)
      assert.deepStrictEqual(recordOf(same.json), agent)
      const other = recordOf((yield* ask("PUT", `/agents/${agent.id}`, { instructions: "Be brief.", tools: [] })).json)
      assert.deepStrictEqual(other, { ...agent, instructions: "Be brief.", tools: [] })
      // Tools that another protocol has given are seen as well.
      yield* call("PATCH", `/agent/${agent.id}`, { user, body: { client_tools: [weather] } })
      const [shown] = recordOf((yield* ask("GET", `/agents/${agent.id}`)).json).tools
      assert.deepInclude(shown, { name: "tools", instructions: "" })
      assert.strictEqual((yield* ask("DELETE", `/agents/${agent.id}`)).status, 200)
      const gone = yield* ask("GET", `/agents/${agent.id}`)
      assert.deepStrictEqual([gone.status, errorOf(gone.json).code], [404, "not_found"])
    }))

  it.effect("names models by their whole name, or by their own where one credential has it, and never another's", () =>
    Effect.gen(function*() {
      const { ask, user } = yield* client()
      const { call } = yield* Host
      const bare = yield* ask("POST", "/agents", { id: "search", model: "demo-chat", unknown: 1 })
      const made = recordOf(bare.json)
      assert.deepInclude(made, { name: "search", model: "Demo/demo-chat" })
      assert.match(made.warnings![0]!, /'unknown'/)
      for (const model of ["no-such", "agent/Friday", `${"0".repeat(32)}/demo-chat`]) {
        const refused = yield* ask("POST", "/agents", { name: "x", model })
        assert.deepStrictEqual([refused.status, errorOf(refused.json).loc], [400, ["body", "model"]], model)
      }
      yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential", name: "Second" } } })
      const either = yield* ask("POST", "/agents", { name: "x", model: "demo-chat" })
      assert.deepInclude(either.json, { code: "model_ambiguous" })
      // Without a model of its own an agent takes that of the request.
      const { id } = recordOf((yield* ask("POST", "/agents", { name: "Nobody" })).json)
      const without = yield* ask("POST", `/agents/${id}/run`, { messages: say("say x") })
      assert.deepStrictEqual([without.status, without.json.code], [400, "model_not_configured"])
      const withOne = yield* ask("POST", `/agents/${id}/chat`, { model: "Demo/demo-script", messages: say("say x") })
      assert.strictEqual(answerOf(withOne.json).message.content, "x")
    }))

  it.effect("makes an agent once for a key", () =>
    Effect.gen(function*() {
      const { ask } = yield* client()
      const headers = { "idempotency-key": "one" }
      const made = yield* Effect.all(
        Array.from({ length: 4 }, () => ask("POST", "/agents", { name: "Once" }, headers)),
        { concurrency: 4 }
      )
      assert.strictEqual(new Set(made.map(({ json }) => json.id)).size, 1)
      assert.strictEqual((yield* ask("POST", "/agents", { name: "Other" }, headers)).status, 400)
    }))

  it.effect("gets the whole answer by default, with the cost that the ledger has", () =>
    Effect.gen(function*() {
      const { agent, ask, run, user } = yield* client()
      const environment = { working_directory: "/home/ada", platform: "linux" }
      const answer = answerOf((yield* run(say("think Hm\nsay Good morning"), { id: "simple", environment })).json)
      assert.deepInclude(answer, { finish_reason: "stop", agent_id: agent.id, model: "Demo/demo-script" })
      assert.deepInclude(answer.message, { role: "assistant", content: "Good morning", reasoning_content: "Hm" })
      assert.deepStrictEqual(answer.messages, [answer.message])
      assert.deepStrictEqual(answer.cost, yield* costIn(user, answer.run_id))
      assert.isAbove(answer.cost.output_tokens, 0)
      assert.deepInclude(answer.usage, {
        prompt_tokens: answer.cost.input_tokens,
        completion_tokens: answer.cost.output_tokens
      })
      // The client holds the history.
      const messages = [...say("say one"), answer.message, ...say([{ type: "text", text: "context" }])]
      const seen = answerOf((yield* run(messages)).json)
      assert.strictEqual(JSON.parse(seen.message.content).messages, 3)
      const named = yield* ask("POST", `/agents/${agent.id}/chat`, { messages: say("say x"), model: "claude-3-7" })
      assert.match(answerOf(named.json).warnings![0]!, /own model/)
    }))

  it.effect("follows a run by its events, each with both names, and the same run gives the same bytes", () =>
    Effect.gen(function*() {
      const { run, user } = yield* client()
      const script = say("think Hm\nsay one two\ncall CurrentTime {}\nthen\nsay three")
      const headers = { ...sse, "idempotency-key": "k" }
      const first = yield* run(script, {}, headers)
      assert.match(first.headers["content-type"]!, /text\/event-stream/)
      const events = eventsOf(first.text)
      assert.deepStrictEqual(names(first.text).filter((name) => name !== "RunResponse"), [
        "RunStarted",
        "ToolCallStarted",
        "ToolCallCompleted",
        "CostSummary",
        "RunCompleted"
      ])
      assert.strictEqual(new Set(events.map(({ run_id }) => run_id)).size, 1)
      const said = events.flatMap((event) => event.event === "RunResponse" ? [event.content] : []).join("")
      const last = events.at(-1)!
      assert.deepInclude(last, { status: "succeeded", finish_reason: "stop", content: said })
      assert.strictEqual(said, "one two\n\nthree")
      const summary = events.find((event) => event.event === "CostSummary")!
      assert.deepStrictEqual(summary.cost, yield* costIn(user, summary.run_id))
      const tool = events.find((event) => event.event === "ToolCallCompleted")!.tools[0]!
      assert.deepInclude(tool, { tool_name: "CurrentTime", tool_call_error: false })
      const again = yield* run(script, {}, headers)
      assert.strictEqual(again.text, first.text)
      const byBody = yield* run(script, { stream: true }, { "idempotency-key": "k" })
      assert.strictEqual(byBody.text, first.text)
      const whole = answerOf((yield* run(script, { stream: false }, headers)).json)
      assert.strictEqual(whole.message.content, said)
    }))

  for (const kind of ["an answer", "a stream"]) {
    it.effect(`runs its own tools, several at once, from ${kind}, and the run goes on with their results`, () =>
      Effect.gen(function*() {
        const { run, user } = yield* client({ tools: [toolkit] })
        const streams = kind === "a stream"
        const question = say("call weather {\"city\":\"Kiel\"}\ncall clock {}\nthen\nresults\nsay done")
        const tools = [{ name: "clock", description: "", parameters: { type: "object" } }]
        const halted = yield* run(question, { tools }, { ...(streams ? sse : {}), "idempotency-key": "h" })
        const message = streams
          ? eventsOf(halted.text).flatMap((event) => event.event === "ToolCallStarted" ? event.messages ?? [] : [])[0]!
          : answerOf(halted.json).message
        if (streams) {
          assert.deepStrictEqual(names(halted.text), [
            "RunStarted",
            "ToolCallStarted",
            "ToolRequest",
            "ToolRequest",
            "CostSummary"
          ])
          const requests = eventsOf(halted.text).filter((event) => event.event === "ToolRequest")
          assert.deepStrictEqual(requests.map(({ input, tool }) => ({ input, tool })), [
            { tool: "weather", input: { city: "Kiel" } },
            { tool: "clock", input: {} }
          ])
          assert.deepStrictEqual(
            requests.map(({ tool_call_id }) => tool_call_id),
            message.tool_calls!.map(({ id }) => id)
          )
        } else assert.strictEqual(answerOf(halted.json).finish_reason, "tool_request")
        const results = message.tool_calls!.map(({ id }, i) => ({
          role: "tool",
          tool_call_id: id,
          content: [{ type: "text", text: `result ${i}` }],
          tool_call_error: i === 1
        }))
        const request = [...question, message, ...results]
        const resumed = yield* run(request, { tools }, streams ? sse : {})
        const { runs } = yield* Storage
        const { items } = yield* Effect.orDie(runs.list(user, everything))
        assert.deepStrictEqual(items.map(({ status }) => status), ["ended"])
        if (streams) assert.deepStrictEqual(names(resumed.text).slice(0, 2), ["RunStarted", "ToolCallCompleted"])
        const done = streams ? eventsOf(resumed.text).at(-1)! : answerOf(resumed.json)
        assert.strictEqual(done.run_id, items[0]!.id)
        if (streams) {
          assert.deepInclude(done, { event: "RunCompleted", status: "succeeded" })
          const completed = eventsOf(resumed.text).find((event) => event.event === "ToolCallCompleted")!
          assert.deepStrictEqual(
            completed.tools.map(({ content, tool_args, tool_call_error }) => ({ content, tool_args, tool_call_error })),
            [
              { content: "result 0", tool_args: { city: "Kiel" }, tool_call_error: false },
              { content: "result 1", tool_args: {}, tool_call_error: true }
            ]
          )
        } else assert.include(answerOf(resumed.json).message.content, "result 0")
        // The whole run is what it costs, from its beginning on.
        const cost = streams
          ? eventsOf(resumed.text).find((event) => event.event === "CostSummary")!.cost
          : answerOf(resumed.json).cost
        assert.deepStrictEqual(cost, yield* costIn(user, items[0]!.id))
        const ofHalt = yield* run(question, { tools }, { ...(streams ? sse : {}), "idempotency-key": "h" })
        assert.strictEqual(ofHalt.text, halted.text)
        // What was answered once is not waited for any more.
        const twice = yield* run(request, { tools })
        assert.deepStrictEqual([twice.status, errorOf(twice.json).code], [400, "not_waiting"])
        assert.strictEqual((yield* Effect.orDie(runs.list(user, everything))).items.length, 1)
      }))
  }

  it.effect("is refused results that nobody waits for, and loses nothing by that", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { ask, agent, run, user } = yield* client({ tools: [toolkit] })
      const question = say("call weather {}\ncall weather {\"n\":2}\nthen\nresults")
      const { message } = answerOf((yield* run(question)).json)
      const [first, second] = message.tool_calls!.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "x" }))
      const wrong = `${message.tool_calls![0]!.id.slice(0, -1)}_`
      const foreign = `${"0".repeat(32)}.call_1`
      const renamed = (id: string) => ({
        ...message,
        tool_calls: [{ ...message.tool_calls![0]!, id }, message.tool_calls![1]!]
      })
      const attempts: ReadonlyArray<readonly [string, ReadonlyArray<unknown>]> = [
        ["an unknown id", [...question, message, { ...first, tool_call_id: wrong }, second]],
        ["an unknown id in the call too", [...question, renamed(wrong), { ...first, tool_call_id: wrong }, second]],
        ["an id of another session", [...question, renamed(foreign), { ...first, tool_call_id: foreign }, second]],
        ["one of two", [...question, message, first]],
        ["the same twice", [...question, message, first, first, second]],
        ["no call before it", [...question, first, second]],
        ["a result alone", [first]]
      ]
      for (const [what, messages] of attempts) {
        const { json, status } = yield* run(messages)
        assert.strictEqual(status, 400, what)
        assert.isAbove(errorOf(json).msg.length, 10)
      }
      const other = recordOf((yield* ask("POST", "/agents", { name: "Other", model: "Demo/demo-script" })).json)
      const results = [...question, message, first, second]
      assert.strictEqual((yield* ask("POST", `/agents/${other.id}/run`, { messages: results })).status, 400)
      const stranger = yield* client({ tools: [toolkit] })
      assert.strictEqual((yield* stranger.run(results)).status, 400)
      // Nothing was begun for any of them.
      assert.strictEqual((yield* call("GET", "/sessions", { user })).json.total, 1)
      // At once, it is taken once; with a key everybody gets the one answer.
      const headers = { "idempotency-key": "resume" }
      const answers = yield* Effect.all([run(results, {}, headers), run(results, {}, headers)], { concurrency: 2 })
      assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200])
      assert.deepStrictEqual(answers[0]!.json, answers[1]!.json)
      const { runs } = yield* Storage
      const { items } = yield* Effect.orDie(runs.list(user, everything))
      assert.deepStrictEqual(items.map(({ status }) => status), ["ended"])
      assert.strictEqual(agent.id, items[0]!.agent_id)
    }))

  it.effect("tells the model what its toolkits are for, and where its own tools run", () =>
    Effect.gen(function*() {
      const { run, user } = yield* client({ tools: [toolkit] })
      const { runs } = yield* Storage
      const environment = { working_directory: "/home/ada", platform: "linux" }
      const clock = {
        name: "clocks",
        instructions: "Never trust them.",
        functions: [{ name: "clock", strict: true }]
      }
      const { warnings } = answerOf(
        (yield* run([{ role: "system", content: "Be quick." }, ...say("say x")], {
          environment,
          tools: [clock, toolkit]
        })).json
      )
      assert.match(warnings![0]!, /^strict has no effect/)
      const { items: [only] } = yield* Effect.orDie(runs.list(user, everything))
      for (const said of ["Ask it before you go out.", "Never trust them.", "/home/ada", "linux", "Be quick."]) {
        assert.include(only!.instructions, said)
      }
      assert.deepStrictEqual(only!.tools.map(({ name }) => name), ["clock"])
    }))

  it.effect("is never asked for a permission: the run is stopped with a sentence, and nothing is allowed", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { agent, run, user } = yield* client({ tools: [toolkit] })
      yield* call("PATCH", `/agent/${agent.id}`, {
        user,
        body: { client_tools: [{ ...weather, effect: "write" }] }
      })
      const whole = yield* run(say("call weather {}\nthen\nsay done"))
      assert.deepStrictEqual([whole.status, errorOf(whole.json).code], [409, "approval_required"])
      const streamed = yield* run(say("call weather {}\nthen\nsay done"), {}, sse)
      const [summary, last] = eventsOf(streamed.text).slice(-2)
      assert.strictEqual(summary!.event, "CostSummary")
      assert.deepInclude(last, { event: "RunCompleted", status: "failed" })
      assert.notInclude(streamed.text, "done\"")
      const { runs } = yield* Storage
      yield* eventually(
        "both are stopped",
        Effect.orDie(runs.list(user, everything)),
        ({ items }) => items.length === 2 && items.every(({ finished_reason }) => finished_reason === "interrupted")
      )
    }))

  it.effect("that leaves stops its run, unless it has a key to come back with", () =>
    Effect.gen(function*() {
      const { agent, key, user } = yield* client()
      const { url } = yield* Host
      const { runs } = yield* Storage
      const newest = Effect.map(Effect.orDie(runs.list(user, everything)), ({ items }) => items.at(-1))
      for (const [accept, idempotencyKey] of [[sse.accept], ["application/json"], [sse.accept, "k"]] as const) {
        const leaving = new AbortController()
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", accept }
        void fetch(`${url}${base}/agents/${agent.id}/chat`, {
          method: "POST",
          headers: { ...headers, ...idempotencyKey !== undefined && { "idempotency-key": idempotencyKey } },
          body: JSON.stringify({ messages: say("say begun\nsleep 600\nsay ended") }),
          signal: leaving.signal
        }).then((response) => response.text()).catch(() => {})
        yield* eventually("it runs", newest, (run) => run?.status === "running")
        leaving.abort()
        const ended = yield* eventually("it has ended", newest, (run) => run?.status === "ended")
        assert.strictEqual(ended!.finished_reason, idempotencyKey === undefined ? "interrupted" : "completed")
      }
    }))

  it.effect("reads of a failure what its schema knows, in an answer and at the end of a stream", () =>
    Effect.gen(function*() {
      const { run, user } = yield* client()
      const whole = yield* run(say("fail rate_limit"))
      assert.isAbove(whole.status, 399)
      assert.isAbove(errorOf(whole.json).msg.length, 5)
      const streamed = yield* run(say("say half\nfail rate_limit"), {}, sse)
      const events = eventsOf(streamed.text)
      assert.deepInclude(events.at(-1), { event: "RunCompleted", status: "failed", content: "half" })
      const summary = events.find((event) => event.event === "CostSummary")!
      assert.deepStrictEqual(summary.cost, yield* costIn(user, summary.run_id))
    }))

  it.effect("keeps a conversation under a key of its own, if it wants to", () =>
    Effect.gen(function*() {
      const { run } = yield* client()
      const headers = { "x-session-id": "mine" }
      const first = answerOf((yield* run(say("say one"), {}, headers)).json)
      const second = answerOf((yield* run(say("context"), {}, headers)).json)
      assert.strictEqual(first.session_id, second.session_id)
      assert.strictEqual(JSON.parse(second.message.content).messages, 3)
    }))

  it.effect("is refused what cannot be read, with the place", () =>
    Effect.gen(function*() {
      const { agent, ask, run } = yield* client({ tools: [toolkit] })
      const mcp = { type: "mcp", name: "m", description: "", parameters: {}, url: "https://example.com", api_key: "k" }
      const attempts: ReadonlyArray<readonly [object, string]> = [
        [{}, "messages"],
        [{ messages: [] }, "messages"],
        [{ messages: [{ role: "robot", content: "x" }] }, "messages"],
        [{ messages: [{ role: "user", content: [{ type: "hologram" }] }] }, "messages"],
        [{ messages: [{ role: "user", content: "  " }] }, "messages"],
        [{ messages: [{ role: "assistant", content: "x" }] }, "messages"],
        [{ messages: say("x"), tools: [mcp] }, "tools"],
        [{ messages: say("x"), tools: [{ name: "no spaces please" }] }, "tools"],
        [{ messages: say("x"), tools: [{ ...toolkit, functions: [{ ...weather, description: "Other" }] }] }, "tools"],
        [{ messages: say("x"), tools: [{ name: "a", functions: [{ name: "b" }, { name: "b" }] }] }, "tools"]
      ]
      for (const [body, place] of attempts) {
        const { json, status } = yield* ask("POST", `/agents/${agent.id}/run`, body)
        assert.strictEqual(status, 400, JSON.stringify(body))
        const { loc, msg } = errorOf(json)
        assert.deepStrictEqual(loc.slice(0, 2), ["body", place], msg)
      }
      const warned = yield* run([{
        role: "user",
        content: "say x",
        stop_after_tool_call: true,
        add_to_agent_memory: false
      }])
      assert.lengthOf(answerOf(warned.json).warnings!, 2)
      const long = yield* run(say("x".repeat(300_000)))
      assert.deepStrictEqual([long.status, errorOf(long.json).code], [400, "string_too_long"])
    }))

  it.effect("sees the toolkits of the server and of its agents", () =>
    Effect.gen(function*() {
      const { agent, ask } = yield* client({ tools: [toolkit] })
      const tools = (yield* ask("GET", "/tools")).json
      assert.include(tools[0].functions, "CurrentTime")
      const mine = tools.find(({ name }: { name: string }) => name === "outside")
      assert.deepInclude(mine, { instructions: toolkit.instructions, functions: ["weather"] })
      const { json } = yield* ask("GET", `/tools/${encodeURIComponent(mine.id)}`)
      assert.deepInclude(json, { id: `${agent.id}.outside`, name: "outside" })
      assert.deepInclude(json.functions[0], weather)
      assert.strictEqual((yield* ask("GET", "/tools/stoa")).status, 200)
      assert.strictEqual((yield* ask("GET", `/tools/${agent.id}.other`)).status, 404)
      assert.strictEqual((yield* ask("DELETE", `/tools/${agent.id}.other`)).status, 404)
      assert.strictEqual((yield* ask("DELETE", "/tools/stoa")).status, 400)
      const removed = yield* ask("DELETE", `/tools/${encodeURIComponent(mine.id)}`)
      assert.deepInclude(removed, { status: 200, json: { id: mine.id } })
      assert.deepStrictEqual((yield* ask("GET", `/agents/${agent.id}`)).json.tools, [])
    }))

  it.effect("finds OpenAI's paths there too, and talks to them with OpenAI's client", () =>
    Effect.gen(function*() {
      const { url } = yield* Host
      const { ask, key } = yield* client()
      const openai = new OpenAI({ apiKey: key, baseURL: `${url}${base}`, maxRetries: 0 })
      const answer = yield* asked(() =>
        openai.chat.completions.create({
          model: "agent/Friday",
          messages: [{ role: "user", content: "say hello" }]
        })
      )
      assert.strictEqual(answer.choices[0]!.message.content, "hello")
      const models = yield* asked(() => openai.models.list())
      assert.includeMembers(models.data.map(({ id }) => id), ["agent/Friday", "Demo/demo-chat"])
      const vectors = yield* ask("POST", "/embeddings", { model: "Demo/demo-embedding", input: "a porch" })
      assert.strictEqual(vectors.json.object, "list")
      const completed = yield* ask("POST", "/completions", { model: "Demo/demo-script", prompt: "say x" })
      assert.strictEqual(completed.json.choices[0].text, "x")
      const refused = yield* ask("POST", "/chat/completions", { model: "agent/None", messages: say("x") })
      assert.deepStrictEqual([refused.status, errorOf(refused.json).error.code], [404, "model_not_found"])
    }))

  it.effect("says who it is by either header, and is told what is there, and what is not", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { agent, key } = yield* client()
      for (
        const headers of [
          { "x-api-key": key },
          { "x-api-key": `Bearer ${key}` },
          { authorization: `Bearer ${key}` },
          { authorization: `Bearer ${key}`, "x-api-key": "stoa_x" }
        ]
      ) {
        assert.strictEqual((yield* call("GET", `${base}/agents/${agent.id}`, { headers })).status, 200)
      }
      const refused = yield* call("GET", `${base}/agents`, { headers: { "x-api-key": "stoa_x" }, user: "ada" })
      assert.deepStrictEqual([refused.status, errorOf(refused.json).type], [401, "authentication_error"])
      const preflight = yield* call("OPTIONS", `${base}/agents`, { headers: { origin: "http://localhost:5173" } })
      assert.include(preflight.headers["access-control-allow-headers"], "x-api-key")
      // Elsewhere the header is nobody's.
      assert.strictEqual(
        (yield* call("GET", "/agent", { headers: { "x-api-key": "stoa_x" }, user: "ada" })).status,
        200
      )
      for (const path of ["", "/", "/health"]) {
        assert.strictEqual((yield* call("GET", `${base}${path}`)).json.status, "ok")
      }
      for (const path of ["/teams", "/teams/1/run", "/knowledge/search", "/account", "/auth/link", "/mcp/"]) {
        const { json, status } = yield* call("GET", `${base}${path}`, { headers: { "x-api-key": key } })
        assert.strictEqual(status, 404, path)
        assert.match(errorOf(json).msg, /^[A-Z].+\.$/)
      }
      const { json } = yield* call("GET", "/docs/open_agent.json")
      assert.sameMembers(Object.keys(json.paths).map((path) => path.slice(base.length)), [
        "",
        "/health",
        "/agents",
        "/agents/{agent_id}",
        "/agents/{agent_id}/run",
        "/agents/{agent_id}/chat",
        "/tools",
        "/tools/{tool_id}",
        "/models",
        "/models/{id}",
        "/chat/completions",
        "/chat/completions/{completion_id}",
        "/chat/completions/{completion_id}/messages",
        "/completions",
        "/embeddings"
      ])
      yield* Effect.promise(() => SwaggerParser.validate(structuredClone(json)))
    }))
})

describe("A stream whose end has to be asked for", () => {
  /** What a client is sent of a run, and which runs are stopped. */
  const followed = (
    play: (sink: Sink) => void,
    whileValid: (wait: Effect.Effect<void>) => Effect.Effect<void, Unauthenticated> = (wait) => wait
  ) =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const stopped: Array<string> = []
      const out: Sink = {
        write: (frames) => void sent.push(new TextDecoder().decode(frames)),
        unread: () => 0,
        drained: Effect.void,
        end: () => void sent.push("END")
      }
      const hub = {
        attach: (_: unknown, sink: Sink) => Effect.sync(() => play(sink)),
        cancel: (_: unknown, run: string) => Effect.sync(() => void stopped.push(run))
      }
      const sse = { whileValid, respond: (attach: (sink: Sink) => Effect.Effect<void>) => attach(out) }
      const follow = yield* Follow.make.pipe(
        Effect.provideService(SessionHub, hub as unknown as typeof SessionHub.Service),
        Effect.provideService(Sse, sse as unknown as typeof Sse.Service)
      )
      const session = sessionOf(agentOf(freshOwner()))
      const run_id = RunId.make(freshId())
      const { agent_id, id: session_id } = session
      const run = new Run({ run_id, session_id, agent_id, model: "m", asked: new Map(), clientTools: new Set() })
      const cost = { input_tokens: 1, output_tokens: 2, microdollars: 3, unpriced_calls: 0 }
      const streaming = follow.stream({
        session,
        accepted: { session_id, run_id, seq: 0 },
        encoder: run,
        closing: (problem) => Effect.succeed(run.closing(cost, problem)),
        policy: { leaving: "cancels", approval: "refused", end: "" },
        isKept: false
      }) as unknown as Effect.Effect<void, never, Scope.Scope>
      yield* Effect.scoped(streaming)
      const text = sent.join("")
      return { names: eventsOf(text).map(({ event }) => event), text, hasEnded: text.endsWith("END"), stopped }
    })

  const at = { id: "e", created_at: "2026-01-01T00:00:00.000Z" }
  const reply = { reply_id: "r", run_id: "x", session_id: "s" }
  const frames = (...events: ReadonlyArray<object>) =>
    new TextEncoder().encode(
      events.map((event, i) => `id: ${i + 1}\ndata: ${JSON.stringify({ ...at, ...reply, ...event })}\n\n`).join("")
    )
  const begun = { type: "REPLY_START", name: "Ada", role: "assistant" }
  const ended = {
    type: "REPLY_END",
    finished_reason: "completed",
    error: null,
    usage: { input_tokens: 1, output_tokens: 2 }
  }

  it.effect("tells the cost, and then that the run is over", () =>
    Effect.gen(function*() {
      const seen = yield* followed((sink) => sink.write(frames(begun, ended)))
      assert.deepStrictEqual(seen.names, ["RunStarted", "CostSummary", "RunCompleted"])
      assert.isTrue(seen.hasEnded)
      assert.deepStrictEqual(seen.stopped, [])
    }))

  it.effect("does not wait for that where the server stops or the client does not read", () =>
    Effect.gen(function*() {
      for (const [comment, stopped] of [["closing", 0], ["lagging", 1]] as const) {
        const seen = yield* followed((sink) => {
          sink.write(frames(begun))
          sink.end(comment)
        })
        assert.deepStrictEqual(seen.names, ["RunStarted", "RunCompleted"])
        assert.include(seen.text, "\"status\":\"failed\"")
        assert.isTrue(seen.hasEnded)
        assert.lengthOf(seen.stopped, stopped)
      }
    }))

  it.effect("sends nothing more where the key is no longer valid, and the run is stopped", () =>
    Effect.gen(function*() {
      const revoked = () => Effect.fail(new Unauthenticated({ detail: "The key is gone." }))
      const seen = yield* followed((sink) => sink.write(frames(begun)), revoked)
      assert.deepStrictEqual(seen.names, ["RunStarted"])
      assert.lengthOf(seen.stopped, 1)
    }))
})

describe("The cost of a run", () => {
  it.effect("is the ledger's, in microdollars, of the calls that had begun by then", () =>
    Effect.gen(function*() {
      const call = { input_tokens: 10, output_tokens: 5 }
      const entries = [
        { ...call, cost: 0.000_123_4, created_at: "2026-01-01T00:00:00.000Z" },
        { ...call, cost: null, created_at: "2026-01-01T00:00:01.000Z" },
        { ...call, cost: 1, created_at: "2026-01-01T00:00:02.000Z" }
      ]
      const ledger = { calls: () => Effect.succeed(entries) } as unknown as typeof Ledger.Service
      const costOf = yield* Effect.provideService(Cost.make, Ledger, ledger)
      const of = (until: string) => costOf(freshOwner(), RunId.make(freshId()), Date.parse(until))
      const halted = { input_tokens: 20, output_tokens: 10, microdollars: 123, unpriced_calls: 1 }
      assert.deepStrictEqual(yield* of("2026-01-01T00:00:01.500Z"), halted)
      assert.strictEqual((yield* of("2026-01-01T00:01:00.000Z")).microdollars, 1_000_123)
    }))
})

describe("The mount of the Open Agent API", () => {
  it("is not the root, where the native API says how it is", () => {
    const mounted = Mounts.mount(all, Server.nativeRoutes, { settings: { open_agent: { mount: "" } }, trusted: false })
    assert.match(Either.getOrElse(Either.flip(mounted), () => ""), /open_agent and the native API would both answer/)
  })
})
