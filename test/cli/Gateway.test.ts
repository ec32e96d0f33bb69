/** `stoa tools`, `stoa executions` and `stoa invoke`: where they look for the Agent Gateway's API. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"

const tool = { name: "Calculate", description: "Counts.", source: "code", parameters: { type: "object" } }

const execution = (execution_id: string) => ({
  execution_id,
  agent_id: "a",
  status: "completed",
  message: "hello",
  input: {},
  result: null,
  error: null,
  source: "channel",
  waiting_for: null,
  session_id: "s",
  parent_execution_id: null,
  root_execution_id: execution_id,
  usage: { input_tokens: 1, output_tokens: 2, cost_usd: 0 },
  created_at: "2026-11-28T00:00:00.000Z",
  completed_at: null
})

const health = { status: "ok", tool_count: 1 }

describe("The Agent Gateway's API", () => {
  it.scopedLive("is found where it usually is", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) =>
        line === "GET /v1/health"
          ? json({ status: "ok", tool_count: 1 })
          : line === "GET /v1/tools"
          ? json([tool])
          : undefined
      )
      const { code, out } = yield* stoa({}, "tools", "list", "-o", "json", "--url", url)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(JSON.parse(out), [tool])
      assert.deepStrictEqual(lines(), ["GET /v1/health", "GET /v1/tools"])
    }))

  it.scopedLive("is found at another path, also where another channel answers at the usual one", () =>
    Effect.gen(function*() {
      const execution_id = "e1"
      const { url } = yield* fakeServer((_, line) =>
        line === "GET /v1/health"
          ? json({ status: "ok" })
          : line === "GET /docs/gateway.json"
          ? json({ paths: { "/gate/agents/{agent_id}/invoke": {}, "/gate/tools": {} } })
          : line === "POST /gate/agents/ada/invoke"
          ? json({ execution_id, poll_url: "/gate/executions/e1" }, 202)
          : undefined
      )
      const { code, out } = yield* stoa({}, "invoke", "ada", "hello", "--async", "--url", url)
      assert.deepStrictEqual([code, out], [0, "e1\n"])
    }))

  it.scopedLive("is missed in a sentence where it is switched off", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeServer(() => undefined)
      const { code, err } = yield* stoa({}, "executions", "list", "--url", url)
      assert.strictEqual(code, 1)
      assert.include(err, "does not serve the Agent Gateway's API")
    }))

  it.scopedLive("lists all executions, page by page, and no more than are wanted", () =>
    Effect.gen(function*() {
      const all = Array.from({ length: 501 }, (_, i) => execution(`e${i}`))
      const { lines, url } = yield* fakeServer((_, line) =>
        line === "GET /v1/health"
          ? json(health)
          : line.startsWith("GET /v1/executions?before=e499")
          ? json(all.slice(500))
          : line === "GET /v1/executions?limit=2"
          ? json(all.slice(0, 2))
          : line.startsWith("GET /v1/executions")
          ? json(all.slice(0, 500))
          : undefined
      )
      const listed = yield* stoa({}, "executions", "list", "-o", "json", "--url", url)
      assert.strictEqual(JSON.parse(listed.out).length, 501, listed.err)
      const two = yield* stoa({}, "executions", "list", "--limit", "2", "-o", "csv", "--url", url)
      assert.strictEqual(two.out.trim().split("\n").length, 3)
      assert.include(lines(), "GET /v1/executions?limit=2")
    }))

  it.scopedLive("shows and cancels an execution, and shows a tool", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) =>
        line === "GET /v1/health"
          ? json(health)
          : line === "GET /v1/executions/e1"
          ? json({ ...execution("e1"), result: { output: null, raw_text: "All done" } })
          : line === "POST /v1/executions/e1/cancel"
          ? json({ execution_id: "e1", status: "cancelled" })
          : line === "GET /v1/tools/mcp__a__b"
          ? json({ ...tool, name: "mcp__a__b" })
          : undefined
      )
      const shown = yield* stoa({}, "executions", "show", "e1", "--url", url)
      assert.include(shown.out, "All done")
      assert.strictEqual((yield* stoa({}, "executions", "cancel", "e1", "--url", url)).code, 0)
      assert.include(lines(), "POST /v1/executions/e1/cancel")
      const one = yield* stoa({}, "tools", "show", "mcp__a__b", "-o", "ndjson", "--url", url)
      assert.deepInclude(JSON.parse(one.out), { name: "mcp__a__b", parameters: { type: "object" } })
      assert.strictEqual((yield* stoa({}, "executions", "show", "e2", "--url", url)).code, 3)
    }))
})
