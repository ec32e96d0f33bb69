/** Wherever a run breaks off, its client has been told a beginning of what it would have been told, and gets a result. */
import { assert, describe, it } from "@effect/vitest"
import { isCallToolResult } from "@modelcontextprotocol/server"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import * as Reply from "../../../src/domain/Reply.ts"
import { type Line, Progress } from "../../../src/http/channels/mcp/Progress.ts"
import { failedResult, resultOf } from "../../../src/http/channels/mcp/Results.ts"
import { logs, run_id, session } from "../../support/channels/Logs.ts"

const linesOf = (events: ReadonlyArray<AgentEvent>, told = 0): ReadonlyArray<Line> => {
  const lines: Array<Line> = []
  const progress = new Progress((line) => lines.push(line), told)
  for (const event of events) progress.step(event)
  return lines
}

const head = { run_id, session_id: session.id, base: "http://localhost" }

describe.each(logs)("$name", ({ events }) => {
  it("is told up to any point as it is told as a whole, and goes on from there without a gap", () => {
    const whole = linesOf(events)
    assert.deepStrictEqual(whole.map(({ progress }) => progress), whole.map((_, i) => i + 1))
    for (let length = 0; length <= events.length; length++) {
      const lines = linesOf(events.slice(0, length))
      assert.deepStrictEqual(lines, whole.slice(0, lines.length))
      assert.deepStrictEqual(linesOf(events, lines.length), whole.slice(lines.length))
    }
  })

  it("is a result of the protocol wherever it ends", () => {
    for (let length = 1; length <= events.length; length++) {
      const reply = Reply.ofEvents(events.slice(0, length))?.message
      if (reply === undefined) continue
      for (const result of [resultOf(head, reply), failedResult(head, "It broke.", reply)]) {
        assert.isTrue(isCallToolResult(result), JSON.stringify(result))
      }
    }
  })
})
