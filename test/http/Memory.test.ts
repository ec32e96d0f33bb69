/** What agents of the operator's remember of their users. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { RecollectionId, Timestamp, type UserId } from "../../src/domain/Ids.ts"
import { maxRecollections } from "../../src/domain/Recollection.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Host from "../../src/layers/Host.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { Recall } from "../../src/services/Recall.ts"
import { Storage } from "../../src/services/Storage.ts"
import { definitions } from "../support/definitions.ts"
import { freshId } from "../support/fixtures.ts"
import { eventually } from "../support/live.ts"
import { tenant } from "../support/openai.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { root, tool, write } = definitions()

const agent = (name: string, front: string) =>
  write(`agents/${name}/AGENT.md`, `---\nmodel: demo/demo-script\n${front}\n---\nYou are ${name}.`)
agent("ada", "memory: { enabled: true }\ntools: [nap]")
agent("bob", "memory: { enabled: true }")
agent("off", "memory: { enabled: false }")
agent("finder", "memory: { enabled: true, auto_extract: true }")
write("agents/ada/MEMORY.md", "The shop moved.")
tool("nap", "export default () => 'rested'")
write("tools/nap/TOOL.md", "---\ndescription: A tool\npermissions: { require_approval: true }\n---\n")

/** What models were told, and asked for memories. */
const seen: Array<string> = []
const witness = { name: "witness", "model.before": ({ system }: { readonly system: string }) => void seen.push(system) }

const host = Host.over(Host.memory, { catalog: Files.layer({ dir: root }), hooks: [witness], memory_quiet_seconds: 0 })
const looping = Layer.scopedContext(
  Effect.tap(Layer.build(host), (context) => Effect.forkScoped(Context.get(context, Jobs).run))
)

