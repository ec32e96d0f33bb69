/** What a real PostgreSQL refuses for its content, and what it still holds from before files were stored apart. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Client } from "pg"
import { frame } from "../../src/domain/Event.ts"
import type { BlockId, RunId } from "../../src/domain/Ids.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import type { ModelCall } from "../../src/services/Models.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { Storage } from "../../src/services/Storage.ts"
import { modelsAsked } from "../support/asked.ts"
import { messageOf, pageOf, placedOf, runOf } from "../support/fixtures.ts"
import { conversation, converse, say } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"
import { png } from "../support/pictures.ts"
import { freshDatabase } from "../support/Postgres.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

/** A host on the database, and what its models are asked. */
const hostOn = (url: string, asked: Array<ModelCall> = []) => {
  const models = modelsAsked(asked)
  const storage = Layer.fresh(Host.postgres({ url: Redacted.make(url), maxConnections: 4 }))
  return Host.engine(models.pipe(Layer.provideMerge(Layer.merge(storage, vault))), { trusted: true })
}

const query = (connectionString: string, text: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString })
    await client.connect()
    const result = await client.query(text)
    await client.end()
    return result as { readonly rows?: ReadonlyArray<Readonly<Record<string, unknown>>> }
  })

/**
 * The database refuses pages in which a model says `poison-<state>`, or a person `refuse-<state>`, with that SQLSTATE.
 * It counts how often; a sequence is not rolled back.
 */
const poisoned = `
  create sequence refusals;
  create function refuse() returns trigger language plpgsql as $$
    declare
      found text := coalesce(
        substring(new.frames from '"delta":"poison-([0-9A-Z]{5})'),
        substring(new.frames from '"text":"refuse-([0-9A-Z]{5})')
      );
    begin
      if found is not null then
        perform nextval('refusals');
        raise exception 'refused' using errcode = found;
      end if;
      return new;
    end $$;
  create trigger refuse before insert on log_pages for each row execute function refuse()`

/** Tries that a page which cannot be written may cost in all: with others, alone, and for the end that says so. */
const fewTries = 12

/** A NUL, and a limit of the program. */
const states = ["22P05", "54000"]

const ended = (session: Session, run_id: RunId) =>
  Effect.flatMap(Storage, ({ runs }) =>
    Effect.repeat(Effect.delay(runs.get(session.user_id, run_id), "20 millis"), {
      until: ({ status }) => status === "ended",
      times: patience(1_500)
    }))

describe("A database that refuses what is said in a run", () => {
  it.live(
    "ends that run with an error that is kept, is not asked for ever, and serves everybody else",
    () =>
      Effect.gen(function*() {
        const url = yield* Effect.promise(() => freshDatabase())
        yield* Effect.gen(function*() {
          yield* query(url, poisoned)
          const tries = Effect.map(
            query(url, "select nextval('refusals')::int - 1 as tries"),
            ({ rows }) => Number(rows?.[0]?.["tries"])
          )
          const other = yield* conversation("demo-script", { parameters: { delay_ms: 5 } })
          const going = yield* say(other, "repeat 400 word ")
          let before = yield* tries
          for (const state of states) {
            const session = yield* conversation()
            // The input is in the log before the model says something.
            const { run_id } = yield* say(session, `sleep 300\nsay poison-${state}`)
            const run = yield* ended(session, run_id)
            assert.deepInclude(run, { status: "ended", finished_reason: "error" }, state)
            assert.include(run.error?.message, "storage refused what was said in it", state)
            const after = yield* tries
            assert.isBelow(after - before, fewTries, state)
            before = after
            const { events } = yield* converse(session, "say fine")
            assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" }, state)
            // Nothing of it is tried again later.
            assert.strictEqual(yield* tries, before + 1, state)
            before++
          }
          assert.deepInclude(yield* ended(other, going.run_id), { finished_reason: "completed" })
          assert.isTrue(yield* (yield* Rooms).healthy)
        }).pipe(Effect.provide(hostOn(url)), Effect.scoped)
      }),
    patience(120_000)
  )

  it.live("refuses an input whose text it cannot hold, and takes the next one", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      yield* Effect.gen(function*() {
        yield* query(url, poisoned)
        const session = yield* conversation()
        for (const state of states) {
          const refused = yield* Effect.flip(Effect.exit(say(session, `refuse-${state}`)).pipe(Effect.flatten))
          assert.property(refused, "_tag", state)
        }
        const { events } = yield* converse(session, "say fine")
        assert.deepInclude(events.at(-1), { type: "REPLY_END", finished_reason: "completed" })
      }).pipe(Effect.provide(hostOn(url)), Effect.scoped)
    }), patience(120_000))
})

