import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json, sse } from "./FakeServer.ts"
import { ended, framesOf, page, run, started, text, timeline, transcript } from "./Records.ts"

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

  it.scopedLive("are listed by agent, schedule, source, time and text, with a session too", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* parked()
      const filters = [
        "--agent",
        "a1",
        "--schedule",
        "t1",
        "--source",
        "schedule",
        "--from",
        "2026-01-31",
        "--text",
        "x"
      ]
      const ran = yield* stoa({}, "runs", "list", "--session", "s1", ...filters, "--url", url)
      assert.deepStrictEqual([ran.code, ran.err], [0, ""])
      const asked = new URLSearchParams(lines().at(-1)!.split("?")[1])
      assert.deepStrictEqual(Object.fromEntries(asked), {
        limit: "1000",
        session_id: "s1",
        agent_id: "a1",
        schedule_id: "t1",
        source: "schedule",
        from: "2026-01-31",
        q: "x"
      })
      assert.strictEqual((yield* stoa({}, "runs", "list", "--from", "yesterday", "--url", url)).code, 2)
    }))

  it.scopedLive("are shown with what they did, step by step", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeServer((_, line) =>
        line === "GET /runs/r1" ? json(run("r1")) : line === "GET /runs/r1/timeline" ? json(timeline("r1")) : undefined
      )
      const { out } = yield* stoa({}, "runs", "show", "r1", "--url", url)
      assert.match(out, /model call .*1\.50 s .*7 in, 3 out .*\$0\.25 .*demo-chat, tool_calls/)
      assert.match(out, /attempt .*attempt 2, after the server had ended/)
      assert.match(out, /wait .* - .*for a person's permission/)
      assert.include(out, "1 model calls in 1.50 s")
      const printed = JSON.parse((yield* stoa({}, "runs", "show", "r1", "-o", "json", "--url", url)).out)
      assert.deepStrictEqual([printed.id, printed.timeline.steps.length], ["r1", 3])
    }))

  it.scopedLive("are sent again, with a key, and the new run's id is printed", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer((_, line) =>
        line === "POST /runs/r1/retry" ? json({ session_id: "s1", run_id: "r2", seq: 9 }, 202) : undefined
      )
      const { code, out } = yield* stoa({}, "runs", "retry", "r1", "--url", url)
      assert.deepStrictEqual([code, out], [0, "r2\n"])
      assert.match(String(asked[0]?.headers["idempotency-key"]), /^[\da-f-]{36}$/)
      assert.strictEqual((yield* stoa({}, "runs", "retry", "r9", "--url", url)).code, 3)
    }))

  it.scopedLive("are watched from their beginning to their end, and nothing of other runs is shown", () =>
    Effect.gen(function*() {
      const mine = [...started, ...text("mine"), ended()]
      const { asked, url } = yield* fakeServer((_, line) =>
        line === "GET /runs/r1"
          ? json({ ...run("r1"), first_seq: 5 })
          : line === "GET /sessions/s1/stream"
          ? sse(framesOf([...text("before"), ...mine, ...text("later")], 5), "waits")
          : undefined
      )
      const ran = yield* stoa({}, "runs", "watch", "r1", "--url", url)
      assert.deepStrictEqual([ran.code, asked.at(-1)?.headers["last-event-id"]], [0, "4"])
      assert.strictEqual(ran.out, "user: hi\nmine\n")
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
