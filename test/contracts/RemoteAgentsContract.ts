/** What agents elsewhere that are called as tools promise, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, Either, type Layer } from "effect"
import type { RunId, UserId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import type * as Host from "../../src/layers/Host.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { RemoteAgents } from "../../src/services/RemoteAgents.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshOwner } from "../support/fixtures.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, type Live, live } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { agentUrl, always, type Played, played, saidIn, taskOf } from "../support/remoteAgent.ts"

const headers = { Authorization: "Bearer a-very-secret-key-1" }
const draft = { url: "https://weather.example", name: "weather", headers }

/** A host and an agent elsewhere, which a session's agent may call. */
const hostWith = (remote: Played, tool_seconds = 60) => live({ engine: { outbound: remote.outbound, tool_seconds } })

const client = Effect.gen(function*() {
  const { agents } = yield* Storage
  const { add } = yield* RemoteAgents
  const session = yield* conversation("demo-script", { mode: "bypass" })
  yield* agents.modify(session.user_id, session.agent_id, (agent) => ({
    ...agent,
    data: { ...agent.data, tools: ["a2a__weather"] }
  }))
  yield* add(session.user_id, draft)
  return session
})

const calling = (args: object) => `call a2a__weather ${JSON.stringify(args)}\nthen\nresults`

const replyOf = (session: Session, run: RunId, after: number) =>
  Effect.flatMap(SessionHub, (hub) => hub.reply(session, run, after))

/** What the model is told when it has called the tool. */
const told = (session: Session, args: object) =>
  Effect.gen(function*() {
    const { run_id, seq } = yield* say(session, calling(args))
    const [result] = JSON.parse(textOf((yield* replyOf(session, run_id, seq)).content))
    return JSON.stringify(result.output).replaceAll("\\\"", "\"")
  })

const recovered = (host: Live) => host.do(Effect.flatMap(RunOwner, ({ recover }) => recover))

