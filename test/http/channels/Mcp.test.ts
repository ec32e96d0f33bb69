/** Clients of MCP use agents here as tools: the official client, in both generations of the protocol. */
import { assert, describe, layer } from "@effect/vitest"
import type { Progress } from "@modelcontextprotocol/client"
import { Effect } from "effect"
import type { RunId } from "../../../src/domain/Ids.ts"
import { connected, type Connecting, type Revision, revisions, textOf } from "../../support/mcpServer.ts"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const pay = [{ name: "pay", effect: "write", parameters: { type: "object", properties: {} } }]
const paying = "call pay {\"sum\":1}\nthen\nresults"

const metaOf = (result: object, name: string): unknown =>
  Reflect.get(Reflect.get(result, "_meta") as object, `stoa/${name}`)

const runOf = (result: object) => metaOf(result, "run_id") as RunId

const world = (revision: Revision, agent: object = {}, more: Omit<Connecting, "revision"> = {}) =>
  Effect.gen(function*() {
    const { call, url } = yield* Host
    const ada = yield* tenant(agent)
    const client = yield* connected(url, ada.key, { revision, ...more })
    const say = (message: string, args: object = {}) =>
      asked(() => client.callTool({ name: "Ada", arguments: { message, ...args } }))
    const statusOf = (run: RunId) =>
      Effect.map(call("GET", `/runs/${run}`, { user: ada.user }), ({ json }) => json.status)
    return { ...ada, call, client, say, statusOf, url }
  })

