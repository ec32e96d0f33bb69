/** However a run is cut off, its stream is one that the AI SDK reads to its end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Schema } from "effect"
import { AgentEvent } from "../../../src/domain/Event.ts"
import * as Reply from "../../../src/domain/Reply.ts"
import { Fold } from "../../../src/http/channels/Follow.ts"
import { Chunks } from "../../../src/http/channels/uimessages/Chunks.ts"
import { policy } from "../../../src/http/channels/uimessages/Handlers.ts"
import type { Sink } from "../../../src/services/Rooms.ts"
import { logs, pagesOf, run_id, session } from "../../support/channels/Logs.ts"
import { chunksOf, readOf } from "../../support/uimessages.ts"

const ids = { session_id: session.id, run_id }

const decode = Schema.decodeUnknownSync(AgentEvent)

/** The bytes of a stream that is given these events, and then cut by the server where `isCut` says so. */
const rendered = (events: ReadonlyArray<AgentEvent>, size: number, isCut: boolean) => {
  let bytes = ""
  const socket: Sink = {
    write: (frames) => bytes += new TextDecoder().decode(frames),
    unread: () => 0,
    drained: Effect.void,
    end: () => {}
  }
  const encoder = new Chunks({ ...ids, clientTools: new Set(["time"]) })
  const fold = new Fold({ encoder, policy }, socket)
  fold.commit()
  for (const page of pagesOf(events, size)) fold.write(page)
  if (isCut) fold.end("closing")
  return bytes
}

/** What is written when the server finds the run again after a crash and ends it. */
const endingOf = (events: ReadonlyArray<AgentEvent>, how: Reply.Ending): ReadonlyArray<AgentEvent> => {
  const reply = Reply.ofEvents(events)
  return reply === undefined ?
    [] :
    Reply.ending(reply, ids, how).map((draft, i) =>
      decode({ id: `ending-${i}`, created_at: "2026-01-31T09:31:00.000Z", ...draft })
    )
}

const endings: ReadonlyArray<Reply.Ending> = [
  { finished_reason: "interrupted", error: null },
  { finished_reason: "completed", error: null, stop_reason: "end_turn" },
  {
    finished_reason: "error",
    error: { type: "internal", code: "crashed", message: "The server went down too often.", retryable: true }
  }
]

describe("Any beginning of a run, and then a crash", () => {
  it("is a stream that the client accepts, and that says what was said", async () => {
    const cases = FastCheck.record({
      log: FastCheck.constantFrom(...logs),
      part: FastCheck.double({ min: 0, max: 1, noNaN: true }),
      how: FastCheck.constantFrom(...endings),
      isCut: FastCheck.boolean(),
      size: FastCheck.integer({ min: 1, max: 5 })
    })
    await FastCheck.assert(
      FastCheck.asyncProperty(cases, async ({ how, isCut, log, part, size }) => {
        const prefix = log.events.slice(0, Math.floor(part * log.events.length))
        const events = isCut ? prefix : [...prefix, ...endingOf(prefix, how)]
        const bytes = rendered(events, size, isCut)
        if (events.length === 0 && !isCut) return
        assert.isTrue(bytes.endsWith("data: [DONE]\n\n"), bytes)
        const chunks = chunksOf(bytes)
        const ends = chunks.filter(({ type }) => type === "finish" || type === "abort" || type === "error")
        assert.deepStrictEqual(ends, chunks.slice(-1), bytes)
        const count = (...types: ReadonlyArray<string>) => chunks.filter(({ type }) => types.includes(type)).length
        assert.strictEqual(count("text-start", "reasoning-start"), count("text-end", "reasoning-end"), bytes)
        assert.strictEqual(count("start-step"), count("finish-step"), bytes)
        const { errors, message } = await readOf(bytes)
        assert.strictEqual(errors.length > 0, ends[0]?.type === "error", bytes)
        for (const part of message?.parts ?? []) {
          if ("state" in part) assert.notStrictEqual(part.state, "streaming", bytes)
        }
      }),
      { numRuns: 200 }
    )
  })
})