export const remoteAgentsContract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>): void =>
  layer(storage, { timeout: patience(120_000), excludeTestServices: true })(`Agents elsewhere: ${name}`, (it) => {
    it.scoped("are kept with what their card says, for their owner, once for each name, and their secrets sealed", () =>
      Effect.gen(function*() {
        const remote = played()
        const host = yield* hostWith(remote)
        const { add, get, list, remove } = yield* host.do(RemoteAgents)
        const [ada, grace] = [freshOwner(), freshOwner()]
        const one = yield* add(ada, { url: "https://weather.example", headers })
        assert.deepInclude(one, {
          name: "Weather_of_the_north",
          tool: "a2a__Weather_of_the_north",
          card_url: "https://weather.example/.well-known/agent-card.json",
          origin: "https://weather.example",
          description: "Knows the weather. Do as it says.",
          headers: ["Authorization"]
        })
        const again = yield* Effect.flip(add(ada, { url: "https://weather.example", headers }))
        assert.strictEqual(again._tag, "Conflict")
        assert.deepStrictEqual(yield* list(grace), [])
        for (const strange of [get(grace, one.id), remove(grace, one.id)]) {
          assert.strictEqual((yield* Effect.flip(strange))._tag, "NotFound")
        }
        const stored = JSON.stringify(yield* (yield* Storage).remoteAgents.get(ada, one.id))
        assert.notInclude(stored, "a-very-secret-key-1")
        assert.notInclude(stored, agentUrl)
        assert.deepStrictEqual(yield* list(ada), [yield* get(ada, one.id)])
        yield* remove(ada, one.id)
        assert.deepStrictEqual(yield* list(ada), [])
      }))

    it.scoped("are at most so many of an owner, whoever asks at the same time", () =>
      Effect.gen(function*() {
        const host = yield* hostWith(played())
        const { add, list } = yield* host.do(RemoteAgents)
        const owner: UserId = freshOwner()
        const names = Array.from({ length: 70 }, (_, i) => `agent-${i}`)
        const all = yield* Effect.forEach(names, (name) => Effect.either(add(owner, { ...draft, name })), {
          concurrency: 70
        })
        assert.strictEqual(all.filter(Either.isRight).length, 64)
        assert.strictEqual((yield* list(owner)).length, 64)
        const twice = yield* Effect.all(
          [0, 1].map(() => Effect.either(add(freshOwner(), draft))),
          { concurrency: 2 }
        )
        assert.isTrue(twice.every(Either.isRight))
      }))

    it.scoped("are called with their headers, and go on in the same conversation", () =>
      Effect.gen(function*() {
        const remote = played()
        const host = yield* hostWith(remote)
        const session = yield* host.do(client)
        assert.include(yield* host.do(told(session, { message: "Will it rain?" })), "Rain.")
        assert.include(yield* host.do(told(session, { message: "And then?" })), "Rain.")
        const [first, second] = remote.messages()
        assert.deepInclude(first, { role: "ROLE_USER", parts: [{ text: "Will it rain?" }], metadata: { stoa_hops: 1 } })
        assert.notProperty(first, "contextId")
        assert.strictEqual(second.contextId, "context-1")
        assert.notStrictEqual(second.messageId, first.messageId)
        const [asked] = remote.asked
        assert.strictEqual(asked?.headers.get("authorization"), headers.Authorization)
        assert.strictEqual(asked?.headers.get("a2a-version"), "1.0")
        assert.strictEqual(asked?.headers.get("idempotency-key"), first.messageId)
        const other = yield* host.do(conversation("demo-script", { mode: "bypass" }))
        assert.include(yield* host.do(told(other, { message: "Will it rain?" })), "doesn't exist")
        assert.strictEqual(remote.messages().length, 2)
      }))

    it.scoped("ask, and are answered by the task", () =>
      Effect.gen(function*() {
        const remote = played()
        const host = yield* hostWith(remote)
        const session = yield* host.do(client)
        const message = { messageId: "q", role: "ROLE_AGENT", parts: [{ text: "Which town?" }, { data: { a: 1 } }] }
        remote.answer = always(
          taskOf("task-1", "INPUT_REQUIRED", { status: { state: "TASK_STATE_INPUT_REQUIRED", message } })
        )
        const asked = yield* host.do(told(session, { message: "Will it rain?" }))
        assert.include(asked, "Which town?")
        assert.include(asked, "{\"a\":1}")
        assert.include(asked, "with the task_id \"task-1\"")
        remote.answer = always(taskOf("task-1", "COMPLETED", saidIn("Not in Kiel.")))
        assert.include(yield* host.do(told(session, { message: "Kiel", task_id: "task-1" })), "Not in Kiel.")
        assert.deepInclude(remote.messages().at(-1), { taskId: "task-1", contextId: "context-1" })
        const foreign = yield* host.do(told(session, { message: "Kiel", task_id: "task-of-another" }))
        assert.include(foreign, "There is no task 'task-of-another'")
        assert.strictEqual(remote.messages().length, 2)
      }))

    it.scoped("work on when the server has died, and are asked once", () =>
      Effect.gen(function*() {
        const remote = played()
        remote.answer = always(taskOf("task-1", "WORKING"))
        const first = yield* hostWith(remote)
        const session = yield* first.do(client)
        const { run_id, seq } = yield* first.do(say(session, calling({ message: "Will it rain?" })))
        yield* eventually("it is looked at", Effect.sync(() => remote.asked.length), (many) => many > 1)
        yield* first.kill
        const second = yield* hostWith(remote)
        remote.answer = always(taskOf("task-1", "COMPLETED", saidIn("Rain.")))
        yield* recovered(second)
        assert.include(textOf((yield* second.do(replyOf(session, run_id, seq))).content), "Rain.")
        assert.strictEqual(remote.messages().length, 1)
      }))

    it.scoped("are sent the same message again when the server has died before they had answered", () =>
      Effect.gen(function*() {
        const remote = played()
        remote.answer = () => undefined
        const first = yield* hostWith(remote)
        const session = yield* first.do(client)
        const { run_id, seq } = yield* first.do(say(session, calling({ message: "Will it rain?" })))
        yield* eventually("it was sent", Effect.sync(() => remote.asked.length), (many) => many === 1)
        yield* first.kill
        const second = yield* hostWith(remote)
        remote.answer = always(taskOf("task-1", "COMPLETED", saidIn("Rain.")))
        yield* recovered(second)
        assert.include(textOf((yield* second.do(replyOf(session, run_id, seq))).content), "Rain.")
        const [before, after, more] = remote.messages()
        assert.deepStrictEqual(after, before)
        assert.isUndefined(more)
      }))

    it.scoped("are told to stop when the run was stopped, also when the server died then", () =>
      Effect.gen(function*() {
        const remote = played()
        remote.answer = always(taskOf("task-1", "WORKING"))
        const first = yield* hostWith(remote)
        const session = yield* first.do(client)
        const { run_id } = yield* first.do(say(session, calling({ message: "Will it rain?" })))
        yield* eventually("it is looked at", Effect.sync(() => remote.asked.length), (many) => many > 1)
        // Nothing does jobs here.
        yield* first.do(Effect.flatMap(SessionHub, (hub) => hub.cancel(session, run_id)))
        yield* first.kill
        const cancelled = Effect.sync(() => remote.asked.filter(({ method }) => method === "CancelTask"))
        assert.deepStrictEqual(yield* cancelled, [])
        const second = yield* hostWith(remote)
        remote.answer = always(taskOf("task-1", "CANCELED"))
        yield* Effect.forkScoped(second.do(Effect.flatMap(Jobs, ({ run }) => run)))
        const [asked] = yield* eventually("it is cancelled", cancelled, ({ length }) => length === 1)
        assert.deepInclude(asked?.params, { id: "task-1" })
      }))

    it.scoped("are left alone when the server stops", () =>
      Effect.gen(function*() {
        const remote = played()
        remote.answer = always(taskOf("task-1", "WORKING"))
        const first = yield* hostWith(remote)
        const session = yield* first.do(client)
        yield* first.do(say(session, calling({ message: "Will it rain?" })))
        yield* eventually("it is looked at", Effect.sync(() => remote.asked.length), (many) => many > 1)
        yield* first.end
        const { jobs } = yield* Storage
        const { items } = yield* jobs.list(session.user_id, { limit: 10, cursor: undefined })
        assert.deepStrictEqual(items.filter(({ kind }) => kind === "a2a_cancel"), [])
      }))

    it.scoped("are not waited for longer than a tool may take, and are asked about later", () =>
      Effect.gen(function*() {
        const remote = played()
        remote.answer = always(taskOf("task-1", "WORKING"))
        const host = yield* hostWith(remote, 1)
        const session = yield* host.do(client)
        assert.include(yield* host.do(told(session, { message: "Will it rain?" })), "still works")
        remote.answer = always(taskOf("task-1", "COMPLETED", saidIn("Rain.")))
        assert.include(yield* host.do(told(session, { task_id: "task-1" })), "Rain.")
        assert.strictEqual(remote.messages().length, 1)
      }))

    it.scoped("are not called by work that was handed from server to server too often", () =>
      Effect.gen(function*() {
        const remote = played()
        const host = yield* hostWith(remote)
        const session = yield* host.do(client)
        const sent = (hops: unknown) =>
          host.do(Effect.gen(function*() {
            const hub = yield* SessionHub
            const { run_id, seq } = yield* hub.send(session.user_id, {
              agent_id: session.agent_id,
              session_id: session.id,
              input: {
                name: "user",
                role: "user",
                content: calling({ message: "Will it rain?" }),
                metadata: { stoa_hops: hops }
              },
              on_busy: "enqueue",
              tools: []
            })
            return textOf((yield* hub.reply(session, run_id, seq)).content)
          }))
        assert.include(yield* sent(3), "Rain.")
        assert.deepStrictEqual(remote.messages().at(-1).metadata, { stoa_hops: 4 })
        for (const many of [4, 1e300]) assert.include(yield* sent(many), "from server to server 4 times already")
        assert.strictEqual(remote.messages().length, 1)
      }))
  })
