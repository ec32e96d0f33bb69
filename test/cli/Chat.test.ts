import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import type { ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Desk as DeskOptions, seat, stoa } from "./Desk.ts"
import { type Answer, type Asked, empty, fakeServer, json, problem, sse } from "./FakeServer.ts"
import * as Records from "./Records.ts"

const { ended, framesOf, started, text, thinking, toolCall } = Records

interface ChatBody {
  readonly input: { readonly content: string }
}

/** A server with an agent and a session, where each stream is answered by the next of `streams`. */
const talkative = (
  streams: ReadonlyArray<Answer>,
  more: (asked: Asked, line: string) => Answer | undefined = () => undefined
) => {
  const left = [...streams]
  return fakeServer((asked, line) => {
    const answer = more(asked, line)
    if (answer !== undefined) return answer
    if (line.startsWith("GET /sessions/s1/stream")) return left.shift() ?? problem("Unavailable", 503, "No more.")
    switch (line) {
      case "GET /agent?limit=1000":
        return json(Records.page("agents", [Records.agent("a1")]))
      case "GET /sessions?agent_id=a1&limit=1":
        return json(Records.page("sessions", [Records.session("s1")]))
      case "POST /chat":
        return json({ session_id: "s1", run_id: "r1", seq: 10 }, 202)
      case "POST /runs/r1/cancel":
        return json({ run_id: "r1" }, 202)
      default:
        return undefined
    }
  })
}

const stream = (events: ReadonlyArray<object>, then?: "ends" | "breaks" | "waits") => sse(framesOf(events, 11), then)

const chat = (answer: Answer, desk: DeskOptions, ...words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { url } = yield* talkative([answer])
    return yield* stoa(desk, "chat", ...words, "--url", url)
  })