layer(TestHost.layer(), { excludeTestServices: true })("A client of MCP", (it) => {
  describe.each(revisions)("of %s", (revision) => {
    it.scoped("finds agents as tools, under names that it can use, and not those that are not published", () =>
      Effect.gen(function*() {
        const { call, client, credential_id, user } = yield* world(revision, { description: "Knows much" })
        const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
        const add = (more: object) => call("POST", "/agent", { user, body: { chat_model_config, ...more } })
        yield* add({ name: "Wörter & Bücher" })
        yield* add({ name: "Twin" })
        yield* add({ name: "Twin" })
        yield* add({ name: "日本" })
        yield* add({ name: "Hidden", channels: "none" })
        yield* add({ name: "Mute", chat_model_config: null })
        const { tools } = yield* asked(() => client.listTools())
        const names = tools.map(({ name }) => name)
        for (const name of names) assert.match(name, /^[\w-]{1,64}$/)
        assert.includeMembers(names, ["Ada", "Wo_rter_Bu_cher"])
        assert.lengthOf(names.filter((name) => /^Twin_[0-9a-f]{8}$/.test(name)), 2)
        assert.lengthOf(names.filter((name) => /^agent_[0-9a-f]{8}$/.test(name)), 1)
        assert.lengthOf(names, 5)
        const ada = tools.find(({ name }) => name === "Ada")
        assert.deepInclude(ada, { description: "Knows much" })
        assert.deepStrictEqual(ada?.inputSchema.required, ["message"])
      }))

    it.scoped("asks an agent, and goes on with the conversation by its key", () =>
      Effect.gen(function*() {
        const { client, say } = yield* world(revision)
        const first = yield* say("say Hello", { session_key: "one" })
        assert.strictEqual(textOf(first), "Hello")
        assert.isUndefined(first.isError)
        const second = yield* say("say Again", { session_key: "one" })
        assert.strictEqual(metaOf(second, "session_id"), metaOf(first, "session_id"))
        const other = yield* say("say Else")
        assert.notStrictEqual(metaOf(other, "session_id"), metaOf(first, "session_id"))
        assert.isObject(metaOf(other, "usage"))
        const blank = yield* say(" ")
        assert.isTrue(blank.isError)
        const nobody = yield* Effect.flip(Effect.tryPromise(() => client.callTool({ name: "Nobody", arguments: {} })))
        assert.include(String(nobody.cause), "Nobody")
      }))

    it.scoped("is told of progress while a call lasts", () =>
      Effect.gen(function*() {
        const { client } = yield* world(revision)
        const told: Array<Progress> = []
        const result = yield* asked(() =>
          client.callTool({ name: "Ada", arguments: { message: "say Before\nsleep 300\nsay After" } }, {
            onprogress: (progress) => void told.push(progress)
          })
        )
        assert.include(textOf(result), "Before")
        assert.deepStrictEqual(told.map(({ progress }) => progress), told.map((_, i) => i + 1))
        assert.include(told.map(({ message }) => message).join("\n"), "Ada begins.")
      }))

    it.scoped("hears why a run failed as a result that its model can read", () =>
      Effect.gen(function*() {
        const { say } = yield* world(revision)
        const failed = yield* say("fail rate_limit")
        assert.isTrue(failed.isError, JSON.stringify(failed))
        assert.isNotEmpty(textOf(failed))
      }))

    it.scoped("stops the run of a call that it cancels", () =>
      Effect.gen(function*() {
        const { call, client, user } = yield* world(revision)
        const leaving = new AbortController()
        const calling = asked(() =>
          client.callTool({ name: "Ada", arguments: { message: "say before\nsleep 60000" } }, {
            signal: leaving.signal
          })
            .then(() => "answered", () => "cancelled")
        )
        const runs = Effect.map(call("GET", "/runs", { user }), ({ json }) => json.runs)
        const until = (status: string): Effect.Effect<unknown> =>
          Effect.flatMap(runs, ([run]) =>
            run?.status === status
              ? Effect.succeed(run)
              : Effect.delay(Effect.suspend(() => until(status)), "50 millis"))
        const [end] = yield* Effect.all([
          calling,
          Effect.zipRight(until("running"), Effect.sync(() => leaving.abort()))
        ], { concurrency: 2 })
        assert.strictEqual(end, "cancelled")
        assert.deepInclude(yield* until("ended"), { finished_reason: "interrupted" })
      }))

    it.scoped("asks a person for permissions and for results of tools, and for nothing twice", () =>
      Effect.gen(function*() {
        const questions: Array<string> = []
        const { say } = yield* world(revision, { client_tools: pay }, {
          answers: ({ message, requestedSchema }) => {
            questions.push(message)
            const [field, schema] = Object.entries(requestedSchema.properties)[0]!
            assert.include(JSON.stringify(schema), "sum")
            const isPermission = Reflect.get(schema, "type") === "boolean"
            return { action: "accept", content: { [field]: isPermission ? true : "paid" } }
          }
        })
        const result = yield* say(paying)
        assert.include(textOf(result), "paid")
        assert.lengthOf(questions, 2)
      }))

    it.scoped("goes on without what a person refuses, and stops where nobody answers", () =>
      Effect.gen(function*() {
        const asks = (action: "decline" | "cancel") =>
          world(revision, { client_tools: pay }, { answers: () => ({ action }) })
        const declining = yield* asks("decline")
        const refused = yield* declining.say(paying)
        assert.strictEqual(yield* declining.statusOf(runOf(refused)), "ended")
        assert.isUndefined(refused.isError, textOf(refused))
        const leaving = yield* asks("cancel")
        const left = yield* leaving.say(paying)
        assert.isTrue(left.isError)
        assert.strictEqual(yield* leaving.statusOf(runOf(left)), "ended")
      }))

    it.scoped("that can ask nobody gets a sentence, and no run is left waiting", () =>
      Effect.gen(function*() {
        const { say, statusOf } = yield* world(revision, { client_tools: pay })
        const result = yield* say(paying, { session_key: "one" })
        assert.isTrue(result.isError)
        assert.include(textOf(result), "answer of a person")
        assert.strictEqual(yield* statusOf(runOf(result)), "ended")
        assert.strictEqual(textOf(yield* say("say Next", { session_key: "one" })), "Next")
      }))

    it.scoped("reads its sessions as resources, and nobody else's", () =>
      Effect.gen(function*() {
        const { client, say } = yield* world(revision)
        const session = metaOf(yield* say("say Secret", { session_key: "one" }), "session_id")
        const { resources } = yield* asked(() => client.listResources())
        assert.deepStrictEqual(resources.map(({ uri }) => uri), [`stoa://sessions/${session}`])
        const { resourceTemplates } = yield* asked(() => client.listResourceTemplates())
        assert.lengthOf(resourceTemplates, 2)
        const read = yield* asked(() => client.readResource({ uri: resources[0]!.uri }))
        const content = JSON.parse(Reflect.get(read.contents[0]!, "text"))
        assert.deepInclude(content, { total: 2, before: null })
        assert.include(JSON.stringify(content.messages), "Secret")
        const before = yield* asked(() =>
          client.readResource({ uri: `${resources[0]!.uri}/before/${content.messages[1].id}` })
        )
        assert.lengthOf(JSON.parse(Reflect.get(before.contents[0]!, "text")).messages, 1)
        const other = yield* world(revision)
        assert.lengthOf((yield* asked(() => other.client.listResources())).resources, 0)
        const foreign = yield* Effect.flip(
          Effect.tryPromise(() => other.client.readResource({ uri: resources[0]!.uri }))
        )
        assert.include(String(foreign.cause), "not found")
        assert.notInclude(String(foreign.cause), "Secret")
      }))
  })
})
