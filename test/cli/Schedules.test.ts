import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { empty, fakeServer, json, problem } from "./FakeServer.ts"
import { credential, fire, page, schedule } from "./Records.ts"

const clock = fakeServer(({ body }, line) => {
  switch (line) {
    case "GET /schedule?limit=1000":
      return json(
        page("schedules", [
          schedule("t1"),
          schedule("t2", { name: "Pulse", cron_expression: "", interval_seconds: 60 })
        ])
      )
    case "GET /schedule/t1":
      return json(schedule("t1", {}, { status: "broken", status_reason: "The agent is gone." }))
    case "GET /credential?limit=1000":
      return json(page("credentials", [credential("c1")]))
    case "POST /schedule":
      return json({ schedule_id: "t3" }, 201)
    case "PATCH /schedule/t1":
      return json(schedule("t1", body as Record<string, unknown>))
    case "POST /schedule/t1/pause":
    case "POST /schedule/t1/resume":
      return json(schedule("t1"))
    case "POST /schedule/t1/trigger":
      return json({ schedule_id: "t1", fire_id: "f9" }, 202)
    case "DELETE /schedule/t1":
      return empty(204)
    case "GET /schedule/t1/fires?limit=1000":
      return json(page("fires", [
        fire("f2", { status: "failed", reason: "The session is gone.", run_id: null, duration_ms: null }),
        fire("f1")
      ]))
    case "GET /schedule/t1/next?count=10":
      return json({
        timezone: "Europe/Athens",
        next: [{ at: "2027-03-28T00:30:00.000Z", local: "2027-03-28T03:30:00+03:00" }],
        clock_changes: [{ at: "2027-03-28T01:00:00.000Z", text: "The clock goes forward." }]
      })
    default:
      return line.startsWith("GET /schedule/next?")
        ? problem("Invalid", 422, "cron_expression: It never fires.", [{
          path: "cron_expression",
          message: "It never fires."
        }])
        : undefined
  }
})

describe("schedules", () => {
  it.scopedLive("are listed with when they fire, and shown with why they do not", () =>
    Effect.gen(function*() {
      const { url } = yield* clock
      const listed = yield* stoa({}, "schedules", "list", "-o", "wide", "--url", url)
      assert.match(listed.out, /t1 +active +Morning +0 9 \* \* MON-FRI \(Europe\/Athens\)/)
      assert.match(listed.out, /t2 +active +Pulse +every 60 s/)
      const { out } = yield* stoa({}, "schedules", "show", "t1", "--url", url)
      assert.match(out, /The agent is gone\./)
      assert.match(out, /What is there to do today\?/)
      assert.strictEqual((yield* stoa({}, "schedules", "show", "t9", "--url", url)).code, 3)
    }))

  it.scopedLive("are made from what was given and nothing else, and print their id", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* clock
      const words = ["schedules", "create", "Pulse", "--agent", "a1", "--model", "demo:demo-chat", "--url", url]
      const made = yield* stoa(
        {},
        ...words,
        "--every",
        "15m",
        "--input",
        "say {{time}}",
        "--stateful",
        "--jitter",
        "5s"
      )
      assert.deepStrictEqual([made.code, made.out], [0, "t3\n"])
      const { body } = asked.find(({ method }) => method === "POST")!
      assert.deepInclude(body, {
        name: "Pulse",
        agent_id: "a1",
        interval_seconds: 900,
        input: "say {{time}}",
        stateful: true,
        enabled: true,
        jitter_seconds: 5
      })
      assert.notProperty(body, "cron_expression")
    }))

  it.scopedLive("are refused before anything is sent when what was typed cannot be meant", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* clock
      const create = ["schedules", "create", "Pulse", "--agent", "a1", "--url", url]
      const model = ["--model", "demo:demo-chat"]
      for (
        const [words, what] of [
          [[...create, ...model], "--cron, --every and --at"],
          [[...create, ...model, "--every", "1m", "--cron", "@daily"], "--cron, --every and --at"],
          [[...create, ...model, "--every", "soon"], "30s, 15m, 2h or 1d"],
          [[...create, "--credential", "c1", "--every", "1m"], "--credential goes with --model"],
          [[...create, ...model, "--every", "1m", "--input", "a", "--input-file", "b"], "not both"],
          [["schedules", "edit", "t1", "--url", url], "Nothing to change"],
          [["schedules", "next", "t1", "--cron", "@daily", "--url", url], "not both"]
        ] as const
      ) {
        const { code, err } = yield* stoa({}, ...words)
        assert.strictEqual(code, 2, words.join(" "))
        assert.include(err, what)
      }
      assert.notInclude(asked.map(({ method }) => method), "POST")
    }))

  it.scopedLive("are changed, paused, resumed, triggered and deleted by their ids", () =>
    Effect.gen(function*() {
      const { asked, lines, url } = yield* clock
      yield* stoa({}, "schedules", "edit", "t1", "--cron", "30 9 * * *", "--missed", "all", "--url", url)
      assert.deepStrictEqual(asked.at(-1)!.body, { cron_expression: "30 9 * * *", missed: "all" })
      yield* stoa({}, "schedules", "pause", "t1", "--url", url)
      yield* stoa({}, "schedules", "resume", "t1", "--url", url)
      assert.deepStrictEqual(lines().slice(-2), ["POST /schedule/t1/pause", "POST /schedule/t1/resume"])
      assert.strictEqual((yield* stoa({}, "schedules", "trigger", "t1", "--url", url)).out, "f9\n")
      assert.isNotEmpty(asked.at(-1)!.headers["idempotency-key"])
      assert.strictEqual((yield* stoa({}, "schedules", "delete", "t1", "--url", url)).code, 2)
      assert.strictEqual((yield* stoa({}, "schedules", "delete", "t1", "--yes", "--url", url)).code, 0)
      assert.strictEqual((yield* stoa({}, "schedules", "pause", "t9", "--url", url)).code, 3)
    }))

  it.scopedLive("say what became of their fires, when they fire next, and what is wrong with an expression", () =>
    Effect.gen(function*() {
      const { url } = yield* clock
      const { out } = yield* stoa({}, "schedules", "fires", "t1", "-o", "wide", "--url", url)
      assert.match(out, /failed .*The session is gone\./)
      assert.match(out, /completed +12 ms +850 ms +r1/)
      const next = yield* stoa({}, "schedules", "next", "t1", "--url", url)
      assert.include(next.out, "2027-03-28T03:30:00+03:00")
      assert.include(next.err, "The clock goes forward.")
      const wrong = yield* stoa({}, "schedules", "next", "--cron", "0 0 30 2 *", "--url", url)
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.err, "It never fires.")
    }))
})