describe("chat", () => {
  it.scopedLive("says a text in the agent's newest session and streams the reply", () =>
    Effect.gen(function*() {
      const { asked, lines, url } = yield* talkative([stream([...started, ...text("Hel", "lo, ", "you"), ended()])])
      const ran = yield* stoa({}, "chat", "hi", "there", "--url", url)
      assert.deepStrictEqual(ran, { code: 0, out: "Hello, you\n", err: "" })
      assert.deepStrictEqual(lines(), [
        "GET /agent?limit=1000",
        "GET /sessions?agent_id=a1&limit=1",
        "POST /chat",
        "GET /sessions/s1/stream"
      ])
      assert.deepInclude(asked[2]?.body, { agent_id: "a1", session_id: "s1" })
      assert.nestedPropertyVal(asked[2]?.body, "input.content", "hi there")
      assert.strictEqual(asked[3]?.headers["last-event-id"], "10")
    }))

  it.scopedLive("sends an input again, with the same key, when the connection breaks before the answer", () =>
    Effect.gen(function*() {
      const broken: ReadonlyArray<Answer> = [
        (response) => response.socket!.destroy(),
        (response) => response.writeHead(202, { "content-length": "99" }).write("{", () => response.socket!.destroy()),
        problem("Unavailable", 503, "Starting.")
      ]
      const left = [...broken]
      const { asked, url } = yield* talkative(
        [stream([...started, ...text("Hello"), ended()])],
        (_, line) => line === "POST /chat" ? left.shift() : undefined
      )
      const ran = yield* stoa({}, "chat", "hi", "--url", url)
      assert.deepStrictEqual(ran, { code: 0, out: "Hello\n", err: "" })
      const keys = asked.filter(({ path }) => path === "/chat").map(({ headers }) => headers["idempotency-key"])
      assert.strictEqual(keys.length, broken.length + 1)
      assert.match(String(keys[0]), /^[0-9a-f-]{36}$/)
      assert.strictEqual(new Set(keys).size, 1)
    }))

  it.scopedLive("does not send again what was refused", () =>
    Effect.gen(function*() {
      for (const status of [400, 404, 409, 422, 429, 500]) {
        const { lines, url } = yield* talkative([], (_, line) =>
          line === "POST /chat" ? problem("Refused", status, "No.") : undefined)
        const ran = yield* stoa({}, "chat", "hi", "--url", url)
        assert.notStrictEqual(ran.code, 0)
        assert.include(ran.err, "No.")
        assert.strictEqual(
          lines().filter((line) =>
            line === "POST /chat"
          ).length,
          1
        )
      }
    }))

  it.scopedLive("keeps standard output to the text; thoughts and tools are aside, a line each", () =>
    Effect.gen(function*() {
      const events = [
        ...started,
        ...thinking("Let me\nsee"),
        ...text("One moment."),
        ...toolCall("calculate", "{\"expression\":\"2+2\"}", "4\n"),
        ...toolCall("search", "{}", "no\u001b[2Jpe", "error"),
        ...text("It is 4.\n"),
        ended()
      ]
      const ran = yield* chat(stream(events), {}, "hi")
      assert.strictEqual(ran.out, "One moment.\nIt is 4.\n")
      assert.strictEqual(
        ran.err,
        "Let me\nsee\n→ calculate {\"expression\":\"2+2\"}\n← calculate: 4\n→ search {}\n← search error: no[2Jpe\n"
      )
      const quiet = yield* chat(stream(events), {}, "hi", "-q")
      assert.deepStrictEqual([quiet.out, quiet.err], [ran.out, ""])
      const coloured = yield* chat(stream(events), { hasColour: true }, "hi")
      assert.include(coloured.err, "\u001b[2mLet me\nsee\u001b[22m")
      assert.strictEqual(coloured.out, ran.out)
    }))

  it.scopedLive("prints raw events as NDJSON and the reply message as JSON", () =>
    Effect.gen(function*() {
      const events = [...started, ...text("a", "b"), ended()]
      const lines = (yield* chat(stream(events), {}, "hi", "-o", "ndjson")).out.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      )
      assert.deepStrictEqual(lines, events.map((event, i) => ({ seq: 11 + i, ...event })))
      const reply = JSON.parse((yield* chat(stream(events), {}, "hi", "-o", "json")).out)
      assert.deepInclude(reply, { id: "m1", role: "assistant", finished_reason: "completed" })
      assert.deepStrictEqual(reply.content, [{ type: "text", id: "b1", text: "ab" }])
    }))

  it.scopedLive("fails with one sentence when the reply does not complete", () =>
    Effect.gen(function*() {
      const error = { type: "rate_limit", code: "rate_limit", message: "Too many\nrequests.", retryable: true }
      const ends = [
        [ended("error", error), "stoa: Too many requests.\n"],
        [ended("exceed_max_iters"), "stoa: The run used up"],
        [ended("max_tokens"), "stoa: The reply is cut off"],
        [ended("interrupted"), "stoa: The run was interrupted.\n"],
        [Records.parked, "stoa: The run waits for a person"]
      ] as const
      for (const [end, message] of ends) {
        const ran = yield* chat(stream([...started, ...text("part"), end]), {}, "hi")
        assert.deepStrictEqual([ran.code, ran.out], [1, "part\n"])
        assert.include(ran.err, message)
        assert.match(ran.err, /^stoa: [^\n]+\n$/)
      }
    }))

  it.scopedLive("leaves out the run before it, when it had to wait", () =>
    Effect.gen(function*() {
      const other = (event: object) => ({ ...event, reply_id: "m0", ..."run_id" in event && { run_id: "r0" } })
      const queued = {
        id: "q",
        created_at: "2026-01-31T09:30:00.000Z",
        type: "CUSTOM",
        name: "run_queued",
        value: { session_id: "s1", run_id: "r1" }
      }
      const events = [queued, ...text("theirs").map(other), other(ended()), ...started, ...text("ours"), ended()]
      const ran = yield* chat(stream(events), {}, "hi")
      assert.deepStrictEqual(ran, { code: 0, out: "ours\n", err: "(waits for the run before it)\n" })
    }))

  it.scopedLive("makes what is missing: agent, demo credential, session", () =>
    Effect.gen(function*() {
      const { asked, lines, url } = yield* talkative([stream([...started, ...text("hi"), ended()])], (_, line) => {
        switch (line) {
          case "GET /agent?limit=1000":
            return json(Records.page("agents", [Records.agent("other", "other")]))
          case "POST /agent":
            return json({ agent_id: "a1" }, 201)
          case "GET /sessions?agent_id=a1&limit=1":
            return json(Records.page("sessions", []))
          case "GET /credential?limit=1000":
            return json(Records.page("credentials", []))
          case "POST /credential":
            return json({ credential_id: "c1" }, 201)
          case "POST /sessions":
            return json({ session_id: "s1" }, 201)
          case "GET /sessions/s1":
            return json(Records.session("s1"))
          default:
            return undefined
        }
      })
      assert.strictEqual((yield* stoa({}, "chat", "hi", "--url", url)).code, 0)
      const posted = asked.filter(({ method }) => method === "POST").map(({ body, path }) => [path, body] as const)
      assert.deepStrictEqual(posted.map(([path]) => path), ["/agent", "/credential", "/sessions", "/chat"])
      assert.propertyVal(posted[0]?.[1], "name", "assistant")
      assert.deepStrictEqual(posted[1]?.[1], { data: { type: "demo_credential" } })
      assert.deepNestedInclude(posted[2]?.[1], { agent_id: "a1", "chat_model_config": Records.demoModel })
      assert.include(lines(), "GET /sessions/s1")
    }))

  it.scopedLive("changes the session's model only when another is asked for", () =>
    Effect.gen(function*() {
      const answer = stream([...started, ended()])
      const { asked, url } = yield* talkative([answer, answer], (_, line) => {
        if (line === "PATCH /sessions/s1") return json(Records.session("s1"))
        return line === "GET /credential?limit=1000"
          ? json(Records.page("credentials", [Records.credential("c1")]))
          : undefined
      })
      yield* stoa({}, "chat", "hi", "--model", "demo:demo-chat", "--url", url)
      assert.notInclude(asked.map(({ method }) => method), "PATCH")
      yield* stoa({}, "chat", "hi", "--model", "demo:demo-script", "--url", url)
      assert.deepStrictEqual(asked.find(({ method }) => method === "PATCH")?.body, {
        chat_model_config: { ...Records.demoModel, model: "demo-script" }
      })
    }))

  it.scopedLive("finds an agent by id, then by name, else 3", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* talkative(
        [stream([...started, ended()]), stream([...started, ended()])],
        (_, line) => line === "GET /agent/a1" ? json(Records.agent("a1")) : undefined
      )
      assert.strictEqual((yield* stoa({}, "chat", "hi", "--agent", "a1", "--url", url)).code, 0)
      assert.notInclude(lines(), "GET /agent?limit=1000")
      assert.strictEqual((yield* stoa({}, "chat", "hi", "--agent", "assistant", "--url", url)).code, 0)
      const missing = yield* stoa({}, "chat", "hi", "--agent", "no such", "--url", url)
      assert.deepStrictEqual([missing.code, missing.err], [3, "stoa: There is no agent with the id or name no such.\n"])
    }))
})

