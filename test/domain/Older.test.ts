/** What older versions wrote is read in the form of this one. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { AgentEvent, frame } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import * as Older from "../../src/domain/Older.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { complaintsAbout, complaintsAboutA } from "../support/agentservice/Conforms.ts"
import { agentOf, freshOwner, messageOf, runOf, sessionOf, time } from "../support/fixtures.ts"

const head = (n: number) => ({ id: `e${n}`, created_at: time })
const run = { session_id: "s", run_id: "u" }
const reply = { reply_id: "r" }
const used = { type: "MODEL_CALL_END", ...reply, input_tokens: 1, output_tokens: 1 }

/** What is read of these events, when an older version wrote them. */
const read = (...events: ReadonlyArray<object>) => {
  const written = events.map((event, i) => frame(i + 1, JSON.stringify({ ...head(i + 1), ...event }))).join("")
  const now = Older.frames(written)
  assert.strictEqual(Older.frames(now), now, "reading it twice changes it")
  const told = eventsOf(now)
  assert.deepStrictEqual(told.map(({ seq }) => seq), events.map((_, i) => i + 1))
  for (const { event } of told) {
    assert.isTrue(Schema.is(AgentEvent)(event), JSON.stringify(event))
    assert.deepStrictEqual(complaintsAbout(event), [])
  }
  return told.map(({ event }) => event)
}

const user = messageOf("\"type\":\"RUN_PARKED\"")

describe("A log of an older version", () => {
  it("tells its own events as CUSTOM, with all that they said", () => {
    assert.deepStrictEqual<ReadonlyArray<unknown>>(
      read(
        { type: "RUN_QUEUED", ...run },
        { type: "USER_MESSAGE", ...run, message: user },
        { type: "RUN_RESUMED", ...run, attempt: 2, agent_path: ["a"] },
        { type: "RUN_PARKED", ...run, ...reply, waiting_for: "user_confirmation", metadata: { a: 1 } }
      ),
      [
        { ...head(1), type: "CUSTOM", name: "run_queued", value: run },
        { ...head(2), type: "CUSTOM", name: "user_message", value: { ...run, message: user } },
        { ...head(3), type: "CUSTOM", name: "run_resumed", value: { ...run, attempt: 2 }, agent_path: ["a"] },
        {
          ...head(4),
          type: "CUSTOM",
          name: "run_parked",
          value: { ...run, ...reply, waiting_for: "user_confirmation" },
          metadata: { a: 1 }
        }
      ]
    )
  })

  it("says why its models stopped, and which calls were cut", () => {
    const before = { stop: "end_turn", length: "max_tokens", content_filter: "content_filter", other: "unknown" }
    for (const [finished_reason, stop_reason] of Object.entries(before)) {
      assert.deepInclude(read({ ...used, finished_reason })[0], { finished_reason: "completed", stop_reason })
    }
    assert.deepInclude(read({ ...used, finished_reason: "error" })[0], {
      finished_reason: "interrupted",
      stop_reason: "error"
    })
    for (const kept of [{}, { finished_reason: "interrupted" }, { finished_reason: "completed", stop_reason: "x" }]) {
      assert.deepStrictEqual<unknown>(read({ ...used, ...kept })[0], { ...head(1), ...used, ...kept })
    }
    const cut = Reply.ofEvents(read(
      { type: "REPLY_START", ...run, ...reply, name: "Friday", role: "assistant" },
      { type: "MODEL_CALL_START", ...reply, model_name: "m" },
      { type: "TOOL_CALL_START", ...reply, tool_call_id: "c", tool_call_name: "t" },
      { type: "TOOL_CALL_DELTA", ...reply, tool_call_id: "c", delta: "{\"a\":" },
      { type: "TOOL_CALL_END", ...reply, tool_call_id: "c" },
      { ...used, finished_reason: "length" }
    ))!
    assert.lengthOf(Reply.cutCalls(cut), 1)
  })

  it("says how its replies ended by the words that all clients know", () => {
    const end = (how: object) =>
      read({
        type: "REPLY_END",
        ...run,
        ...reply,
        usage: user.usage ?? {
          input_tokens: 0,
          output_tokens: 0
        },
        error: null,
        ...how
      })[0]
    assert.deepInclude(end({ finished_reason: "max_tokens" }), {
      finished_reason: "completed",
      stop_reason: "max_tokens"
    })
    assert.deepInclude(end({ finished_reason: "content_filter", stop_reason: "refusal" }), {
      finished_reason: "completed",
      stop_reason: "refusal"
    })
    const errors = { timeout: "internal", limit: "internal", context_length: "invalid_request", invented: "unknown" }
    for (const [before, type] of Object.entries(errors)) {
      const error = { type: before, code: "own", message: "No.", retryable: true }
      assert.deepNestedInclude(end({ finished_reason: "error", error }), { error: { ...error, type } })
    }
    const from = { type: "demo_credential", model: "m", credential_id: "c" }
    const switched = { ...reply, from, to: from, error: { type: "content_policy", message: "No." } }
    assert.deepNestedInclude(read({ type: "CUSTOM", name: "model_switched", value: switched })[0], {
      "value.error": { type: "invalid_request", code: "content_policy", message: "No." }
    })
  })

  it("keeps what nobody can read, and what only looks like one of its events", () => {
    const text = { type: "TEXT_BLOCK_DELTA", ...reply, block_id: "b", delta: "{\"type\":\"USER_MESSAGE\"}" }
    const metadata = { type: "TEXT_BLOCK_END", ...reply, block_id: "b", provider_metadata: { type: "USER_MESSAGE" } }
    assert.deepStrictEqual<ReadonlyArray<unknown>>(read(text, metadata), [
      { ...head(1), ...text },
      { ...head(2), ...metadata }
    ])
    const broken = "id: 1\ndata: {\"type\":\"USER_MESSAGE\",\n\n"
    assert.strictEqual(Older.frames(broken), broken)
  })
})

describe("A record of an older version", () => {
  const error = { type: "timeout", code: "expired", message: "No.", retryable: false }

  it("says how a run ended by the words that all clients know", () => {
    const run = runOf(sessionOf(agentOf(freshOwner())))
    const decode = Schema.decodeUnknownSync(Older.StoredRun)
    assert.deepStrictEqual(decode(run), run)
    assert.deepInclude(decode({ ...run, finished_reason: "max_tokens" }), {
      finished_reason: "completed",
      stop_reason: "max_tokens"
    })
    assert.deepInclude(decode({ ...run, finished_reason: "error", error }), { error: { ...error, type: "internal" } })
  })

  it("is a message that strict clients take", () => {
    const decode = Schema.decodeUnknownSync(Older.StoredMessage)
    const message = messageOf("x", { role: "assistant" })
    assert.deepStrictEqual(decode(message), message)
    for (const old of [{ finished_reason: "max_tokens" }, { finished_reason: "error", error }]) {
      assert.isNotEmpty(complaintsAboutA("Msg", { ...message, ...old }))
      assert.deepStrictEqual(complaintsAboutA("Msg", decode({ ...message, ...old })), [])
    }
  })
})
