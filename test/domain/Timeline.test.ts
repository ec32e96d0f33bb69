/** A run's timeline: the same for the same events, and every event is in it. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck, Schema } from "effect"
import type { AgentEvent, EventDraft } from "../../src/domain/Event.ts"
import type { CredentialId, MessageId, Timestamp, ToolCallId } from "../../src/domain/Ids.ts"
import type { LedgerEntry } from "../../src/domain/Ledger.ts"
import { fold, maxSteps, timelineOf } from "../../src/domain/Timeline.ts"
import { Timeline } from "../../src/domain/TimelineRecord.ts"
import { agentOf, freshOwner, runOf, sessionOf } from "../support/fixtures.ts"
import { entryOf } from "../support/ledger.ts"
import { anyEvents, stamp } from "./arbitraries.ts"

const session = sessionOf(agentOf(freshOwner()))
const run = runOf(session, { status: "ended", attempt: 2 })

const placed = (events: ReadonlyArray<AgentEvent>, first = 1) => events.map((event, i) => ({ seq: first + i, event }))

const reply_id = "m1" as MessageId
const ids = { session_id: session.id, run_id: run.id }

/** Events that come a second after each other. */
const each = (...drafts: ReadonlyArray<EventDraft>) =>
  placed(drafts.map((draft, i) => ({
    ...stamp(draft),
    created_at: new Date(Date.UTC(2026, 0, 31) + i * 1000).toISOString() as Timestamp
  })))

const call: EventDraft = { type: "MODEL_CALL_START", reply_id, model_name: "demo", provider: "demo_credential" }
const called: EventDraft = {
  type: "MODEL_CALL_END",
  reply_id,
  input_tokens: 3,
  output_tokens: 2,
  finished_reason: "completed"
}
const tool = { reply_id, tool_call_id: "t1" as ToolCallId }

describe("A timeline", () => {
  it("is the same when it is made again, and in parts, and no event is lost", () =>
    FastCheck.assert(
      FastCheck.property(anyEvents, FastCheck.nat(40), (events, cut) => {
        const all = placed(events, 7)
        const whole = timelineOf(run, all, [])
        assert.deepStrictEqual(timelineOf(run, all, []), whole)
        const { add, render } = fold(run)
        for (const { event, seq } of all.slice(0, cut)) add(seq, event)
        render([], false)
        for (const { event, seq } of all.slice(cut)) add(seq, event)
        assert.deepStrictEqual(render([], true), whole)
        assert.strictEqual(whole.steps.reduce((sum, { events }) => sum + events, 0), events.length)
        assert.strictEqual(whole.totals.events, events.length)
        assert.deepStrictEqual(Schema.encodeSync(Timeline)(Schema.validateSync(Timeline)(whole)), whole)
      }),
      { numRuns: 300 }
    ))

  it("tells calls, tools, waits, attempts and the end, with their times", () => {
    const { steps, totals } = timelineOf(
      run,
      each(
        { type: "REPLY_START", ...ids, reply_id, name: "Zeno", role: "assistant" },
        call,
        { type: "TOOL_CALL_START", ...tool, tool_call_name: "Pause" },
        { type: "TOOL_CALL_END", ...tool },
        called,
        { type: "REQUIRE_USER_CONFIRM", reply_id, tool_calls: [] },
        { type: "CUSTOM", name: "run_parked", value: { ...ids, reply_id, waiting_for: "user_confirmation" } },
        { type: "USER_CONFIRM_RESULT", reply_id, confirm_results: [] },
        { type: "TOOL_RESULT_START", ...tool, tool_call_name: "Pause" },
        { type: "CUSTOM", name: "run_resumed", value: { ...ids, attempt: 2 } },
        { type: "TOOL_RESULT_END", ...tool, state: "interrupted" },
        call,
        {
          type: "REPLY_END",
          ...ids,
          reply_id,
          finished_reason: "completed",
          error: null,
          usage: { input_tokens: 3, output_tokens: 2 }
        }
      ),
      []
    )
    assert.deepStrictEqual(
      steps.map(({ duration_ms, events, last_seq, seq, type }) => [type, seq, last_seq, events, duration_ms]),
      [
        ["attempt", 1, 1, 1, 0],
        ["model_call", 2, 5, 4, 3000],
        ["wait", 6, 8, 3, 2000],
        ["tool", 9, 11, 2, 2000],
        ["attempt", 10, 10, 1, 0],
        ["model_call", 12, 12, 1, 1000],
        ["end", 13, 13, 1, 0]
      ]
    )
    assert.deepInclude(totals, {
      model_calls: 2,
      tool_calls: 1,
      waits: 1,
      attempts: 2,
      model_ms: 4000,
      tool_ms: 2000,
      waited_ms: 2000
    })
  })

  it("has the costs of the ledger, and sums them", () => {
    const events = each(call, called, call, called)
    const entry = (i: number, cost: number | null): LedgerEntry =>
      entryOf(session, {
        id: `${run.id}/${events[i]!.event.id}`,
        run_id: run.id,
        credential_id: "c" as CredentialId,
        input_tokens: 3,
        output_tokens: 2,
        cost
      })
    const { steps, totals } = timelineOf(run, events, [entry(0, 0.1), entry(2, null)])
    assert.deepStrictEqual(steps.map((step) => step.type === "model_call" && [step.cost, step.outcome]), [
      [0.1, "completed"],
      [null, "completed"]
    ])
    assert.deepInclude(totals, { cost: 0.1, unpriced_calls: 1, input_tokens: 6, output_tokens: 4 })
  })

  it("counts what is beyond its bound, and does not tell it", () => {
    const events = Array.from({ length: maxSteps + 5 }, () => [call, called]).flat()
    const { steps, steps_left_out, totals } = timelineOf(run, each(...events), [])
    assert.deepStrictEqual([steps.length, steps_left_out], [maxSteps, 5])
    assert.deepInclude(totals, { events: events.length, model_calls: maxSteps + 5 })
  })
})