/** An agent that answers with a model of its own, or what a definition says. */
const withModel = (id: string, name: string, data: object) => {
  const agent = Records.agent(id)
  return { ...agent, data: { ...agent.data, name, ...data } }
}

describe("chat with an agent that the first word names", () => {
  const replies = () => stream([...started, ...text("Yes"), ended()])

  const among = (agents: ReadonlyArray<object>, count = 1) =>
    talkative(Array.from({ length: count }, replies), (asked, line) => {
      if (line === "GET /agent?limit=1000") return json(Records.page("agents", [...agents]))
      if (line.startsWith("GET /sessions?agent_id=")) return json(Records.page("sessions", []))
      if (line === "POST /sessions") return json({ session_id: "s1" }, 201)
      if (line === "GET /credential?limit=1000") return json(Records.page("credentials", [Records.credential("c1")]))
      return line === "GET /sessions/s1" ? json(Records.session("s1")) : undefined
    })

  it.scopedLive("says the rest to it, in a session with its own model", () =>
    Effect.gen(function*() {
      const ada = withModel("a2", "ada", { chat_model_config: { ...Records.demoModel, model: "demo-script" } })
      const { asked, url } = yield* among([Records.agent("a1"), ada])
      assert.strictEqual((yield* stoa({}, "chat", "ada", "hi", "there", "--url", url)).out, "Yes\n")
      const made = asked.find(({ method, path }) => method === "POST" && path === "/sessions")
      assert.deepNestedInclude(made?.body, { agent_id: "a2", "chat_model_config.model": "demo-script" })
      const said = asked.find(({ method, path }) => method === "POST" && path === "/chat")
      assert.nestedPropertyVal(said?.body, "input.content", "hi there")
    }))

  it.scopedLive("leaves the model of a definition to the definition", () =>
    Effect.gen(function*() {
      const ada = withModel("a2", "ada", { definition: "ada", chat_model_config: Records.demoModel })
      const { asked, url } = yield* among([ada])
      assert.strictEqual((yield* stoa({}, "chat", "ada", "hi", "--url", url)).code, 0)
      const made = asked.find(({ method, path }) => method === "POST" && path === "/sessions")
      assert.deepNestedInclude(made?.body, { agent_id: "a2", chat_model_config: null })
    }))

  it.scopedLive("says all words to the default agent where --agent is given, or no agent is called so", () =>
    Effect.gen(function*() {
      const ada = withModel("a2", "ada", { chat_model_config: Records.demoModel })
      const { asked, url } = yield* among([Records.agent("a1"), ada], 2)
      assert.strictEqual((yield* stoa({}, "chat", "adam", "hi", "--url", url)).code, 0)
      assert.strictEqual((yield* stoa({}, "chat", "ada", "hi", "--agent", "assistant", "--url", url)).code, 0)
      const said = asked.filter(({ method, path }) => method === "POST" && path === "/chat")
      assert.deepStrictEqual(said.map(({ body }) => (body as ChatBody).input.content), ["adam hi", "ada hi"])
    }))

  it.scopedLive("has nothing to say to it without a text and a terminal", () =>
    Effect.gen(function*() {
      const ada = withModel("a2", "ada", { chat_model_config: Records.demoModel })
      const { lines, url } = yield* among([ada], 2)
      const ran = yield* stoa({}, "chat", "ada", "--url", url)
      assert.deepStrictEqual([ran.code, lines()], [2, ["GET /agent?limit=1000"]])
      assert.strictEqual((yield* stoa({ piped: "hi\n" }, "chat", "ada", "-", "--url", url)).out, "Yes\n")
    }))
})

