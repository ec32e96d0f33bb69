/** Authorizations and questions of MCP servers where two processes share one PostgreSQL. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import * as Host from "../../src/layers/Host.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Elicitations } from "../../src/services/Elicitations.ts"
import { Mcp } from "../../src/services/Mcp.ts"
import { timestampOf } from "../../src/services/Now.ts"
import { Storage } from "../../src/services/Storage.ts"
import { modelsAsked } from "../support/asked.ts"
import { elicitationOf } from "../support/fixtures.ts"
import { conversation, converse } from "../support/hub.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { oauthServer } from "../support/mcp/OAuthServer.ts"
import { addressOf } from "../support/mcp/Servers.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

class Database extends Context.Tag("test/McpDatabase")<Database, string>() {}

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))
const outbound = OutboundGuarded.layer({ hosts: [], loopback: true })

const process = Effect.gen(function*() {
  const url = yield* Database
  const storage = Layer.fresh(Host.postgres({ url: Redacted.make(url), maxConnections: 4 }))
  const parts = modelsAsked([]).pipe(Layer.provideMerge(Layer.merge(storage, vault)))
  const host = yield* Layer.build(Host.engine(parts, { trusted: true, outbound }))
  return { do: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, host) }
})

type Process = Effect.Effect.Success<typeof process>

const two = Effect.all([process, process])

const database = Layer.effect(Database, Effect.promise(() => freshDatabase()))
const callback = { redirect: "http://127.0.0.1:1/mcp/authorize/callback", metadata: "http://127.0.0.1:1/client.json" }

/** Somebody who has begun to authorize the server at one process and has come back to another. */
const authorized = Effect.fnUntraced(function*(at: Process, back: Process, url: string) {
  const session = yield* at.do(conversation("demo-script", { mode: "bypass" }))
  const owner = session.user_id
  const of = { agent_id: session.agent_id, workspace_id: session.config.workspace_id }
  yield* at.do(Effect.flatMap(Mcp, ({ add }) => add({ user_id: owner, isAdmin: false }, of, addressOf("web", url))))
  const begun = yield* at.do(Effect.flatMap(Mcp, ({ authorize }) => authorize(owner, of, "web", callback)))
  const found = yield* Effect.promise(async () => {
    const { headers } = await fetch(begun.authorization_url!, { redirect: "manual" })
    return new URL(headers.get("location")!).searchParams
  })
  const [state, code, iss] = ["state", "code", "iss"].map((name) => found.get(name)!)
  yield* back.do(Effect.flatMap(Mcp, ({ finishAuthorization }) => finishAuthorization({ state: state!, code, iss })))
  return { of, owner }
})

layer(database, { timeout: patience(60_000), excludeTestServices: true })("Two processes", (it) => {
  it.scoped("renew tokens once for both, and a person who was at one has authorized both", () =>
    Effect.gen(function*() {
      const [a, b] = yield* two
      const { expire, answer, heard, url } = yield* oauthServer()
      const { of, owner } = yield* authorized(a, b, url)
      // What another process has changed is seen within seconds.
      const called = Effect.flatMap(Mcp, ({ call }) =>
        Effect.repeat(
          Effect.delay(call(owner, of, "mcp__web__echo", { text: "x" }, () => {}), "50 millis"),
          { until: (state) => state !== undefined }
        ))
      assert.deepStrictEqual([yield* a.do(called), yield* b.do(called)], ["success", "success"])
      expire()
      answer(200, 400)
      const both = yield* Effect.all([a, b, a, b].map((one) => one.do(called)), { concurrency: "unbounded" })
      assert.deepStrictEqual(both, ["success", "success", "success", "success"])
      assert.strictEqual(heard.filter((one) => one === "token refresh_token").length, 1)
    }))

  it.scoped("do not wait for one that was killed while it renewed", () =>
    Effect.gen(function*() {
      const [a] = yield* two
      const { expire, url } = yield* oauthServer()
      const { of, owner } = yield* authorized(a, a, url)
      expire()
      const inAnHour = timestampOf((yield* Effect.clockWith((clock) => clock.currentTimeMillis)) + 3_600_000)
      yield* a.do(Effect.gen(function*() {
        const { mcpAuthorizations: rows } = yield* Storage
        const { items: [row] } = yield* rows.list(owner, { limit: 1 })
        yield* rows.modify(owner, row!.id, (now) => ({ ...now, lease: { by: "1 gone", until: inAnHour } }))
      }))
      const called = yield* a.do(
        Effect.flatMap(Mcp, ({ call }) => call(owner, of, "mcp__web__echo", { text: "x" }, () => {}))
      )
      assert.strictEqual(called, "success")
    }))

  it.scoped("leave no refresh token behind that is used already, when one of them ends while it renews", () =>
    Effect.gen(function*() {
      const ending = yield* Scope.make()
      const [a, b] = [yield* Scope.extend(process, ending), yield* process]
      const { answer, expire, heard, url } = yield* oauthServer()
      const { of, owner } = yield* authorized(a, a, url)
      const called = Effect.flatMap(Mcp, ({ call }) => call(owner, of, "mcp__web__echo", { text: "x" }, () => {}))
      assert.strictEqual(yield* a.do(called), "success")
      expire()
      answer(200, 400)
      yield* Effect.fork(a.do(called))
      yield* Effect.repeat(Effect.delay(Effect.sync(() => heard.includes("token refresh_token")), "20 millis"), {
        until: (isRenewing) => isRenewing
      })
      yield* Scope.close(ending, Exit.void)
      assert.strictEqual(yield* b.do(called), "success")
    }))

  it.scoped("answer each other's questions, and know which process does not wait any more", () =>
    Effect.gen(function*() {
      const [a, b] = yield* two
      const { url } = yield* atAddress()
      const session = yield* a.do(conversation("demo-script", { mode: "bypass" }))
      const owner = session.user_id
      const of = { agent_id: session.agent_id, workspace_id: session.config.workspace_id }
      yield* a.do(Effect.flatMap(Mcp, ({ add }) => add({ user_id: owner, isAdmin: false }, of, addressOf("web", url))))
      const turn = yield* Effect.fork(a.do(converse(session, "call mcp__web__ask {}")))
      const open = b.do(Effect.flatMap(Elicitations, ({ open }) => open(owner, session.id)))
      const [question] = yield* Effect.repeat(Effect.delay(open, "50 millis"), { until: (all) => all.length > 0 })
      const answer = { action: "accept" as const, content: { name: "Ada" } }
      const say = (id: typeof question) =>
        b.do(Effect.flatMap(Elicitations, (all) => all.answer(owner, session.id, id!.elicitation_id, answer)))
      yield* say(question)
      const { events } = yield* Fiber.join(turn)
      const output = events.flatMap((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? [event.delta] : []).join("")
      assert.deepStrictEqual(JSON.parse(output), { action: "accept", content: { name: "Ada", age: 30 } })

      // One that a process has left which was killed.
      const left = { ...elicitationOf(session), question: { ...elicitationOf(session).question } }
      const later = new Date(Date.now() + 60_000).toISOString() as typeof left.created_at
      const row = { ...left, question: { ...left.question, elicitation_id: left.id, expires_at: later } }
      yield* a.do(Effect.flatMap(Storage, ({ elicitations }) => elicitations.insert(row)))
      assert.deepStrictEqual(yield* open, [])
      assert.deepInclude(yield* Effect.flip(say(row.question)), { _tag: "Conflict", code: "elicitation_over" })
    }))
})
