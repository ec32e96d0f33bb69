/** What the server of a tool asks a person, at the terminal of `stoa chat`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ServerResponse } from "node:http"
import { type Desk as DeskOptions, stoa } from "./Desk.ts"
import { type Answer, empty, fakeServer, json, problem } from "./FakeServer.ts"
import * as Records from "./Records.ts"

const form = {
  type: "object",
  properties: {
    city: { type: "string", title: "City", minLength: 2 },
    days: { type: "integer", minimum: 1, default: 3 },
    unit: { type: "string", enum: ["metric", "imperial"] },
    alerts: { type: "boolean" },
    topics: { type: "array", items: { type: "string", enum: ["rain", "wind", "snow"] } }
  },
  required: ["city"]
}

const question = {
  elicitation_id: "e1",
  session_id: "s1",
  tool_call_id: "t1",
  tool_name: "weather\u001b[2J",
  mode: "form",
  message: "Where are you?\u001b[31m",
  requested_schema: form,
  url: null,
  expires_at: "2026-01-31T09:34:00.000Z"
}

/** A run whose tool asks `asked`, and goes on when it is answered, or without an answer. */
const asks = (
  desk: DeskOptions,
  { asked = question, refusal, words = ["hi"], unanswered = false }: {
    readonly asked?: object
    readonly refusal?: Answer
    readonly words?: ReadonlyArray<string>
    /** Whether the question ends without this person. */
    readonly unanswered?: boolean
  } = {}
) =>
  Effect.gen(function*() {
    let stream: ServerResponse | undefined
    const ending = Records.framesOf([
      Records.custom("elicitation_ended", { elicitation_id: "e1", tool_call_id: "t1", outcome: "accept" }),
      ...Records.text("Thanks."),
      Records.ended()
    ], 30)
    const server = yield* fakeServer((_, line) => {
      switch (line) {
        case "GET /agent?limit=1000":
          return json(Records.page("agents", [Records.agent("a1")]))
        case "GET /sessions?agent_id=a1&limit=1":
          return json(Records.page("sessions", [Records.session("s1")]))
        case "POST /chat":
          return json({ session_id: "s1", run_id: "r1", seq: 10 }, 202)
        case "GET /sessions/s1/stream":
          return (response) => {
            stream = response.writeHead(200, { "content-type": "text/event-stream" })
            stream.write(Records.framesOf([...Records.started, Records.custom("elicitation_requested", asked)], 11))
            if (unanswered) setTimeout(() => stream?.end(ending), 200)
          }
        case "POST /sessions/s1/elicitations/e1":
          return (response) => {
            const answer = refusal ?? empty(204)
            answer(response)
            stream?.end(ending)
          }
        default:
          return undefined
      }
    })
    const ran = yield* stoa(desk, "chat", ...words, "--url", server.url)
    const answers = server.asked.filter(({ path }) => path.includes("/elicitations/")).map(({ body }) => body)
    return { ran, answers }
  })

const person = (...typed: ReadonlyArray<string>): DeskOptions => ({ isTerminal: true, typed })

describe("a tool's server that asks a person", () => {
  it.scopedLive("is answered field by field, each as its schema wants it, and nothing of it moves the terminal", () =>
    Effect.gen(function*() {
      const { answers, ran } = yield* asks(person("y", "Oslo", "5", "metric", "yes", "rain, snow"))
      assert.deepStrictEqual([ran.code, ran.out], [0, "Thanks.\n"])
      assert.deepStrictEqual(answers, [{
        action: "accept",
        content: { city: "Oslo", days: 5, unit: "metric", alerts: true, topics: ["rain", "snow"] }
      }])
      assert.include(ran.err, "weather[2J asks: Where are you?[31m\n")
      assert.include(ran.err, "  City: ")
      assert.include(ran.err, "  unit (metric|imperial; may be empty): ")
      assert.notInclude(ran.err, "\u001b[2J")
    }))

  it.scopedLive("is asked again from the start when the answer does not fit, and says what does not", () =>
    Effect.gen(function*() {
      const { answers, ran } = yield* asks(person("y", "O", "x", "", "", "", "Oslo", "", "", "", ""))
      assert.strictEqual(ran.code, 0)
      assert.include(ran.err, "  city: ")
      assert.include(ran.err, "  days: ")
      assert.deepStrictEqual(answers, [{ action: "accept", content: { city: "Oslo", days: 3 } }])
    }))

  it.scopedLive("is declined by n and by --deny, and put aside by an empty line", () =>
    Effect.gen(function*() {
      for (
        const [desk, words, action] of [
          [person("n"), ["hi"], "decline"],
          [person(), ["hi", "--deny"], "decline"],
          [{}, ["hi", "--deny"], "decline"],
          [person(""), ["hi"], "cancel"]
        ] as const
      ) {
        const { answers, ran } = yield* asks(desk, { words })
        assert.strictEqual(ran.code, 0)
        assert.deepStrictEqual(answers, [{ action, content: null }])
      }
    }))

  it.scopedLive("is told the address to open, and yes says that it is done", () =>
    Effect.gen(function*() {
      const asked = { ...question, mode: "url", requested_schema: null, url: "https://example.com/login" }
      const { answers, ran } = yield* asks(person("y"), { asked })
      assert.strictEqual(ran.code, 0)
      assert.include(ran.err, "  https://example.com/login\n")
      assert.deepStrictEqual(answers, [{ action: "accept", content: null }])
    }))

  it.scopedLive("is answered by nobody without a terminal or with --approve, and is told where an answer goes", () =>
    Effect.gen(function*() {
      for (
        const [desk, words] of [
          [{}, ["hi"]],
          [person(), ["hi"]],
          [person("y"), ["hi", "--approve"]]
        ] as const
      ) {
        const { answers, ran } = yield* asks(desk, { words, unanswered: true })
        assert.deepStrictEqual([ran.code, answers], [0, []])
        assert.include(ran.err, "waits for an answer: POST /sessions/s1/elicitations/e1\n")
      }
    }))

  it.scopedLive("may be answered by somebody else meanwhile", () =>
    Effect.gen(function*() {
      const { ran } = yield* asks(person("n"), { refusal: problem("Conflict", 409, "Answered.") })
      assert.deepStrictEqual([ran.code, ran.out], [0, "Thanks.\n"])
      assert.notInclude(ran.err, "could not be sent")
      const gone = yield* asks(person("n"), { refusal: problem("NotFound", 404, "Gone.") })
      assert.deepStrictEqual([gone.ran.code, gone.ran.out], [0, "Thanks.\n"])
      assert.include(gone.ran.err, "The answer could not be sent.\n")
    }))
})
