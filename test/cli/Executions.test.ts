import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"

const usage = { input_tokens: 3, output_tokens: 4, cost_usd: 0.5 }

const execution = {
  execution_id: "r1",
  agent_id: "a1",
  status: "completed",
  message: "add, please",
  error: null,
  source: "user",
  session_id: "s1",
  root_execution_id: "r1",
  usage,
  created_at: "2026-01-31T09:30:00.000Z",
  completed_at: "2026-01-31T09:30:01.000Z"
}

const tool = { name: "add", description: "Adds", source: "file", parameters: { type: "object" } }

const server = fakeServer((_, line) => {
  switch (line) {
    case "GET /v1/executions?agent_id=a1&limit=2":
    case "GET /v1/executions?limit=500":
      return json([execution])
    case "GET /v1/executions/r%2F1":
      return json({ ...execution, result: { output: { sum: 42 }, raw_text: "" } })
    case "POST /v1/executions/r1/cancel":
      return json({ execution_id: "r1", status: "cancelled" })
    case "GET /v1/tools":
      return json([tool])
    case "GET /v1/tools/add":
      return json(tool)
    default:
      return undefined
  }
})

/** What each format makes of a list: the first line. */
const firstLines = (words: ReadonlyArray<string>) =>
  Effect.flatMap(
    server,
    ({ url }) =>
      Effect.forEach(["table", "json", "ndjson", "csv"], (format) =>
        Effect.map(stoa({}, ...words, "-o", format, "--url", url), ({ code, err, out }) => {
          assert.deepStrictEqual([code, err], [0, ""])
          return out.split("\n")[0]
        }))
  )

describe("executions and tools", () => {
  it.scopedLive("are listed in each format", () =>
    Effect.gen(function*() {
      const [table, array, line, csv] = yield* firstLines(["executions", "list"])
      assert.match(table!, /^ID +STATUS +MESSAGE/)
      assert.strictEqual(array, "[")
      assert.deepStrictEqual(JSON.parse(line!), execution)
      assert.strictEqual(csv, "id,status,message,source,cost,created,agent,session,error")
      const [tools, , one, head] = yield* firstLines(["tools", "list"])
      assert.match(tools!, /^NAME +SOURCE +DESCRIPTION/)
      assert.deepStrictEqual(JSON.parse(one!), tool)
      assert.strictEqual(head, "name,source,description")
    }))

  it.scopedLive("are narrowed, shown and stopped", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const run = (...words: ReadonlyArray<string>) => stoa({}, ...words, "--url", url)
      assert.include((yield* run("executions", "list", "--agent", "a1", "--limit", "2")).out, "add, please")
      assert.include((yield* run("executions", "show", "r/1")).out, "{\"sum\":42}")
      assert.strictEqual((yield* run("executions", "cancel", "r1")).out, "cancelled\n")
      assert.include((yield* run("tools", "show", "add")).out, "{\"type\":\"object\"}")
    }))
})
