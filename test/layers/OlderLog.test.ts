/** A database of an older version is upgraded: its logs, messages and runs are told in today's form, and its runs go on. */
import { SqlClient } from "@effect/sql"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted } from "effect"
import { frame } from "../../src/domain/Event.ts"
import type { CredentialId, RunId, SessionId, ToolCallId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Run } from "../../src/domain/Run.ts"
import type { Session } from "../../src/domain/Session.ts"
import { messagesOf } from "../../src/domain/Transcript.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Migrations from "../../src/layers/Sql/Migrations.ts"
import { all } from "../../src/layers/Sql/migrations/All.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { complaintsAbout, complaintsAboutA } from "../support/agentservice/Conforms.ts"
import { kindOf } from "../support/events.ts"
import { agentOf, freshId, freshOwner, messageOf, runOf, sessionOf, time } from "../support/fixtures.ts"
import { answer, watch } from "../support/hub.ts"
import { eventually, everything, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const agent = agentOf(freshOwner())
const credential_id = freshId() as CredentialId

const session: Session = {
  ...sessionOf(agent),
  config: {
    ...sessionOf(agent).config,
    chat_model_config: {
      type: "demo_credential",
      credential_id,
      model: "demo-script",
      parameters: {}
    }
  }
}
const asking: Session = { ...session, id: freshId() as SessionId }

const usage = { input_tokens: 1, output_tokens: 1 }
let made = 0
const event = (type: string, fields: object) => ({ id: `old-${++made}`, created_at: time, type, ...fields })

/** What began every run. */
const begun = (session_id: string, run: Pick<Run, "id" | "reply_id" | "input">) => {
  const ids = { session_id, run_id: run.id }
  return [
    ...run.input.map((message) => event("USER_MESSAGE", { ...ids, message })),
    event("REPLY_START", { ...ids, reply_id: run.reply_id, name: "Friday", role: "assistant" }),
    event("MODEL_CALL_START", { reply_id: run.reply_id, model_name: "demo-script" })
  ]
}

const said = (reply_id: string, block_id: string, delta: string) => [
  event("TEXT_BLOCK_START", { reply_id, block_id }),
  event("TEXT_BLOCK_DELTA", { reply_id, block_id, delta })
]

const cut = {
  ...runOf(session, { input: [messageOf("go on for long")] }),
  status: "ended",
  finished_reason: "max_tokens"
}
const cutEvents = [
  event("RUN_QUEUED", { session_id: session.id, run_id: cut.id }),
  ...begun(session.id, cut),
  ...said(cut.reply_id, "b1", "Half an"),
  event("TEXT_BLOCK_END", { reply_id: cut.reply_id, block_id: "b1" }),
  event("MODEL_CALL_END", { reply_id: cut.reply_id, ...usage, finished_reason: "length" }),
  event("REPLY_END", {
    session_id: session.id,
    run_id: cut.id,
    reply_id: cut.reply_id,
    finished_reason: "max_tokens",
    error: null,
    usage
  })
]
const cutReply = {
  ...messageOf("Half an", { id: cut.reply_id, name: "Friday", role: "assistant", usage, error: null }),
  finished_reason: "max_tokens"
}

/** It was going on when the server was stopped. */
const going = runOf(session, { input: [messageOf("say the rest")], first_seq: cutEvents.length + 1 })
const goingEvents = [...begun(session.id, going), ...said(going.reply_id, "b2", "the ")]

const parked = { ...runOf(asking, { input: [messageOf("then\nsay thanks")] }), status: "awaiting_permission" }
const call = {
  type: "tool_call",
  id: "c1",
  name: "Pause",
  input: "{\"seconds\":0,\"note\":\"paused\"}",
  state: "asking",
  suggested_rules: []
}
const parkedEvents = [
  ...begun(asking.id, parked),
  event("TOOL_CALL_START", { reply_id: parked.reply_id, tool_call_id: "c1", tool_call_name: "Pause" }),
  event("TOOL_CALL_DELTA", { reply_id: parked.reply_id, tool_call_id: "c1", delta: call.input }),
  event("TOOL_CALL_END", { reply_id: parked.reply_id, tool_call_id: "c1" }),
  event("MODEL_CALL_END", { reply_id: parked.reply_id, ...usage, finished_reason: "tool_calls" }),
  event("REQUIRE_USER_CONFIRM", { reply_id: parked.reply_id, tool_calls: [call] }),
  event("RUN_PARKED", {
    session_id: asking.id,
    run_id: parked.id,
    reply_id: parked.reply_id,
    waiting_for: "user_confirmation"
  })
]
const parkedReply = {
  ...messageOf("", { id: parked.reply_id, name: "Friday", role: "assistant", finished_at: null, usage }),
  content: [call]
}

const framesFrom = (first: number, events: ReadonlyArray<object>) =>
  events.map((event, i) => frame(first + i, JSON.stringify(event))).join("")

const insert = <Record extends { readonly id: string }>(
  sql: SqlClient.SqlClient,
  table: string,
  record: Record,
  columns: object = {}
) =>
  sql`insert into ${sql(table)} ${
    sql.insert({
      id: record.id,
      owner: agent.user_id,
      created_at: time,
      updated_at: time,
      data: JSON.stringify(record),
      ...columns
    })
  }`

const page = (
  sql: SqlClient.SqlClient,
  session_id: string,
  run_id: string,
  first: number,
  events: ReadonlyArray<object>,
  ends: boolean
) =>
  sql`insert into log_pages ${
    sql.insert({
      session_id,
      first_seq: first,
      last_seq: first + events.length - 1,
      run_id,
      ends,
      frames: framesFrom(first, events)
    })
  }`

/** Writes what the version before this one would have written. */
const writeAsBefore = Effect.gen(function*() {
  const older = Object.fromEntries(Object.entries(all).filter(([name]) => name < "0010"))
  yield* Migrations.migrate(older)
  const sql = yield* SqlClient.SqlClient
  yield* insert(sql, "agents", agent)
  yield* insert(sql, "credentials", {
    id: credential_id,
    user_id: agent.user_id,
    created_at: time,
    updated_at: time,
    type: "demo_credential",
    name: "Demo",
    settings: {},
    secrets: [],
    sealed: null
  }, { type: "demo_credential" })
  for (const one of [session, asking]) yield* insert(sql, "sessions", one, { agent_id: agent.id })
  for (const { session_id, ...run } of [cut, going, parked]) {
    yield* insert(sql, "runs", { session_id, ...run }, { session_id, status: run.status })
  }
  yield* page(sql, session.id, cut.id, 1, cutEvents, true)
  yield* page(sql, session.id, going.id, cutEvents.length + 1, goingEvents, false)
  yield* page(sql, asking.id, parked.id, 1, parkedEvents, true)
  const messages = [
    [session, 2, cut.input[0]!],
    [session, 3, cutReply],
    [session, cutEvents.length + 1, going.input[0]!],
    [asking, 1, parked.input[0]!],
    [asking, 2, parkedReply]
  ] as const
  for (const [{ id: session_id }, seq, message] of messages) {
    yield* sql`insert into messages ${
      sql.insert({ session_id, seq, id: message.id, owner: agent.user_id, data: JSON.stringify(message) })
    }`
  }
})

const database = Layer.unwrapEffect(
  Effect.gen(function*() {
    const url = Redacted.make(yield* Effect.promise(() => freshDatabase()))
    yield* Effect.provide(writeAsBefore, Pg.layer({ url }))
    return Layer.merge(Host.postgres({ url }), Pg.layer({ url, maxConnections: 2 }))
  }).pipe(Effect.scoped)
)

layer(database, { timeout: patience(60_000), excludeTestServices: true })("A database of an older version", (it) => {
  it.scoped("tells its logs in today's form, from any cursor, and has the messages that they fold to", () =>
    Effect.gen(function*() {
      const told = yield* everything(session)
      assert.deepStrictEqual(told.map(({ seq }) => seq), told.map((_, i) => i + 1))
      for (const { event } of told) assert.deepStrictEqual(complaintsAbout(event), [])
      assert.deepStrictEqual(told.slice(0, 3).map(({ event }) => kindOf(event)), [
        "run_queued",
        "user_message",
        "REPLY_START"
      ])
      assert.deepInclude(told[cutEvents.length - 1]!.event, {
        type: "REPLY_END",
        finished_reason: "completed",
        stop_reason: "max_tokens"
      })
      const host = yield* live()
      const seen = yield* host.do(watch(session, { after: 0 }))
      yield* eventually("replayed", Effect.sync(() => seen.events().length), (n) => n === told.length)
      assert.deepStrictEqual(seen.events(), told)
      // A cursor that a client got from the older version goes on where it was.
      for (const after of [1, 5, cutEvents.length]) {
        const rest = yield* host.do(watch(session, { after }))
        yield* eventually("replayed", Effect.sync(() => rest.events().length), (n) => n === told.length - after)
        assert.strictEqual(rest.frames(), seen.frames().slice(seen.frames().length - rest.frames().length))
      }
      const one = yield* host.do(watch(session, { after: 0, only: cut.id }))
      yield* Deferred.await(one.ended)
      assert.lengthOf(one.events(), cutEvents.length)
      const hub = yield* host.do(SessionHub)
      const { messages } = yield* hub.messages(session, { offset: 0, limit: 10 })
      for (const message of messages) assert.deepStrictEqual(complaintsAboutA("Msg", message), [])
      const [, folded] = messagesOf(told.map(({ event }) => event))
      for (const field of ["id", "name", "role", "finished_reason", "stop_reason", "error", "usage"] as const) {
        assert.deepStrictEqual<unknown>(folded![field], messages[1]![field], field)
      }
      assert.strictEqual(textOf(folded!.content), textOf(messages[1]!.content))
      assert.deepInclude(yield* storedRun(session, cut.id), { finished_reason: "completed", stop_reason: "max_tokens" })
    }))

  it.scoped("has its unfinished runs go on, in today's form", () =>
    Effect.gen(function*() {
      const host = yield* live()
      yield* host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
      yield* eventually("ended", storedRun(session, going.id), ({ status }) => status === "ended")
      const told = yield* everything(session)
      const rest = told.slice(cutEvents.length + goingEvents.length)
      assert.deepStrictEqual(told.map(({ seq }) => seq), told.map((_, i) => i + 1))
      assert.strictEqual(kindOf(rest[0]!.event), "run_resumed")
      assert.deepInclude(rest.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
      const hub = yield* host.do(SessionHub)
      const { messages } = yield* hub.messages(session, { offset: 0, limit: 10 })
      assert.strictEqual(textOf(messages.at(-1)!.content), "the the rest")
    }))

  it.scoped("has its parked runs answered", () =>
    Effect.gen(function*() {
      const host = yield* live()
      assert.strictEqual(kindOf((yield* everything(asking)).at(-1)!.event), "run_parked")
      yield* host.do(answer(asking, {
        type: "USER_CONFIRM_RESULT",
        reply_id: parked.reply_id,
        confirm_results: [{ confirmed: true, tool_call: { id: "c1" as ToolCallId } }]
      }))
      yield* eventually("ended", storedRun(asking, parked.id), ({ status }) => status === "ended")
      assert.deepInclude(yield* storedRun(asking, parked.id), { finished_reason: "completed" })
      const hub = yield* host.do(SessionHub)
      const { messages } = yield* hub.messages(asking, { offset: 0, limit: 10 })
      assert.strictEqual(textOf(messages.at(-1)!.content), "thanks")
    }))

  it.scoped("reads what a process of the older version, which still runs, writes after the upgrade", () =>
    Effect.gen(function*() {
      const before = (yield* everything(asking)).length
      const sql = yield* SqlClient.SqlClient
      const later = freshId() as RunId
      yield* page(
        sql,
        asking.id,
        later,
        before + 1,
        [event("RUN_QUEUED", { session_id: asking.id, run_id: later })],
        false
      )
      const host = yield* live()
      const seen = yield* host.do(watch(asking, { after: before }))
      yield* eventually("replayed", Effect.sync(() => seen.events().length), (n) => n === 1)
      assert.deepInclude(seen.events()[0]!.event, { name: "run_queued" })
    }))
})
