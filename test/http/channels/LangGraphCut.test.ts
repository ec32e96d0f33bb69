/** However a run is cut off, its frames are numbered without a gap, and whoever comes back gets exactly the rest. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@langchain/langgraph-sdk"
import { FastCheck } from "effect"
import { Invalid } from "../../../src/domain/Errors.ts"
import type { AgentEvent } from "../../../src/domain/Event.ts"
import * as Reply from "../../../src/domain/Reply.ts"
import { endsStream } from "../../../src/domain/RunOf.ts"
import { Frames } from "../../../src/http/channels/langgraph/output/Encode.ts"
import { Mode } from "../../../src/http/channels/langgraph/request/Requests.ts"
import { eventsOf, logs, run_id, session } from "../../support/channels/Logs.ts"

const ids = { session_id: session.id, run_id }

const stopped = new Invalid({ code: "cancelled", detail: "The run was stopped before its end." })

/** The frames of these events, and of what the server writes about a run that it finds again after a crash. */
const rendered = (events: ReadonlyArray<AgentEvent>, modes: Iterable<Mode>, after = 0): ReadonlyArray<string> => {
  const frames = new Frames({ run_id, thread_id: "t", assistant_id: session.agent_id, modes: new Set(modes), after })
  let text = ""
  for (const event of events) {
    text += frames.step(event)
    if (event.type === "REPLY_END" && event.finished_reason !== "completed") text += frames.failed(stopped)
  }
  return text.split(/(?<=\n\n)/).filter((frame) => frame !== "")
}

const numberOf = (frame: string) => Number(/^id: (\d+)\n/.exec(frame)![1])

const eventOf = (frame: string) => /^event: (.*)$/m.exec(frame)![1]!

const ended = (prefix: ReadonlyArray<AgentEvent>): ReadonlyArray<AgentEvent> => {
  const reply = Reply.ofEvents(prefix)
  return reply === undefined || prefix.some(endsStream)
    ? prefix
    : [...prefix, ...eventsOf(Reply.ending(reply, ids, { finished_reason: "interrupted", error: null }))]
}

const cases = FastCheck.record({
  log: FastCheck.constantFrom(...logs),
  part: FastCheck.double({ min: 0, max: 1, noNaN: true }),
  after: FastCheck.nat(60),
  modes: FastCheck.subarray([...Mode.literals], { minLength: 1 })
})

describe("Any beginning of a run, and then a crash", () => {
  it("goes on with the very next frame, in any modes", () => {
    FastCheck.assert(
      FastCheck.property(cases, ({ after, log, modes, part }) => {
        const events = ended(log.events.slice(0, Math.floor(part * log.events.length)))
        const all = rendered(events, Mode.literals)
        assert.deepStrictEqual(all.map(numberOf), all.map((_, i) => i + 1))
        assert.deepStrictEqual(rendered(events, Mode.literals, after), all.filter((frame) => numberOf(frame) > after))
        const few = rendered(events, modes)
        assert.deepStrictEqual(few, all.filter((frame) => few.includes(frame)))
        // What was told before the crash is told again in the same bytes.
        const before = rendered(log.events.slice(0, Math.floor(part * log.events.length)), Mode.literals)
        assert.deepStrictEqual(all.slice(0, before.length), before)
      }),
      { numRuns: 300 }
    )
  })

  it("is read by the SDK to its end", async () => {
    for (const { events } of logs) {
      for (let length = 1; length <= events.length; length++) {
        const frames = rendered(ended(events.slice(0, length)), Mode.literals)
        const client = new Client({
          apiUrl: "http://nowhere",
          callerOptions: {
            fetch: async () => new Response(frames.join(""), { headers: { "content-type": "text/event-stream" } })
          }
        })
        const told: Array<string> = []
        for await (const { event } of client.runs.stream("t", "Ada", {})) told.push(event)
        assert.deepStrictEqual(told, frames.map(eventOf))
      }
    }
  })
})
