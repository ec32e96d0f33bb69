/** What the memory of agents promises, over every layer that keeps it. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { RecollectionId, SessionId, Timestamp } from "../../src/domain/Ids.ts"
import type { Recollection } from "../../src/domain/Recollection.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import type * as Host from "../../src/layers/Host.ts"
import { definedAgentId } from "../../src/layers/SameId.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { type ModelCall, ModelFailed } from "../../src/services/Models.ts"
import { OwnAgents } from "../../src/services/OwnAgents.ts"
import { type Of, Recall } from "../../src/services/Recall.ts"
import { Storage } from "../../src/services/Storage.ts"
import { definitions } from "../support/definitions.ts"
import { freshId } from "../support/fixtures.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, live } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

const { root, write } = definitions()
write(
  "agents/ada/AGENT.md",
  "---\nmodel: demo/demo-script\nmemory: { enabled: true, auto_extract: true }\n---\nYou are Ada."
)

const page = { limit: 100, cursor: undefined }

/** A host whose model answers questions about memories as `answer` says. Its calls are kept. */
const remembering = (answer: (call: ModelCall) => Effect.Effect<string, ModelFailed>, memory_quiet_seconds = 0) =>
  Effect.gen(function*() {
    const calls: Array<ModelCall> = []
    const host = yield* live({
      engine: { catalog: Files.layer({ dir: root }), memory_quiet_seconds },
      stream: (stream) => (call, emit) =>
        /^You (find what|compact the memory)/.test(call.system)
          ? Effect.suspend(() => {
            calls.push(call)
            return Effect.map(answer(call), (delta) => {
              emit({ type: "text", block: "0", delta })
              emit({ type: "finish", reason: "stop", usage: { input_tokens: 30, output_tokens: 5 } })
            })
          })
          : stream(call, emit)
    })
    yield* Effect.forkScoped(host.do(Effect.flatMap(Jobs, ({ run }) => run)))
    const session = yield* conversation()
    const { user_id: owner } = session
    yield* host.do(Effect.flatMap(OwnAgents, ({ ensure }) => ensure(owner)))
    const of: Of = { owner, agent_id: definedAgentId(owner, "ada") }
    const { sessions } = yield* Storage
    const talk = yield* sessions.insert({ ...session, id: SessionId.make(freshId()), agent_id: of.agent_id })
    const recall = yield* host.do(Recall)
    /** How the jobs of the memory have ended, once none is left. */
    const looked = (count: number) =>
      eventually(
        `${count} looks are done`,
        Effect.flatMap(Storage, ({ jobs }) =>
          Effect.map(jobs.list(owner, page, { kind: "memory" }), ({ items }) => items)),
        (all) =>
          all.length === count && all.every(({ status }) => status !== "pending")
      )
    return { calls, config: session.config.chat_model_config!, host, looked, of, owner, recall, talk }
  })

const never = () => Effect.succeed("[]")

/** Something that was remembered long ago. */
const old = ({ agent_id, owner }: Of, changes: Partial<Recollection> = {}): Recollection => ({
  id: RecollectionId.make(freshId()),
  user_id: owner,
  agent_id,
  created_at: Timestamp.make("2020-01-01T00:00:00.000Z"),
  updated_at: Timestamp.make("2020-01-01T00:00:00.000Z"),
  content: "Something",
  kind: "semantic",
  source: "manual",
  importance: 0.3,
  ...changes
})

const many = (of: Of, changes: Partial<Recollection> = {}) =>
  Effect.flatMap(
    Storage,
    ({ recollections }) =>
      Effect.forEach(Array.from({ length: 120 }), (_, i) =>
        recollections.insert(old(of, { content: `Thing ${i}`, ...changes })))
  )

