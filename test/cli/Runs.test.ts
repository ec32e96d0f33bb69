import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"
import { page, run, transcript } from "./Records.ts"

/** A server with one run that is at `status`, and the call `state` of its reply. */
const parked = (status = "awaiting_permission", state = "asking") =>
  fakeServer((_, line) => {
    if (line === "GET /runs/r1") return json(run("r1", status))
    if (line.startsWith("GET /sessions/s1/messages")) return json(transcript("m0", "Pause", state))
    if (line === "POST /chat") return json({ session_id: "s1", run_id: "r1", seq: 9 }, 202)
    if (line === "POST /runs/r1/cancel") return json({ run_id: "r1" }, 202)
    return line.startsWith("GET /runs?") || line.startsWith("GET /sessions/s1/runs?")
      ? json(page("runs", [run("r1", status)]))
      : undefined
  })

describe("runs", () => {
  it.scopedLive("are listed, those of a session and those at a status too", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* parked()
      const all = yield* stoa({}, "runs", "list", "--url", url)
      assert.include(all.out, "awaiting_permission")
      yield* stoa({}, "runs", "list", "--session", "s1", "--status", "running", "--url", url)
      assert.strictEqual(lines().at(-1), "GET /sessions/s1/runs?limit=1000&status=running")
    }))

  it.scopedLive("say what they wait for, and how to answer", () =>
    Effect.gen(function*() {
      const { url } = yield* parked()
      const { err, out } = yield* stoa({}, "runs", "show", "r1", "--url", url)
      assert.include(out, "s1")
      assert.include(err, "Pause")
      assert.include(err, "stoa runs answer r1 --approve")
    }))

  it.scopedLive("are cancelled one by one", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* parked()
      assert.strictEqual((yield* stoa({}, "runs", "cancel", "r1", "--url", url)).code, 0)
      assert.deepStrictEqual(lines(), ["POST /runs/r1/cancel"])
      assert.strictEqual((yield* stoa({}, "runs", "cancel", "r2", "--url", url)).code, 3)
    }))

  it.scopedLive("are answered by --approve, --deny and --results", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* parked()
      const answered = () => Object(asked.findLast(({ path }) => path === "/chat")?.body).input
      assert.strictEqual((yield* stoa({}, "runs", "answer", "r1", "--approve", "--url", url)).code, 0)
      assert.deepStrictEqual(answered(), {
        type: "USER_CONFIRM_RESULT",
        reply_id: "m0",
        confirm_results: [{ confirmed: true, tool_call: { id: "t1" } }]
      })
      yield* stoa({}, "runs", "answer", "r1", "--deny", "--url", url)
      assert.nestedPropertyVal(answered(), "confirm_results[0].confirmed", false)
      const piped = JSON.stringify([{ id: "t1", output: "sunny" }])
      const given = yield* stoa({ piped }, "runs", "answer", "r1", "--results", "-", "--url", url)
      assert.strictEqual(given.code, 0, given.err)
      assert.deepNestedInclude(answered(), { type: "EXTERNAL_EXECUTION_RESULT", "execution_results[0].id": "t1" })
    }))

  it.scopedLive("that are not answered as they wait are told so, and nothing is sent", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* parked("awaiting_external_result", "submitted")
      const wrong = yield* stoa({}, "runs", "answer", "r1", "--approve", "--url", url)
      assert.deepStrictEqual([wrong.code, wrong.err.includes("--results")], [2, true])
      const bad = yield* stoa({ piped: "{}" }, "runs", "answer", "r1", "--results", "-", "--url", url)
      assert.deepStrictEqual([bad.code, bad.err.includes("JSON list")], [2, true])
      assert.strictEqual((yield* stoa({}, "runs", "answer", "r1", "--approve", "--deny", "--url", url)).code, 2)
      assert.notInclude(lines(), "POST /chat")
      const done = yield* fakeServer((_, line) => line === "GET /runs/r1" ? json(run("r1", "running")) : undefined)
      const none = yield* stoa({}, "runs", "answer", "r1", "--approve", "--url", done.url)
      assert.deepStrictEqual([none.code, none.err], [1, "stoa: The run waits for nobody: it is running.\n"])
    }))
})