describe("chat without a terminal", () => {
  it.effect("reads nothing unless - is given", () =>
    Effect.gen(function*() {
      const ran = yield* stoa({ env: { STOA_URL: "http://127.0.0.1:1" } }, "chat")
      assert.deepStrictEqual([ran.code, ran.out], [2, ""])
      assert.strictEqual(ran.err, "stoa: Nothing to say: give a text, or - to read it from standard input.\n")
    }))

  it.scopedLive("takes - from standard input", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* talkative([stream([...started, ended()])])
      assert.strictEqual((yield* stoa({ piped: "line 1\nline 2\n" }, "chat", "-", "--url", url)).code, 0)
      assert.nestedPropertyVal(asked[2]?.body, "input.content", "line 1\nline 2")
    }))

  it.scopedLive("does not ask a server for an empty text", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* talkative([])
      for (const [desk, word] of [[{ piped: "\n" }, "-"], [{}, " "], [{ isTerminal: true }, ""]] as const) {
        assert.strictEqual((yield* stoa(desk, "chat", word, "--url", url)).code, 2)
      }
      assert.deepStrictEqual(lines(), [])
    }))
})

/** A run that asks to use Pause, and what happens after the answer. */
const asks = (desk: DeskOptions, words: ReadonlyArray<string>, refusal?: Answer) =>
  Effect.gen(function*() {
    const input = "{\"seconds\":0,\"note\":\"a\\u001b[2Jb\"}"
    const { asked, url } = yield* talkative(
      [
        sse(framesOf([...started, ...Records.asking("Pause", input)], 11)),
        sse(framesOf([...text("Thanks."), ended()], 18))
      ],
      (asked, line) => line === "POST /chat" && "type" in Object(Object(asked.body).input) ? refusal : undefined
    )
    const ran = yield* stoa(desk, "chat", ...words, "--url", url)
    const answers = asked.filter(({ path }) => path === "/chat").slice(1).map(({ body }) => Object(body).input)
    const followed = asked.filter(({ path }) => path.includes("/stream")).map(({ headers }) => headers["last-event-id"])
    return { ran, answers, followed, url }
  })

const confirming = (confirmed: boolean, more: object = {}) => [
  {
    type: "USER_CONFIRM_RESULT",
    reply_id: "m1",
    confirm_results: [{ confirmed, tool_call: { id: "call's" }, ...more }]
  }
]