export const recallContract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>): void =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Memory of agents: ${name}`, (it) => {
    it.scoped("keeps what is saved, once, and tells what matters most first", () =>
      Effect.gen(function*() {
        const { of, recall } = yield* remembering(never)
        const id = RecollectionId.make(freshId())
        const tea = { content: "Likes green tea", kind: "semantic", source: "manual", importance: 0.5 } as const
        yield* recall.save(of, id, tea)
        yield* recall.save(of, id, { ...tea, content: "Another" })
        yield* recall.save(of, RecollectionId.make(freshId()), { ...tea, content: "Drinks tea", importance: 0.9 })
        const { recollections } = yield* Storage
        // It mattered most, years ago.
        yield* recollections.insert(old(of, { content: "Old tea", importance: 1 }))
        const contents = (found: ReadonlyArray<Recollection>) => found.map(({ content }) => content)
        assert.deepStrictEqual(contents(yield* recall.all(of)), ["Drinks tea", "Likes green tea", "Old tea"])
        assert.deepStrictEqual(contents(yield* recall.search(of, "GREEN, tea!", 2)), ["Likes green tea", "Drinks tea"])
        assert.deepStrictEqual(yield* recall.search(of, "coffee", 10), [])
        const other: Of = { ...of, agent_id: (yield* conversation()).agent_id }
        assert.deepStrictEqual(yield* recall.all(other), [])
        assert.strictEqual((yield* Effect.flip(recall.forget(other, id)))._tag, "NotFound")
        yield* recall.forget(of, id)
        assert.lengthOf(yield* recall.all(of), 2)
        // It goes with its agent.
        yield* (yield* Storage).agents.remove(of.owner, of.agent_id)
        assert.deepStrictEqual(yield* recall.all(of), [])
      }))

    it.scoped("finds by itself what to remember, and reads only what can be read", () =>
      Effect.gen(function*() {
        const answer = [
          "Here it is:\n```json",
          JSON.stringify([
            { content: "Lives in Kiel", type: "semantic", importance: 7 },
            { content: "LIKES TEA" },
            { content: "Odd", type: "strange", importance: "much" },
            { content: "" },
            { content: 3 },
            "text",
            { content: "x".repeat(2_001) }
          ]),
          "```"
        ].join("\n")
        const { calls, host, looked, of, recall, talk } = yield* remembering(() => Effect.succeed(answer))
        yield* recall.save(of, RecollectionId.make(freshId()), {
          content: "Likes tea",
          kind: "semantic",
          source: "manual",
          importance: 0.5
        })
        yield* host.do(say(talk, "say I live in Kiel"))
        yield* looked(1)
        const found = (yield* recall.all(of)).map(({ content, importance, kind, source }) =>
          [content, kind, importance, source].join()
        )
        assert.sameMembers(found, [
          "Lives in Kiel,semantic,1,extracted",
          "Likes tea,semantic,0.5,manual",
          "Odd,semantic,0.5,extracted"
        ])
        assert.lengthOf(calls, 1)
        const asked = JSON.stringify(calls[0]!.messages)
        assert.include(asked, "user: say I live in Kiel")
        assert.include(asked, "Likes tea")
      }))

    it.scoped("looks once at a conversation that goes on, and not at one of an agent without", () =>
      Effect.gen(function*() {
        const { calls, host, looked, talk } = yield* remembering(never, 1)
        yield* host.do(say(talk, "say one"))
        yield* host.do(say(talk, "say two"))
        yield* host.do(say(talk, "say three"))
        yield* looked(3)
        assert.lengthOf(calls, 1)
        assert.include(JSON.stringify(calls[0]!.messages), "say three")
      }))

    it.scoped("gives up where a model answers with no list", () =>
      Effect.gen(function*() {
        const { host, looked, of, recall, talk } = yield* remembering(() => Effect.succeed("I remember nothing"))
        yield* host.do(say(talk, "say hello"))
        assert.strictEqual((yield* looked(1))[0]!.status, "dead")
        assert.deepStrictEqual(yield* recall.all(of), [])
      }))

    it.scoped("sums up what matters least, and leaves what matters or is new", () =>
      Effect.gen(function*() {
        const answer = () => Effect.succeed("[\"All things\", \"in short\"]")
        const { calls, config, of, recall } = yield* remembering(answer)
        yield* many(of)
        const { recollections } = yield* Storage
        yield* recollections.insert(old(of, { content: "Important", importance: 0.8 }))
        yield* recall.save(of, RecollectionId.make(freshId()), {
          content: "New",
          kind: "semantic",
          source: "manual",
          importance: 0
        })
        const { count, failed } = yield* recall.compact(of, config)
        assert.deepStrictEqual([count, failed], [61, undefined])
        const left = yield* recall.all(of)
        assert.lengthOf(left, 122 - 61 + 4)
        assert.includeMembers(left.map(({ content }) => content), ["Important", "New", "All things", "in short"])
        assert.deepInclude(left.find(({ content }) => content === "All things"), {
          source: "compacted",
          importance: 0.3
        })
        assert.lengthOf(calls, 2)
        // There is not much any more.
        assert.strictEqual((yield* recall.compact(of, config)).count, 0)
        assert.lengthOf(calls, 2)
      }))

    it.scoped("loses nothing where a model fails, or says no less", () =>
      Effect.gen(function*() {
        const problem = new ModelFailed({ type: "upstream", message: "It is down.", retryable: true })
        const broken = yield* remembering(() => problem)
        yield* many(broken.of)
        const { count, failed } = yield* broken.recall.compact(broken.of, broken.config)
        assert.deepStrictEqual([count, failed?.message], [0, "It is down."])
        assert.lengthOf(yield* broken.recall.all(broken.of), 120)
        const wordy = yield* remembering(() => Effect.succeed(JSON.stringify(Array.from({ length: 60 }, () => "more"))))
        yield* many(wordy.of)
        assert.strictEqual((yield* wordy.recall.compact(wordy.of, wordy.config)).count, 0)
        assert.lengthOf(yield* wordy.recall.all(wordy.of), 120)
      }))
  })