layer(TestHost.layer({ host: looping }), { excludeTestServices: true, timeout: patience(60_000) })(
  "An agent that remembers",
  (it) => {
    const world = Effect.gen(function*() {
      const { call } = yield* TestHost.TestHost
      const { key, user } = yield* tenant()
      const ask = (method: string, path: string, body?: unknown) =>
        call(method, path, { headers: { authorization: `Bearer ${key}` }, ...body !== undefined && { body } })
      const said = Effect.fnUntraced(function*(name: string, message: string) {
        const { json, text } = yield* ask("POST", `/v1/agents/${name}/invoke`, { message })
        assert.strictEqual(json.status, "completed", text)
        return json.result.raw_text as string
      })
      const calls = (name: string, tool: string, args: object) =>
        said(name, `call ${tool} ${JSON.stringify(args)}\nthen\nresults`)
      const idOf = (name: string) => Effect.map(ask("GET", `/v1/agents/${name}`), ({ json }) => json.id)
      const all = (name: string) =>
        Effect.gen(function*() {
          const { all } = yield* Recall
          return yield* all({ owner: user as UserId, agent_id: yield* idOf(name) })
        })
      return { all, ask, call, calls, idOf, said, user: user as UserId }
    })

    it.effect("saves, finds and forgets what it is told to, in other conversations of the same user alone", () =>
      Effect.gen(function*() {
        const { all, ask, calls, said } = yield* world
        yield* calls("ada", "memory_save", { content: "Likes\n# green   tea", importance: 0.9, type: "semantic" })
        yield* calls("ada", "memory_save", { content: "Met Eve in Kiel" })
        const found = yield* calls("ada", "memory_recall", { query: "green tea" })
        assert.include(found, "Likes # green tea")
        assert.notInclude(found, "Kiel")
        seen.length = 0
        yield* said("ada", "say hello")
        assert.match(
          seen.at(-1)!,
          /## Of this user\n- Likes # green tea\n- Met Eve in Kiel\n\n## Of everything\nThe shop moved\./
        )
        assert.include((yield* ask("GET", "/v1/agents/ada")).json, { memory_enabled: true })
        // Another agent, and another user of this one, know nothing of it.
        assert.include(yield* calls("bob", "memory_recall", { query: "tea" }), "Nothing of that is remembered.")
        const { id } = (yield* all("ada"))[0]!
        const other = yield* world
        assert.include(yield* other.calls("ada", "memory_recall", { query: "tea" }), "Nothing of that is remembered.")
        assert.include(yield* other.calls("ada", "memory_forget", { id }), "not found")
        assert.include(yield* calls("bob", "memory_forget", { id }), "not found")
        assert.include(yield* calls("ada", "memory_forget", { id }), "It is forgotten.")
        assert.deepStrictEqual((yield* all("ada")).map(({ content }) => content), ["Met Eve in Kiel"])
      }))

    it.effect("has no such tools where its definition says nothing of a memory", () =>
      Effect.gen(function*() {
        const { all, ask, calls } = yield* world
        assert.notInclude(yield* calls("off", "memory_save", { content: "x" }), "It is remembered")
        assert.deepStrictEqual(yield* all("off"), [])
        const refused = yield* ask("POST", "/v1/agents/off/memory/compact")
        assert.deepStrictEqual([refused.status, refused.json.error.code], [503, "memory_unavailable"])
      }))

    it.effect("remembers no more than it may, of no more characters than it may", () =>
      Effect.gen(function*() {
        const { calls, idOf, user } = yield* world
        assert.include(yield* calls("bob", "memory_save", { content: "x".repeat(2_001) }), "2000")
        assert.include(yield* calls("bob", "memory_save", { content: " \n " }), "has to be remembered")
        const agent_id = yield* idOf("bob")
        const { save } = yield* Recall
        yield* Effect.forEach(Array.from({ length: maxRecollections }), (_, i) =>
          save({ owner: user, agent_id }, RecollectionId.make(freshId()), {
            content: `Thing ${i}`,
            kind: "semantic",
            source: "manual",
            importance: 0.1
          }))
        assert.include(yield* calls("bob", "memory_save", { content: "One more" }), "Forget some first")
      }))

    it.effect("goes on behind a wait with what it remembered when it began", () =>
      Effect.gen(function*() {
        const { ask, calls, idOf } = yield* world
        const agent_id = yield* idOf("ada")
        const { session_id } = (yield* ask("POST", "/sessions", { agent_id })).json
        yield* calls("ada", "memory_save", { content: "Before" })
        yield* ask("POST", "/chat", {
          agent_id,
          session_id,
          input: { role: "user", name: "user", content: "call nap {}\nthen\nsay done" }
        })
        const messages = Effect.map(ask("GET", `/sessions/${session_id}/messages`), ({ json }) => json.messages)
        const asked = yield* eventually("it waits", messages, (all) => JSON.stringify(all).includes("asking"))
        const reply = asked.at(-1)
        const call = reply.content.find(({ type }: { type: string }) => type === "tool_call")
        yield* calls("ada", "memory_save", { content: "Meanwhile" })
        seen.length = 0
        const answered = yield* ask("POST", "/chat", {
          agent_id,
          session_id,
          input: {
            type: "USER_CONFIRM_RESULT",
            reply_id: reply.id,
            confirm_results: [{ confirmed: true, tool_call: call }]
          }
        })
        assert.isBelow(answered.status, 300, answered.text)
        yield* eventually("it goes on", Effect.sync(() => seen), ({ length }) => length > 0)
        assert.include(seen.at(-1)!, "- Before")
        assert.notInclude(seen.at(-1)!, "- Meanwhile")
      }))

    it.effect("loses nothing where a model cannot sum it up", () =>
      Effect.gen(function*() {
        const { ask, idOf, user } = yield* world
        const agent_id = yield* idOf("bob")
        const { recollections } = yield* Storage
        const at = Timestamp.make("2020-01-01T00:00:00.000Z")
        yield* Effect.forEach(Array.from({ length: 120 }), (_, i) =>
          recollections.insert({
            id: RecollectionId.make(freshId()),
            user_id: user,
            agent_id,
            created_at: at,
            updated_at: at,
            content: `Thing ${i}`,
            kind: "semantic",
            source: "manual",
            importance: 0.1
          }))
        const { json, status } = yield* ask("POST", "/v1/agents/bob/memory/compact")
        // The demo model answers with no list.
        assert.deepStrictEqual([status, json.user_compacted], [200, 0], JSON.stringify(json))
        assert.lengthOf(yield* Effect.flatMap(Recall, ({ all }) => all({ owner: user, agent_id })), 120)
      }))
  }
)