describe("a tool that asks", () => {
  const person = { isTerminal: true } as const

  it.scopedLive("is shown with its arguments, allowed once by y, and the reply goes on", () =>
    Effect.gen(function*() {
      const { answers, followed, ran } = yield* asks({ ...person, typed: ["what?", " Y "] }, ["hi"])
      assert.deepStrictEqual([ran.code, ran.out], [0, "Thanks.\n"])
      assert.deepStrictEqual(answers, confirming(true))
      assert.include(ran.err, "Pause\n  {\n    \"seconds\": 0,\n    \"note\": \"a")
      assert.notInclude(ran.err, "\u001b")
      assert.strictEqual(ran.err.split("Allow it?").length, 3)
      assert.deepStrictEqual(followed, ["10", "17"])
    }))

  it.scopedLive("is refused by n, and allowed for the session by a", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* asks({ ...person, typed: ["n"] }, ["hi"])).answers, confirming(false))
      const rules = [{ tool_name: "Pause", rule_content: null, behavior: "allow", source: "user" }]
      assert.deepStrictEqual(
        (yield* asks({ ...person, typed: ["always"] }, ["hi"])).answers,
        confirming(true, { rules })
      )
      const inside = yield* asks({ ...person, typed: ["hi", "y", "/exit"] }, [])
      assert.deepStrictEqual([inside.ran.code, inside.ran.out], [0, "Thanks.\n"])
    }))

  it.scopedLive("is answered by --approve and --deny, with and without a terminal", () =>
    Effect.gen(function*() {
      for (const desk of [{}, person]) {
        const approved = yield* asks(desk, ["hi", "--approve"])
        assert.deepStrictEqual([approved.ran.code, approved.ran.out], [0, "Thanks.\n"])
        assert.deepStrictEqual(approved.answers, confirming(true))
        assert.deepStrictEqual((yield* asks(desk, ["hi", "--deny"])).answers, confirming(false))
      }
      assert.strictEqual((yield* asks({}, ["hi", "--deny", "--approve"])).ran.code, 2)
    }))

  it.scopedLive("waits when nobody answers, and says how to", () =>
    Effect.gen(function*() {
      for (const desk of [{}, { ...person, typed: [] }]) {
        const { answers, ran, url } = yield* asks(desk, ["hi"])
        assert.deepStrictEqual([ran.code, answers], [1, []])
        assert.include(ran.err, "stoa: The run waits for a person to allow a tool: Pause.\n")
        assert.include(ran.err, "--approve")
        const [, data] = /curl -N '([^']+)' -H 'x-user-id: local' .* -d '(.*)'\n/.exec(ran.err)!.slice(1)
        assert.include(ran.err, `'${url}/chat'`)
        const [input] = confirming(true)
        assert.deepStrictEqual(JSON.parse(data!.replaceAll("'\\''", "'")), { agent_id: "a1", session_id: "s1", input })
      }
    }))

  it.scopedLive("may be answered by somebody else meanwhile", () =>
    Effect.gen(function*() {
      const { ran } = yield* asks({ ...person, typed: ["y"] }, ["hi"], problem("Conflict", 409, "Answered."))
      assert.deepStrictEqual([ran.code, ran.out], [0, "Thanks.\n"])
      assert.strictEqual(
        (yield* asks({ ...person, typed: ["y"] }, ["hi"], problem("NotFound", 404, "Gone."))).ran.code,
        3
      )
    }))

  it.scopedLive("and that the client runs is named, with the way to give its result", () =>
    Effect.gen(function*() {
      const events = [...started, ...Records.asking("get_weather", "{}", "external_execution")]
      const ran = yield* chat(stream(events), person, "hi", "--approve")
      assert.strictEqual(ran.code, 1)
      assert.include(ran.err, "stoa: The run waits for the result of a tool that the client runs: get_weather.\n")
      assert.include(ran.err, "EXTERNAL_EXECUTION_RESULT")
    }))
})

