/** What the log tells of a run. */
import { Effect } from "effect"
import type { AgentEvent } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { Message } from "../../domain/Message.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { EventLog } from "../../services/EventLog.ts"

/** Pages read from the log at a time. */
const readPages = 64

export const make = (log: typeof EventLog.Service) => {
  /** The events of a run that are in the log. */
  const eventsOfRun = Effect.fnUntraced(function*(run: Run) {
    const events: Array<{ readonly seq: number; readonly event: AgentEvent }> = []
    let after = run.first_seq! - 1
    for (;;) {
      const pages = yield* log.read(run.session_id, after, readPages)
      const last = pages.at(-1)
      if (last === undefined) return events
      for (const page of pages) {
        if (page.run_id === run.id) events.push(...eventsOf(page.frames).filter(({ seq }) => seq > after))
      }
      after = last.last_seq
    }
  })

  return {
    eventsOfRun,
    /** The reply so far; undefined when it has not begun. */
    replyOf: (run: Run): Effect.Effect<Message | undefined> =>
      run.first_seq === null ? Effect.succeed(undefined) : Effect.map(
        eventsOfRun(run),
        (events) => Reply.ofEvents(events.map(({ event }) => event))?.message
      )
  }
}
