/** Adds a job to the write that ends a run of an agent that remembers by itself: to look at what was said. */
import { Effect, Layer } from "effect"
import { type Job, newJob } from "../../domain/Job.ts"
import type { Run } from "../../domain/Run.ts"
import { type Book, Catalog, emptyBook } from "../../services/Catalog.ts"
import { EventLog, type LogBatch } from "../../services/EventLog.ts"
import { Jobs } from "../../services/Jobs.ts"
import { timestampOf } from "../../services/Now.ts"
import { isSameId } from "../SameId.ts"
import { memoryKind } from "./Extracting.ts"

/** How long a conversation has to be quiet, in seconds, so that not each of its runs is looked at. */
const defaultQuiet = 30

const isSaid = ({ agent_id, finished_reason, source, status }: Run) =>
  status === "ended" && finished_reason === "completed" && (source === "user" || source === "channel") &&
  isSameId(agent_id)

const jobOf = ({ id, session_id, updated_at, user_id }: Run, quiet: number): Job => ({
  ...newJob(`${id}.memory`, user_id, memoryKind, { run_id: id, session_id }, updated_at),
  run_at: timestampOf(Date.parse(updated_at) + quiet * 1000)
})

const make = Effect.fnUntraced(function*(quiet: number) {
  const log = yield* EventLog
  const catalog = yield* Catalog
  const { wake } = yield* Jobs
  let known: { readonly book: Book; readonly finds: boolean } = { book: emptyBook, finds: false }
  /** Whether some agent remembers by itself: the others cost nothing then. */
  const finds = () => {
    const book = catalog.book()
    if (known.book !== book) {
      known = { book, finds: [...book.agents.values()].some(({ front }) => front.memory?.auto_extract === true) }
    }
    return known.finds
  }
  return EventLog.of({
    ...log,
    append: (batch: LogBatch) => {
      const jobs = batch.runs.length > 0 && finds() ? batch.runs.filter(isSaid).map((run) => jobOf(run, quiet)) : []
      return jobs.length === 0
        ? log.append(batch)
        : Effect.zipLeft(log.append({ ...batch, jobs: [...batch.jobs ?? [], ...jobs] }), wake)
    }
  })
})

export interface Options {
  readonly memory_quiet_seconds?: number
}

export const layerWith = (
  { memory_quiet_seconds = defaultQuiet }: Options
): Layer.Layer<EventLog, never, Catalog | EventLog | Jobs> => Layer.effect(EventLog, make(memory_quiet_seconds))