describe("a run that waits", () => {
  const waitingBehind = (events: ReadonlyArray<object>, status: string) =>
    Effect.gen(function*() {
      const { url } = yield* talkative([stream([...events, ...started, ...text("fine"), ended()])], (_, line) => {
        if (line.startsWith("GET /sessions/s1/runs")) {
          return json(Records.page("runs", [Records.run("r0", status)]))
        }
        return line.startsWith("GET /sessions/s1/messages") ? json(Records.transcript("m0", "Pause")) : undefined
      })
      return yield* stoa({}, "chat", "hi", "--url", url)
    })

  it.scopedLive("behind one that waits for a person says so, and how to answer", () =>
    Effect.gen(function*() {
      const parkedMeanwhile = { ...Records.parked, value: { ...Records.parked.value, run_id: "r0", reply_id: "m0" } }
      for (const event of [Records.queued, parkedMeanwhile]) {
        const ran = yield* waitingBehind([event], "awaiting_permission")
        assert.deepStrictEqual([ran.code, ran.out], [0, "fine\n"])
        assert.include(ran.err, "waits for a person to allow Pause")
        assert.include(ran.err, "stoa runs answer r0 --approve")
      }
    }))

  it.scopedLive("behind one that works only waits", () =>
    Effect.gen(function*() {
      const ran = yield* waitingBehind([Records.queued], "running")
      assert.deepStrictEqual([ran.code, ran.out], [0, "fine\n"])
      assert.notInclude(ran.err, "stoa runs answer")
    }))
})

describe("a conversation", () => {
  it.scopedLive("tells what can be typed when it is asked for /help, and says it to nobody", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* talkative([])
      const { err } = yield* stoa({ isTerminal: true, typed: ["/help", "/exit"] }, "chat", "--url", url)
      for (const word of ["/exit", "Ctrl-C", "Ctrl-D"]) assert.include(err, word)
      assert.notInclude(lines(), "POST /chat")
    }))

  it.scopedLive("goes on until /exit, past a failed run", () =>
    Effect.gen(function*() {
      const error = { type: "upstream", code: "upstream", message: "It broke.", retryable: true }
      const { lines, url } = yield* talkative([
        stream([...started, ended("error", error)]),
        stream([...started, ...text("fine"), ended()])
      ])
      const typed = ["first", "  ", "second", "/exit", "never"]
      const { code, err, out } = yield* stoa({ isTerminal: true, typed }, "chat", "--url", url)
      assert.deepStrictEqual([code, out], [0, "fine\n"])
      assert.include(err, "stoa: It broke.\n")
      assert.strictEqual(lines().filter((line) => line === "POST /chat").length, 2)
    }))

  it.scopedLive("ends with the input", () =>
    Effect.gen(function*() {
      const { url } = yield* talkative([])
      assert.strictEqual((yield* stoa({ isTerminal: true }, "chat", "--url", url)).code, 0)
    }))
})

/** Runs `chat` and presses Ctrl-C once `part` is on the screen, `times` times. */
const pressing = (times: number, typed: ReadonlyArray<string> | undefined, stopped: boolean) =>
  Effect.gen(function*() {
    const streams: Array<ServerResponse> = []
    const { lines, url } = yield* talkative([], (_, line) => {
      if (line.startsWith("GET /sessions/s1/stream")) {
        return (response) => {
          streams.push(response)
          stream([...started, ...text("part").slice(0, 2)], "waits")(response)
        }
      }
      if (line !== "POST /runs/r1/cancel" || !stopped) return undefined
      return (response) => {
        json({ run_id: "r1" }, 202)(response)
        streams.at(-1)?.write(framesOf([ended("interrupted")], 15))
      }
    })
    const desk = seat(typed === undefined ? {} : { isTerminal: true, typed })
    const words = typed === undefined ? ["hi"] : []
    const fiber = yield* Effect.fork(desk.run("chat", ...words, "--url", url))
    const until = (isSo: () => boolean) =>
      Effect.repeat(Effect.sync(isSo), { until: (so) => so, schedule: Schedule.spaced("5 millis") })
    yield* until(() => desk.shown().out.includes("part"))
    for (let i = 0; i < times; i++) {
      assert.isTrue(desk.press())
      yield* until(() => lines().includes("POST /runs/r1/cancel"))
    }
    return { ran: yield* Fiber.join(fiber), lines: lines(), press: desk.press }
  })

