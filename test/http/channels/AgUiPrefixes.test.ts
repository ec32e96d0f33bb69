/** Wherever a run breaks off, AG-UI's clients get a stream that they accept, to its end. */
import { EventSchema } from "@ag-ui/core/schemas"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import type { RunId, SessionId } from "../../../src/domain/Ids.ts"
import { permissionContext } from "../../../src/domain/Permission.ts"
import * as Reply from "../../../src/domain/Reply.ts"
import { Stream } from "../../../src/http/channels/agui/Encode.ts"
import { Fold } from "../../../src/http/channels/Follow.ts"
import type { Sink } from "../../../src/services/Rooms.ts"
import { complaints, framesOf, threadOf, versions } from "../../support/agui.ts"
import { eventsOf, logs, pagesOf } from "../../support/channels/Logs.ts"

const ids = { session_id: "the-session", run_id: "the-run" }

const toolCall = (id: string) => ({ type: "tool_call", id, name: "pay", input: "{}", state: "asking" })

const todo = (subject: string) => ({
  id: "1",
  subject,
  description: "",
  metadata: {},
  created_at: "2026-01-31T09:30:00.000Z",
  state: "pending",
  owner: null,
  blocks: [],
  blocked_by: []
})

const state = (subject: string) => ({
  type: "CUSTOM",
  name: "state_updated",
  value: { tasks_context: { tasks: [todo(subject)] }, permission_context: permissionContext("default") }
})

/** What the logs of all channels do not have: files, a state, interleaved blocks, an approval. */
const rich = eventsOf([
  { type: "CUSTOM", name: "run_queued", value: ids },
  { type: "REPLY_START", ...ids, name: "Ada", role: "assistant" },
  { type: "MODEL_CALL_START", model_name: "demo-script", provider: "demo_credential" },
  { type: "THINKING_BLOCK_START", block_id: "t" },
  { type: "TEXT_BLOCK_START", block_id: "x" },
  { type: "THINKING_BLOCK_DELTA", block_id: "t", delta: "hm" },
  { type: "TEXT_BLOCK_DELTA", block_id: "x", delta: "" },
  { type: "TEXT_BLOCK_DELTA", block_id: "x", delta: "Well" },
  { type: "THINKING_BLOCK_END", block_id: "t" },
  { type: "DATA_BLOCK_START", block_id: "d", media_type: "image/png" },
  { type: "DATA_BLOCK_DELTA", block_id: "d", media_type: "image/png", data: "aGk=" },
  { type: "DATA_BLOCK_END", block_id: "d" },
  { type: "TEXT_BLOCK_END", block_id: "x" },
  { type: "TOOL_CALL_START", tool_call_id: "c1", tool_call_name: "paint" },
  { type: "TOOL_CALL_START", tool_call_id: "c2", tool_call_name: "pay" },
  { type: "TOOL_CALL_DELTA", tool_call_id: "c1", delta: "{}" },
  { type: "TOOL_CALL_END", tool_call_id: "c1" },
  { type: "TOOL_CALL_END", tool_call_id: "c2" },
  { type: "MODEL_CALL_END", input_tokens: 3, output_tokens: 4, reasoning_tokens: 1, cache_input_tokens: 2 },
  { type: "TOOL_RESULT_START", tool_call_id: "c1", tool_call_name: "paint" },
  { type: "TOOL_RESULT_TEXT_DELTA", tool_call_id: "c1", delta: "here" },
  { type: "TOOL_RESULT_DATA_DELTA", tool_call_id: "c1", block_id: "p", media_type: "image/png", data: "aGk=" },
  { type: "TOOL_RESULT_END", tool_call_id: "c1", state: "success" },
  state("sow"),
  state("reap"),
  { type: "REQUIRE_USER_CONFIRM", tool_calls: [toolCall("c2")] },
  { type: "CUSTOM", name: "run_parked", value: { ...ids, reply_id: "the-reply", waiting_for: "user_confirmation" } }
])

const scripts: ReadonlyArray<readonly [string, ReadonlyArray<AgentEvent>]> = [
  // Those that differ in why the model stopped are alike here.
  ...logs.filter(({ said }) => ["completed", "calls", "failed"].includes(said.status))
    .map(({ events, name }) => [name, events] as const),
  ["one with files, a state and an approval", rich]
]

/** The stream of the events; what they lack of an end is a crash of the server. */
const rendered = (events: ReadonlyArray<AgentEvent>, isOld: boolean): string => {
  let text = ""
  const socket: Sink = {
    write: (frames) => text += new TextDecoder().decode(frames),
    unread: () => 0,
    drained: Effect.void,
    end: () => {}
  }
  const encoder = new Stream({ threadId: "t", runId: "r", isOld, answered: new Set(), state: { a: null } })
  const fold = new Fold({ encoder, policy: { leaving: "goes on", approval: "shown", end: "" } }, socket)
  for (const page of pagesOf(events, 3)) fold.write(page)
  fold.end("closing")
  return text
}

/** The end that a run gets whose process has died, when another one finds it. */
const recovered = (prefix: ReadonlyArray<AgentEvent>): ReadonlyArray<AgentEvent> => {
  const resumed = { type: "CUSTOM", name: "run_resumed", value: { ...ids, attempt: 2 } }
  const reply = Reply.ofEvents(prefix)
  const run = { session_id: ids.session_id as SessionId, run_id: ids.run_id as RunId }
  const ends = reply === undefined ? [] : Reply.ending(reply, run, { finished_reason: "interrupted", error: null })
  return [...prefix, ...eventsOf([resumed, ...ends])]
}

const frame = (event: object) => `data: ${JSON.stringify(event)}\n\n`

describe.each(versions)("The client of %s accepts", (version) => {
  it.each(scripts)("%s, wherever it breaks off", async (_, events) => {
    const isOld = version !== "1.0.0"
    for (let length = 1; length <= events.length; length++) {
      const prefix = events.slice(0, length)
      for (const log of [prefix, recovered(prefix)]) {
        const text = rendered(log, isOld)
        for (const event of framesOf(text)) EventSchema.parse(event)
        const thread = threadOf(version, { url: "http://nowhere", key: "", answer: text })
        const { events: told, problem } = await Effect.runPromise(thread.run("x"))
        const last = told.at(-1)
        assert.include(["RUN_FINISHED", "RUN_ERROR"], last?.type, `${length}: ${problem}\n${text}`)
        assert.strictEqual(last.type, framesOf(text).at(-1).type, `${length}: ${problem}`)
        // An error of the run is told, and is none of the stream's.
        if (last.type === "RUN_FINISHED") assert.isUndefined(problem, `${length}\n${text}`)
      }
    }
    assert.deepStrictEqual(complaints, [])
  }, 60_000)

  it("nothing that is not whole: the check does check", async () => {
    const broken = frame({ type: "RUN_STARTED", threadId: "t", runId: "r" }) +
      frame({ type: "TEXT_MESSAGE_START", messageId: "m", role: "assistant" }) +
      frame({ type: "RUN_FINISHED", threadId: "t", runId: "r" })
    const { problem } = await Effect.runPromise(
      threadOf(version, { url: "http://nowhere", key: "", answer: broken }).run("x")
    )
    assert.include(problem ?? "", "still active")
  })
})
