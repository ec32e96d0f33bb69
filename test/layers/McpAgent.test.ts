/** Agents that use the tools of MCP servers: a server from npm that is not ours, by both transports, and the permission system. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { MessageId, ToolCallId } from "../../src/domain/Ids.ts"
import type { McpServerDraft } from "../../src/domain/McpServer.ts"
import type { Session } from "../../src/domain/Session.ts"
import { Mcp } from "../../src/services/Mcp.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { answer, conversation, converse } from "../support/hub.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { addressOf, draftOf, host } from "../support/mcp/Servers.ts"
import { patience } from "../support/Patience.ts"

const everything = new URL(
  "../../node_modules/@modelcontextprotocol/server-everything/dist/index.js",
  import.meta.url
).pathname

const freePort = Effect.promise(() =>
  new Promise<number>((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
)

const servers: Readonly<Record<string, Effect.Effect<McpServerDraft, never, Scope.Scope>>> = {
  "as a program": Effect.succeed(draftOf("everything", {
    type: "stdio_mcp",
    command: process.execPath,
    args: [everything, "stdio"],
    env: null,
    cwd: null,
    encoding_error_handler: null
  })),
  "at an address": Effect.gen(function*() {
    const port = yield* freePort
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [everything, "streamableHttp"], {
          env: { ...process.env, PORT: `${port}` },
          stdio: ["ignore", "ignore", "pipe"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    yield* Effect.promise(() =>
      new Promise<void>((resolve) =>
        child.stderr.on("data", (said) => `${said}`.includes("listening") ? resolve() : undefined)
      )
    )
    return addressOf("everything", `http://127.0.0.1:${port}/mcp`)
  })
}

const add = ({ agent_id, config, user_id }: Session, draft: McpServerDraft) =>
  Effect.flatMap(
    Mcp,
    (mcp) => mcp.add({ user_id, isAdmin: true }, { agent_id, workspace_id: config.workspace_id }, draft)
  )

const outputOf = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) => event.type === "TOOL_RESULT_TEXT_DELTA" ? [event.delta] : []).join("")

const statesOf = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) => event.type === "TOOL_RESULT_END" ? [event.state] : [])

const asked = (events: ReadonlyArray<AgentEvent>) =>
  events.flatMap((event) => event.type === "REQUIRE_USER_CONFIRM" ? event.tool_calls : [])

for (const [how, server] of Object.entries(servers)) {
  describe(`A server from npm ${how}`, () => {
    it.scopedLive(
      "is used by an agent: texts, pictures, progress, and errors that the model reads",
      () =>
        Effect.gen(function*() {
          const session = yield* conversation("demo-script", { mode: "bypass" })
          yield* add(session, yield* server)
          const { events } = yield* converse(
            session,
            [
              `call mcp__everything__echo {"message":"hello"}`,
              "then",
              `call mcp__everything__get-sum {"a":2,"b":40}`,
              "then",
              "call mcp__everything__get-tiny-image {}",
              "then",
              `call mcp__everything__trigger-long-running-operation {"duration":1,"steps":4}`,
              "then",
              `call mcp__everything__get-sum {"a":"two"}`
            ].join("\n")
          )
          const output = outputOf(events)
          assert.include(output, "Echo: hello")
          assert.include(output, "42")
          assert.include(output, "Long running operation completed")
          assert.deepStrictEqual(statesOf(events), ["success", "success", "success", "success", "error"])
          assert.isTrue(
            events.some((event) => event.type === "TOOL_RESULT_DATA_DELTA" && event.media_type === "image/png")
          )
        }).pipe(Effect.provide(host)),
      patience(60_000)
    )
  })
}

describe("A call of an MCP tool", () => {
  const confirm = (events: ReadonlyArray<AgentEvent>) => ({
    type: "USER_CONFIRM_RESULT" as const,
    reply_id: events.flatMap((event) => "reply_id" in event ? [event.reply_id] : [])[0] as MessageId,
    confirm_results: asked(events).map(({ id, suggested_rules }) => ({
      confirmed: true,
      tool_call: { id: id as ToolCallId },
      rules: suggested_rules ?? []
    }))
  })

  it.scopedLive("waits for a person, who can allow the tool for the session", () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      const { calls, url } = yield* atAddress()
      yield* add(session, addressOf("web", url))
      const first = yield* converse(session, "call mcp__web__echo {\"text\":\"one\"}")
      assert.deepStrictEqual(calls, [])
      const [call] = asked(first.events)
      assert.deepInclude(call?.suggested_rules?.[0], { tool_name: "mcp__web__echo", rule_content: null })
      yield* answer(session, confirm(first.events))
      const hub = yield* SessionHub
      yield* Effect.repeat(Effect.delay(hub.status(session), "20 millis"), { until: (status) => status === "idle" })
      assert.deepStrictEqual(calls, ["echo"])
      const second = yield* converse(session, "call mcp__web__echo {\"text\":\"two\"}")
      assert.strictEqual(outputOf(second.events), "two")
      assert.deepStrictEqual(asked(second.events), [])
    }).pipe(Effect.provide(host)), patience(60_000))

  it.scopedLive(
    "is denied where the mode or the agent's choice of tools says so, and nobody is asked about a tool that is not there",
    () =>
      Effect.gen(function*() {
        const { calls, url } = yield* atAddress()
        const exploring = yield* conversation("demo-script", { mode: "explore" })
        yield* add(exploring, addressOf("web", url))
        const denied = yield* converse(exploring, "call mcp__web__echo {}")
        assert.deepStrictEqual(statesOf(denied.events), ["denied"])

        const session = yield* conversation("demo-script", { mode: "default" })
        yield* add(session, addressOf("web", url))
        const { agents } = yield* Storage
        yield* agents.modify(session.user_id, session.agent_id, (agent) => ({
          ...agent,
          data: { ...agent.data, tools: ["mcp__web__echo"] }
        }))
        const other = yield* converse(session, "call mcp__web__picture {}")
        assert.deepStrictEqual(statesOf(other.events), ["error"])
        assert.deepStrictEqual(asked(other.events), [])
        assert.deepStrictEqual(calls, [])
      }).pipe(Effect.provide(host)),
    patience(60_000)
  )
})