describe("Ctrl-C", () => {
  it.scopedLive("stops the run, tells the reply to its end, and is 130", () =>
    Effect.gen(function*() {
      const { lines, press, ran } = yield* pressing(1, undefined, true)
      assert.deepStrictEqual(ran, { code: 130, out: "part\n", err: "stoa: Interrupted.\n" })
      assert.include(lines, "POST /runs/r1/cancel")
      assert.isFalse(press())
    }))

  it.scopedLive("leaves at the second time, though the run goes on", () =>
    Effect.gen(function*() {
      const { ran } = yield* pressing(2, undefined, false)
      assert.strictEqual(ran.code, 130)
      assert.strictEqual(ran.out, "part\n")
    }))

  it.scopedLive("in a conversation ends only that reply", () =>
    Effect.gen(function*() {
      const { ran } = yield* pressing(1, ["hi", "/exit"], true)
      assert.strictEqual(ran.code, 0)
      assert.include(ran.err, "Ctrl-C again leaves")
    }))

  it.scopedLive("twice in a conversation leaves", () =>
    Effect.gen(function*() {
      const { ran } = yield* pressing(2, ["hi", "never asked"], false)
      assert.strictEqual(ran.code, 130)
    }))
})

describe("a lost connection", () => {
  const events = [...started, ...text("one ", "two ", "three"), ended()]

  it.scopedLive("is made again after the last event, and no text is lost or comes twice", () =>
    Effect.gen(function*() {
      const whole = framesOf(events, 11)
      // In the middle of the frame that says "two ".
      const cut = whole.indexOf("two ")
      const { asked, url } = yield* talkative([
        sse(whole.slice(0, cut), "breaks"),
        // The server sends one again that was seen.
        sse(framesOf(events.slice(3), 14), "ends")
      ])
      const ran = yield* stoa({}, "chat", "hi", "--url", url)
      assert.deepStrictEqual([ran.code, ran.out], [0, "one two three\n"])
      const cursors = asked.filter(({ path }) => path.endsWith("/stream")).map(({ headers }) =>
        headers["last-event-id"]
      )
      assert.deepStrictEqual(cursors, ["10", "14"])
    }))

  it.scopedLive("waits for a server that restarts", () =>
    Effect.gen(function*() {
      const { url } = yield* talkative([
        sse(framesOf(events.slice(0, 4), 11), "ends"),
        (response) => void response.destroy(),
        problem("Unavailable", 503, "Draining."),
        sse(framesOf(events.slice(4), 15), "ends")
      ])
      const ran = yield* stoa({ isTerminal: true }, "chat", "hi", "--url", url)
      assert.deepStrictEqual([ran.code, ran.out], [0, "one two three\n"])
      assert.strictEqual(ran.err.split("trying again").length, 2)
    }))

  it.scopedLive("is not followed into a session that is gone", () =>
    Effect.gen(function*() {
      const { url } = yield* talkative([stream(started, "breaks"), problem("NotFound", 404, "Session 's1' not found.")])
      const ran = yield* stoa({}, "chat", "hi", "--url", url)
      assert.deepStrictEqual([ran.code, ran.err], [3, "stoa: Session 's1' not found.\n"])
    }))
})

describe("watch", () => {
  it.scopedLive("follows from where it is told until a run ends", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* talkative([stream([...started, ...text("yes"), ended()], "waits")])
      const ran = yield* stoa({}, "sessions", "watch", "s1", "--after", "10", "--once", "--url", url)
      assert.deepStrictEqual([ran.code, ran.out], [0, "user: hi\nyes\n"])
      assert.strictEqual(asked[0]?.headers["last-event-id"], "10")
    }))

  it.scopedLive("prints every event, also those of a newer server", () =>
    Effect.gen(function*() {
      const unknown = { id: "n", created_at: "2026-01-31T09:30:00.000Z", type: "NEWER", more: 1 }
      const { asked, url } = yield* talkative([stream([unknown, ended()], "waits")])
      const ran = yield* stoa({}, "sessions", "watch", "s1", "--once", "-o", "ndjson", "--url", url)
      assert.deepStrictEqual(JSON.parse(ran.out.split("\n")[0]!), { seq: 11, ...unknown })
      assert.isUndefined(asked[0]?.headers["last-event-id"])
    }))
})

