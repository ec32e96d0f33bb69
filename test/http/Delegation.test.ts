/** Agents that hand work to other agents. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import type { RunId, UserId } from "../../src/domain/Ids.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Host from "../../src/layers/Host.ts"
import { Delegation } from "../../src/services/Delegation.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Waker } from "../../src/services/Waker.ts"
import { eventually } from "../support/live.ts"
import { tenant } from "../support/openai.ts"
import * as TestHost from "../support/TestHost.ts"

const root = mkdtempSync(join(tmpdir(), "stoa-delegation-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const agent = (id: string, front = "") =>
  write(`agents/${id}/AGENT.md`, `---\ndescription: Is ${id}\nmodel: demo/demo-script\n${front}---\nYou are ${id}.`)

agent("boss", "delegates_to: [worker, off]\n")
agent("worker", "tools: [asked]\n")
agent("free")
agent("slow", "tools: [nap]\n")
agent("other")
agent("off", "enabled: false\n")
agent("alone", "tools: none\n")
agent("one", "delegates_to: [two]\n")
agent("two", "delegates_to: [three]\n")
agent("three", "delegates_to: [four]\n")
agent("four", "delegates_to: [five]\n")
agent("five")
write("tools/nap/TOOL.md", "---\ndescription: A tool\n---\n")
write("tools/nap/handler.mjs", "export default () => new Promise((done) => setTimeout(() => done('rested'), 1000))")
write("tools/asked/TOOL.md", "---\ndescription: A tool\npermissions: { require_approval: true }\n---\n")
write("tools/asked/handler.mjs", "export default () => 'allowed'")

const host = TestHost.layer({
  host: Host.over(Host.memory, { catalog: Files.layer({ dir: root }), background_seconds: 0.2 })
})

type Json = TestHost.Answer["json"]

/** A message that has an agent hand another one a message. */
const handing = (agent_id: string, message: string, more: object = {}) =>
  `call delegate_to_agent ${JSON.stringify({ agent_id, message, ...more })}\nthen\nresults`

