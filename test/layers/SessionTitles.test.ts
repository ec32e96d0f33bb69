/** Titles that sessions get from their first exchange. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, type Layer } from "effect"
import { type SessionId, Timestamp } from "../../src/domain/Ids.ts"
import type { Session } from "../../src/domain/Session.ts"
import { timeName } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { titleIn } from "../../src/layers/SessionTitles/Titling.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { type ModelCall, ModelFailed } from "../../src/services/Models.ts"
import { SessionKeys } from "../../src/services/SessionKeys.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshId } from "../support/fixtures.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

const always = { from: Timestamp.make("2000-01-01T00:00:00.000Z"), to: Timestamp.make("2100-01-01T00:00:00.000Z") }

/** A host whose model of titles answers as `answer` says. Its calls are kept. */
const titling = (
  answer: (call: ModelCall) => Effect.Effect<string, ModelFailed>,
  engine: Partial<Host.EngineOptions> = { session_titles: true }
) =>
  Effect.gen(function*() {
    const calls: Array<ModelCall> = []
    const host = yield* live({
      engine,
      stream: (stream) => (call, emit) =>
        call.system.startsWith("You write titles")
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
    return { ...host, calls }
  })

/** A session that is called as its time, as those are that nobody has named. */
const unnamed = Effect.gen(function*() {
  const { sessions } = yield* Storage
  const session = yield* conversation()
  return yield* sessions.modify(session.user_id, session.id, (session) => ({
    ...session,
    config: { ...session.config, name: timeName(session.created_at) }
  }))
})

const said = Effect.fnUntraced(function*(session: Session, text: string) {
  const { run_id } = yield* say(session, text)
  yield* eventually("the run has ended", storedRun(session, run_id), ({ status }) => status === "ended")
})

const nameOf = ({ id, user_id }: Session) =>
  Effect.flatMap(Storage, ({ sessions }) => Effect.map(sessions.get(user_id, id), ({ config }) => config.name))

const jobsOf = ({ user_id }: Session) =>
  Effect.flatMap(
    Storage,
    ({ jobs }) => Effect.map(jobs.list(user_id, { limit: 100, cursor: undefined }), ({ items }) => items)
  )

const jobOver = (session: Session) =>
  Effect.map(
    eventually("the job is over", jobsOf(session), (jobs) => jobs.some(({ status }) => status !== "pending")),
    ([job]) => job!
  )

const contract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>) =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Titles over ${name}`, (it) => {
    it.scoped("come once, from the first exchange, and are in the ledger", () =>
      Effect.gen(function*() {
        const host = yield* titling(() => Effect.succeed("\"Counting to three.\"\n"))
        const session = yield* host.do(unnamed)
        yield* host.do(said(session, "say one two three"))
        yield* eventually("it has a title", host.do(nameOf(session)), (name) => name === "Counting to three")
        yield* host.do(said(session, "say four"))
        assert.strictEqual(host.calls.length, 1)
        const [{ messages }] = host.calls as [ModelCall]
        assert.include(JSON.stringify(messages), "user: say one two three")
        assert.include(JSON.stringify(messages), "assistant: one two three")
        const { calls, output_tokens } = yield* host.do(
          Effect.flatMap(Ledger, (ledger) => ledger.total(session.user_id, always))
        )
        assert.isAtLeast(output_tokens, 5)
        assert.strictEqual(calls, 3)
      }))
  })

contract("Memory", Host.memory)
contract("PGlite", Host.pglite({ dataDir: undefined }))

layer(Host.memory, { timeout: patience(60_000), excludeTestServices: true })("A title", (it) => {
  it.scoped("never takes the place of a person's name, also of one that was given while the model thought", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const host = yield* titling(() =>
        Effect.as(Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(goOn)), "A title")
      )
      const named = yield* host.do(conversation())
      yield* host.do(said(named, "say one"))
      assert.strictEqual((yield* host.do(jobOver(named))).status, "done")
      assert.strictEqual(yield* host.do(nameOf(named)), named.config.name)

      const session = yield* host.do(unnamed)
      yield* host.do(said(session, "say one"))
      yield* Deferred.await(asked)
      yield* host.do(
        Effect.flatMap(Storage, ({ sessions }) =>
          sessions.modify(session.user_id, session.id, (session) => ({
            ...session,
            config: { ...session.config, name: "Mine" }
          })))
      )
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual((yield* host.do(jobOver(session))).status, "done")
      assert.strictEqual(yield* host.do(nameOf(session)), "Mine")
      assert.strictEqual(host.calls.length, 1)
    }))

  it.scoped("is given up with the reason when the model refuses, and the session goes on", () =>
    Effect.gen(function*() {
      const host = yield* titling(() =>
        new ModelFailed({ type: "authentication", message: "The key is not accepted.", retryable: false })
      )
      const session = yield* host.do(unnamed)
      yield* host.do(said(session, "say one"))
      assert.deepInclude(yield* host.do(jobOver(session)), { status: "dead", error: "The key is not accepted." })
      assert.strictEqual(yield* host.do(nameOf(session)), session.config.name)
      yield* host.do(said(session, "say two"))
    }))

  it.scoped("is made by the model that the settings name for the session's provider", () =>
    Effect.gen(function*() {
      const host = yield* titling(() => Effect.succeed("Cheap"), {
        session_titles: true,
        session_title_models: ["other_credential:x", "demo_credential:demo-echo"]
      })
      const session = yield* host.do(unnamed)
      yield* host.do(said(session, "say one"))
      yield* host.do(jobOver(session))
      assert.strictEqual(host.calls[0]?.config.model, "demo-echo")
    }))

  it.scoped("is the first words of the user where the demo model makes it, so that sessions can be told apart", () =>
    Effect.gen(function*() {
      const engine = { session_titles: true, session_title_models: ["demo_credential:demo-chat"] }
      const host = yield* live({ engine })
      yield* Effect.forkScoped(host.do(Effect.flatMap(Jobs, ({ run }) => run)))
      const session = yield* host.do(unnamed)
      yield* host.do(said(session, "say the porch was painted green and then blue"))
      assert.strictEqual((yield* host.do(jobOver(session))).status, "done")
      assert.strictEqual(yield* host.do(nameOf(session)), "say the porch was painted green")
    }))

  it.scoped("is not made for a session that a channel has made for a single request", () =>
    Effect.gen(function*() {
      const host = yield* titling(() => Effect.succeed("Never"))
      const { id: _, state, ...like } = yield* host.do(unnamed)
      const id = freshId() as SessionId
      const made: Session = { ...like, id, state: { ...state, session_id: id } }
      const session = yield* host.do(Effect.flatMap(SessionKeys, ({ once }) => once("chat_completions", made)))
      yield* host.do(said(session, "say one"))
      assert.strictEqual((yield* host.do(jobOver(session))).status, "done")
      assert.strictEqual(host.calls.length, 0)
    }))

  it.scoped("is asked for by no setting: nothing is written then", () =>
    Effect.gen(function*() {
      const host = yield* titling(() => Effect.succeed("Never"), {})
      const session = yield* host.do(unnamed)
      yield* host.do(said(session, "say one"))
      assert.deepStrictEqual(yield* host.do(jobsOf(session)), [])
    }))
})

describe("What a model answers", () => {
  it("becomes one plain line, or nothing", () => {
    for (
      const [answer, title] of [
        ["Counting to three", "Counting to three"],
        ["\n  **Counting**.  \nAnd more", "Counting"],
        ["Title: “Bonjour le monde”", "Bonjour le monde"],
        ["**Title:** Bonjour", "Bonjour"],
        ["# Title: Bonjour", "Bonjour"],
        ["a\u202Eb\u0007c", "a b c"],
        ["x".repeat(500), `${"x".repeat(79)}…`],
        ["\u200B \n ", undefined],
        ["\"\"", undefined],
        ["", undefined]
      ] as const
    ) assert.strictEqual(titleIn(answer), title)
  })
})