describe("sessions", () => {
  it.scopedLive("interrupts, and drops what waits when asked", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer(() => json({ session_id: "s1" }, 202))
      yield* stoa({}, "sessions", "interrupt", "s1", "--drop", "--url", url)
      assert.deepStrictEqual(lines(), ["POST /sessions/s1/interrupt?queue=drop"])
    }))

  it.scopedLive("are searched by their name and what was said, page by page", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) =>
        json(
          line.includes("cursor=")
            ? Records.page("sessions", [Records.session("s2")])
            : Records.page("sessions", [], "next")
        )
      )
      const { code, out } = yield* stoa({}, "sessions", "search", "Good morning", "--url", url)
      assert.strictEqual(code, 0)
      assert.include(out, "s2")
      assert.deepStrictEqual(lines(), [
        "GET /sessions?limit=1000&q=Good+morning",
        "GET /sessions?limit=1000&cursor=next&q=Good+morning"
      ])
    }))

  it.scopedLive("are renamed", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer(() => json(Records.session("s1")))
      assert.strictEqual((yield* stoa({}, "sessions", "rename", "s1", "Walks", "--url", url)).code, 0)
      assert.deepInclude(asked[0], { method: "PATCH", path: "/sessions/s1", body: { name: "Walks" } })
      assert.strictEqual((yield* stoa({}, "sessions", "rename", "s1", "", "--url", url)).code, 2)
    }))

  it.scopedLive("are exported to the screen, or to a file, which is whole or not there", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) => (response) => {
        response.writeHead(200, { "content-type": "text/markdown" })
        response.write("# Walks\n")
        if (line.includes("s9")) setTimeout(() => response.destroy(), 50)
        else response.end("Στοά\n")
      })
      const shown = yield* stoa({}, "sessions", "export", "s1", "--url", url)
      assert.deepStrictEqual([shown.code, shown.out], [0, "# Walks\nΣτοά\n"])
      const folder = yield* Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-export-")))
      yield* Effect.addFinalizer(() => Effect.promise(() => rm(folder, { recursive: true })))
      const file = join(folder, "a.json")
      yield* stoa({}, "sessions", "export", "s1", "--format", "json", "--file", file, "--url", url)
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "# Walks\nΣτοά\n")
      const cut = yield* stoa({}, "sessions", "export", "s9", "--file", join(folder, "b"), "--url", url)
      assert.strictEqual(cut.code, 5, cut.err)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), ["a.json"])
      assert.strictEqual(
        (yield* stoa({}, "sessions", "export", "s1", "--file", join(folder, "no/x"), "--url", url)).code,
        1
      )
      assert.deepStrictEqual(lines().slice(0, 2), [
        "GET /sessions/s1/export?format=markdown",
        "GET /sessions/s1/export?format=json"
      ])
    }))

  it.scopedLive("prints the transcript of all pages", () =>
    Effect.gen(function*() {
      const message = (name: string, text: string) => ({
        id: name,
        name,
        role: "user",
        content: [{ type: "text", id: "b", text }],
        metadata: {},
        created_at: "2026-01-31T09:30:00.000Z",
        finished_at: null,
        usage: null
      })
      const { url } = yield* fakeServer((_, line) =>
        line.includes("offset=0")
          ? json({
            messages: [message("ada", "hi\u001b[2J")],
            is_running: false,
            total: 2,
            has_more: true,
            next_cursor: "1"
          })
          : json({
            messages: [message("bot", "ho\n")],
            is_running: false,
            total: 2,
            has_more: false,
            next_cursor: null
          })
      )
      const { out } = yield* stoa({}, "sessions", "messages", "s1", "--url", url)
      assert.strictEqual(out, "ada  2026-01-31T09:30:00.000Z\nhi[2J\n\nbot  2026-01-31T09:30:00.000Z\nho\n\n")
      const { out: lines } = yield* stoa({}, "sessions", "messages", "s1", "-o", "ndjson", "--url", url)
      assert.strictEqual(lines.trimEnd().split("\n").length, 2)
    }))

  it.scopedLive("deletes", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer(() => empty(204))
      yield* stoa({}, "sessions", "delete", "s1", "s2", "-y", "--url", url)
      assert.deepStrictEqual(lines(), ["DELETE /sessions/s1", "DELETE /sessions/s2"])
    }))
})