layer(host, { excludeTestServices: true })("An agent that hands work to another", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { agent_id, key, user } = yield* tenant({ name: "mine" })
    const ask = (method: string, path: string, body?: unknown) =>
      call(method, `/v1${path}`, {
        headers: { authorization: `Bearer ${key}` },
        ...body !== undefined && { body }
      })
    const invoke = (name: string, message: string, options: object = {}) =>
      ask("POST", `/agents/${name}/invoke`, { message, options })
    const said = (name: string, message: string) =>
      Effect.map(invoke(name, message), ({ json, text }) => {
        assert.strictEqual(json.status, "completed", text)
        return json.result.raw_text as string
      })
    const executions = Effect.map(ask("GET", "/executions"), ({ json }) => json as ReadonlyArray<Json>)
    return { agent_id, ask, call, executions, invoke, said, user: user as UserId }
  })

  it.effect("is told the answer, and its execution shows the other's below it, with what both have used", () =>
    Effect.gen(function*() {
      const { ask, executions, invoke } = yield* world
      const { json } = yield* invoke("boss", handing("worker", "say All done", { input: { n: 1 } }))
      assert.include(json.result.raw_text, "All done")
      const tree = (yield* ask("GET", `/executions/${json.execution_id}/workflow`)).json
      assert.strictEqual(tree.length, 2)
      const [parent, child] = tree
      assert.deepInclude(parent, { execution_id: json.execution_id, delegation_depth: 0, parent_execution_id: null })
      assert.deepInclude(child, {
        delegation_depth: 1,
        parent_execution_id: json.execution_id,
        root_execution_id: json.execution_id,
        source: "agent",
        status: "completed",
        message: "say All done",
        input: { n: 1 }
      })
      assert.notStrictEqual(child.session_id, parent.session_id)
      assert.strictEqual(parent.total_usage.llm_calls, parent.usage.llm_calls + child.usage.llm_calls)
      // From the child the tree is the same one.
      const seen = (yield* ask("GET", `/executions/${child.execution_id}/workflow`)).json
      assert.deepStrictEqual(seen.map(({ execution_id }: Json) => execution_id), [
        parent.execution_id,
        child.execution_id
      ])
      assert.strictEqual((yield* executions).length, 2)
    }))

  it.effect("may do so with those that its definition names, or with all where it names none", () =>
    Effect.gen(function*() {
      const { executions, said } = yield* world
      const denied = yield* said("boss", handing("other", "say no"))
      assert.include(denied, "You may not hand work to 'other'.")
      assert.include(denied, "worker")
      assert.include(yield* said("boss", handing("nobody", "say no")), "There is no agent 'nobody'")
      assert.include(yield* said("boss", handing("off", "say no")), "There is no agent 'off'")
      assert.include(yield* said("free", handing("free", "say no")), "You cannot hand work to yourself.")
      assert.include(yield* said("boss", handing("worker", " ")), "Say in `message`")
      assert.include(yield* said("alone", handing("worker", "say no")), "doesn't exist")
      assert.isTrue((yield* executions).every(({ source }) => source === "channel"))
      assert.include(yield* said("free", handing("other", "say yes")), "yes")
    }))

  it.effect("reaches the user's own agents, by name, and nobody else's", () =>
    Effect.gen(function*() {
      const mine = yield* world
      assert.include(yield* mine.said("free", handing("mine", "say mine it is")), "mine it is")
      const other = yield* world
      assert.include(yield* other.said("free", handing(mine.agent_id, "say no")), "There is no agent")
    }))

  it.effect("is told that the other has failed, or been stopped, and goes on", () =>
    Effect.gen(function*() {
      const { said } = yield* world
      assert.include(yield* said("boss", handing("worker", "fail invalid_request")), "Delegation to 'worker' failed")
    }))

  it.effect("waits for all that the other does: none of it is left for later", () =>
    Effect.gen(function*() {
      const { executions, said } = yield* world
      const answer = yield* said(
        "free",
        handing("slow", "call nap {}\nthen\nresults")
      )
      assert.include(answer, "rested")
      assert.notInclude(answer, "moved to the background")
      assert.strictEqual((yield* executions).length, 2)
    }))

  it.effect("hands work on a few times at most, and never back to one that waits for it", () =>
    Effect.gen(function*() {
      const { ask, executions, said } = yield* world
      const circle = yield* said("free", handing("other", handing("free", "say round")))
      assert.include(circle, "waits for this very work")
      assert.strictEqual((yield* executions).length, 2)
      const deep = ["two", "three", "four", "five"].reduceRight((message, name) => handing(name, message), "say deep")
      assert.include(yield* said("one", deep), "Work is handed on at most 3 times")
      const [newest] = yield* executions
      const tree = (yield* ask("GET", `/executions/${newest.execution_id}/workflow`)).json
      assert.deepStrictEqual(tree.map(({ delegation_depth }: Json) => delegation_depth), [0, 1, 2, 3])
    }))

  it.effect("stops what it has handed over, and what that has, when it is stopped itself", () =>
    Effect.gen(function*() {
      yield* Effect.forkScoped((yield* Waker).run)
      const { ask, executions, invoke } = yield* world
      const { json } = yield* invoke("one", handing("two", handing("three", "sleep 60000")), { async: true })
      const three = yield* eventually(
        "the third sleeps",
        executions,
        (all) => all.length === 3 && all.every(({ status }) => status === "running")
      )
      yield* ask("POST", `/executions/${json.execution_id}/cancel`)
      yield* eventually("all are stopped", executions, (all) => all.every(({ status }) => status === "cancelled"))
      assert.strictEqual(three.length, 3)
    }).pipe(Effect.scoped))

  it.effect("is told at once that the other waits for a person, and waits on for it when it asks again", () =>
    Effect.gen(function*() {
      const { ask, call, executions, user } = yield* world
      const { json: { agents } } = yield* call("GET", "/agent", { user })
      const boss = agents.find(({ data }: Json) => data.name === "boss")
      const { json: session } = yield* call("POST", "/sessions", { user, body: { agent_id: boss.id } })
      const session_id = session.session_id ?? session.id
      const chat = (content: string) =>
        call("POST", "/chat", {
          user,
          body: { agent_id: boss.id, session_id, input: { role: "user", name: "user", content } }
        })
      const messages = Effect.map(
        call("GET", `/sessions/${session_id}/messages?agent_id=${boss.id}`, { user }),
        ({ text }) => text
      )
      yield* chat(handing("worker", "call asked {}\nthen\nsay it is done"))
      yield* eventually("it is told", messages, (text) => text.includes("it waits for a person's permission"))
      const child = (yield* executions).find(({ source }) => source === "agent")
      assert.deepInclude(child, { status: "running", waiting_for: "permission" })
      const reply = (yield* call("GET", `/sessions/${child.session_id}/messages?agent_id=${child.agent_id}`, { user }))
        .json
      const last = reply.messages.at(-1)
      const asked = last.content.find(({ type }: Json) => type === "tool_call")
      const answered = yield* call("POST", "/chat", {
        user,
        body: {
          agent_id: child.agent_id,
          session_id: child.session_id,
          input: {
            type: "USER_CONFIRM_RESULT",
            reply_id: last.id,
            confirm_results: [{ confirmed: true, tool_call: { id: asked.id } }]
          }
        }
      })
      assert.isBelow(answered.status, 300, answered.text)
      yield* chat(handing("worker", "", { execution_id: child.execution_id }))
      yield* eventually("it knows the answer", messages, (text) => text.includes("it is done\\\""))
      assert.strictEqual((yield* executions).filter(({ source }) => source === "agent").length, 1)
      // Of another session, or another user, it is not there.
      const foreign = handing("worker", "", { execution_id: child.execution_id })
      const there = yield* ask("POST", "/agents/boss/invoke", { message: foreign })
      assert.include(there.json.result.raw_text, "There is no execution")
    }))

  it.effect("hands the work of one call over once, however often it is tried and at once", () =>
    Effect.gen(function*() {
      const { invoke, user } = yield* world
      const { agents, runs, sessions } = yield* Storage
      const { hand } = yield* Delegation
      const { json } = yield* invoke("free", "say hello")
      const run = yield* runs.get(user, json.execution_id)
      const caller = {
        run,
        session: yield* sessions.get(user, run.session_id),
        agent: yield* agents.get(user, run.agent_id)
      }
      const work = { agent_id: "other", message: "say once" }
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => hand(caller, "call-1", work), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers.map(({ text }) => text), ["once", "once", "once", "once"])
      assert.strictEqual((yield* hand(caller, "call-2", work)).text, "once")
      const handed = yield* runs.list(user, { limit: 10, cursor: undefined }, { source: "agent", source_id: run.id })
      assert.strictEqual(handed.total, 2)
      const nobody = { ...caller, run: { ...run, id: "0".repeat(32) as RunId } }
      assert.isFalse((yield* hand(nobody, "call-1", work)).isFailed)
    }))
})
