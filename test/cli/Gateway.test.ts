/** `stoa tools`, `stoa executions` and `stoa invoke`: where they look for the Agent Gateway's API. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"

const tool = { name: "Calculate", description: "Counts.", source: "code" }

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
      const { code, out } = yield* stoa({}, "tools", "-o", "json", "--url", url)
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
      const { code, err } = yield* stoa({}, "executions", "--url", url)
      assert.strictEqual(code, 1)
      assert.include(err, "does not serve the Agent Gateway's API")
    }))
})
