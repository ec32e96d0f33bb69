/** What a person at the terminal is told of answers that were withheld or cut, of the provider's tools and of sources. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Desk as DeskOptions, stoa } from "./Desk.ts"
import { fakeServer, json, problem, sse } from "./FakeServer.ts"
import * as Records from "./Records.ts"

const { ended, framesOf, started, text } = Records

type Ended = ReturnType<typeof ended>

const withStop = (end: Ended, stop_reason: string, stop_details?: object) => ({
  ...end,
  stop_reason,
  ...(stop_details !== undefined && { stop_details })
})

const chat = (events: ReadonlyArray<object>, desk: DeskOptions = {}, ...words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { url } = yield* fakeServer((_, line) => {
      if (line.startsWith("GET /sessions/s1/stream")) return sse(framesOf(events, 11))
      if (line.startsWith("GET /agent?")) return json(Records.page("agents", [Records.agent("a1")]))
      if (line.startsWith("GET /sessions?")) return json(Records.page("sessions", [Records.session("s1")]))
      if (line === "POST /chat") return json({ session_id: "s1", run_id: "r1", seq: 10 }, 202)
      return problem("Not Found", 404, "No.")
    })
    return yield* stoa(desk, "chat", "hi", ...words, "--url", url)
  })

describe("chat", () => {
  it.scopedLive("says that an answer was withheld, declined or cut, whatever the finished_reason is called", () =>
    Effect.gen(function*() {
      const category = "HARM_CATEGORY_HARASSMENT"
      const ends = [
        [
          withStop(ended("content_filter"), "content_filter", { category }),
          `withheld the answer, or its rest: ${category}.`
        ],
        [withStop(ended("completed"), "content_filter", { provider_reason: "RECITATION" }), "rest: RECITATION."],
        [withStop(ended("content_filter"), "refusal"), "The model declined to answer."],
        [withStop(ended("completed"), "max_tokens"), "The reply is cut off"],
        [withStop(ended("max_tokens"), "max_tokens"), "The reply is cut off"]
      ] as const
      for (const [end, told] of ends) {
        const ran = yield* chat([...started, ...text("part"), end])
        assert.deepStrictEqual([ran.code, ran.out], [1, "part\n"])
        assert.include(ran.err, told)
      }
      const fine = yield* chat([...started, ...text("whole"), withStop(ended(), "end_turn")])
      assert.deepStrictEqual(fine, { code: 0, out: "whole\n", err: "" })
    }))

  it.scopedLive("understands a server of an older version, with the types and words that it had", () =>
    Effect.gen(function*() {
      const [said] = started
      const { name: _, value, ...common } = said as typeof Records.parked
      const queued = { ...common, type: "RUN_QUEUED", session_id: "s1", run_id: "r1" }
      const older = [queued, { ...common, type: "USER_MESSAGE", ...value }, ...started.slice(1), ...text("part")]
      const cut = yield* chat([...older, ended("max_tokens")])
      assert.deepStrictEqual([cut.code, cut.out], [1, "part\n"])
      assert.include(cut.err, "(waits for the run before it)")
      assert.include(cut.err, "The reply is cut off")
      const parked = { ...common, type: "RUN_PARKED", ...Records.parked.value }
      assert.include((yield* chat([...older, parked])).err, "The run waits for a person")
    }))

  it.scopedLive("answers in JSON with the reason and what the filter found", () =>
    Effect.gen(function*() {
      const stop_details = { provider_reason: "SAFETY", category: "violence" }
      const events = [...started, ...text("part"), withStop(ended("content_filter"), "content_filter", stop_details)]
      const ran = yield* chat(events, {}, "-o", "json")
      assert.deepInclude(JSON.parse(ran.out), { stop_reason: "content_filter", stop_details })
      assert.strictEqual(ran.code, 1)
    }))

  it.scopedLive("shows which tools the provider ran, and the sources of a text", () =>
    Effect.gen(function*() {
      const marked = Records.toolCall("web_search", "{\"q\":1}", "found").map((event) => ({
        ...event,
        ...((event.type === "TOOL_CALL_START" || event.type === "TOOL_RESULT_START") && { provider_executed: true })
      }))
      const [start, ...rest] = text("Sunny.")
      const annotations = [
        { type: "url_citation", url: "https://bern.example/", title: "Bern" },
        { type: "url_citation", url: "https://bern.example/", title: "Bern", start_index: 2 },
        { type: "file_citation", title: "notes.txt" }
      ]
      const said = [start!, ...rest.map((event) => event.type === "TEXT_BLOCK_END" ? { ...event, annotations } : event)]
      const { err, out } = yield* chat([...started, ...marked, ...said, ended()])
      assert.strictEqual(out, "Sunny.\n")
      assert.include(err, "→ web_search (by the provider) {\"q\":1}")
      assert.strictEqual(err.split("source: Bern https://bern.example/").length, 2)
      assert.include(err, "source: notes.txt")
    }))
})