/** What the database was before lists of runs could be narrowed. */
const beforeRunFilters = `
  drop table mcp_authorizations, elicitations;
  drop table skills, skill_pieces, skill_bundles;
  drop table background_tasks;
  drop table own_tasks;
  drop table a2a_pushes;
  drop table agent_configs;
  drop table recollections;
  drop index schedules_defined;
  alter table schedules drop column defined;
  drop table remote_calls, remote_agents;
  drop table threads;
  drop table session_keys;
  drop table completion_messages, stored_completions;
  drop table responses, conversations;
  drop table compactions;
  drop table deliveries, notifications, jobs;
  drop trigger fill_in_run on runs;
  drop function fill_in_run;
  drop index runs_by_owner;
  alter table runs drop column agent_id, drop column source, drop column source_id;
  create index runs_by_owner on runs (owner, id);
  delete from stoa_migrations where id >= 13;`

/** What the database was before files were stored apart. */
const beforeFiles = `${beforeRunFilters}
  drop table mcp_servers;
  drop table fires, schedule_states, schedules;
  alter table sessions drop column schedule_id;
  drop table session_files, file_pieces, files;
  alter table log_pages drop column form;
  delete from stoa_migrations where id >= 9`

describe("A database from before files were stored apart", () => {
  it.live("is read on: a file within a message reaches the model in each later turn", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      const data = png(60_000).toString("base64")
      const source = { type: "base64", data, media_type: "image/png" } as const
      const session = yield* Effect.gen(function*() {
        const session = yield* conversation()
        const message = messageOf("", { content: [{ type: "data", id: "picture" as BlockId, source }] })
        const page = pageOf(session, 1, 1, {
          frames: frame(1, JSON.stringify({ type: "CUSTOM", name: "user_message", value: { message } }))
        })
        yield* (yield* EventLog).append({ runs: [], pages: [page], messages: [placedOf(session, 1, message)] })
        return session
      }).pipe(Effect.provide(hostOn(url)), Effect.scoped)
      yield* query(url, beforeFiles)

      const asked: Array<ModelCall> = []
      yield* Effect.gen(function*() {
        yield* converse(session, "say seen")
        yield* converse(session, "say again")
        const sources = asked.map(({ messages }) =>
          messages.flatMap(({ content }) => content.flatMap((block) => block.type === "data" ? [block.source] : []))
        )
        assert.deepStrictEqual(sources, [[source], [source]])
        const log = yield* EventLog
        const [first] = yield* log.messages(session.id, { offset: 0, limit: 1 })
        assert.deepInclude(first?.message.content[0], { type: "data", source })
      }).pipe(Effect.provide(hostOn(url, asked)), Effect.scoped)
    }), patience(120_000))
})

describe("A database from before lists of runs could be narrowed", () => {
  it.live("is read on: its runs are found by their agent and by what sent them", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      const { fired, sent, session } = yield* Effect.gen(function*() {
        const session = yield* conversation()
        const { runs } = yield* Storage
        const words = "\"reply_id\":\"x\",\"source\":\"agent\",\"source_id\":\"y\""
        const metadata = { reply_id: "x", source: "agent", source_id: "y" }
        const sent = yield* runs.insert(runOf(session, { input: [messageOf(words, { metadata })] }))
        const fired = yield* runs.insert(runOf(session, { source: "schedule", source_id: "fire-1" }))
        return { session, sent, fired }
      }).pipe(Effect.provide(hostOn(url)), Effect.scoped)
      yield* query(url, beforeRunFilters)

      yield* Effect.gen(function*() {
        const { runs } = yield* Storage
        const page = { limit: 10, cursor: undefined }
        const list = (where: Parameters<typeof runs.list>[2]) =>
          Effect.map(runs.list(session.user_id, page, where), ({ items }) => items.map(({ id }) => id))
        assert.deepStrictEqual(yield* list({ agent_id: session.agent_id }), [sent.id, fired.id])
        assert.deepStrictEqual(yield* list({ source: "user" }), [sent.id])
        assert.deepStrictEqual(yield* list({ source: "schedule", source_id: "fire-1" }), [fired.id])
        assert.deepStrictEqual(yield* list({ source_id: "y" }), [])

        // As a process of the version before writes it, while others are upgraded.
        const late = runOf(session, { source: "schedule", source_id: "fire-2" })
        const data = JSON.stringify(late).replaceAll("'", "''")
        yield* query(
          url,
          `insert into runs (id, owner, session_id, status, created_at, updated_at, data)
            values ('${late.id}', '${late.user_id}', '${late.session_id}', 'running', now(), now(), '${data}')`
        )
        assert.deepStrictEqual(yield* list({ agent_id: session.agent_id, source_id: "fire-2" }), [late.id])
      }).pipe(Effect.provide(hostOn(url)), Effect.scoped)
    }), patience(120_000))
})
