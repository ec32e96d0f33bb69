/** Storage and the log as the engine sees them, which tell hooks of what was written: a run that has ended, a new session. */
import { Context, Effect, Layer } from "effect"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Hooks, ofRun, type RunAfter, type SessionCreated } from "../../services/Hooks.ts"
import { Storage } from "../../services/Storage.ts"

const ended = (run: Run): RunAfter => {
  const { created_at, ended_at, error, finished_reason, reply_id, started_at, usage } = run
  return { ...ofRun(run), reply_id, finished_reason, error, usage, created_at, started_at, ended_at }
}

const created = ({ agent_id, config, id, source, user_id }: Session): SessionCreated => ({
  owner: user_id,
  agent_id,
  session_id: id,
  name: config.name,
  source
})

const eventLog = Effect.gen(function*() {
  const log = yield* EventLog
  const hooks = yield* Hooks
  return !hooks.has("run.after") ? log : EventLog.of({
    ...log,
    append: (batch) => {
      const runs = batch.runs.filter(({ status }) => status === "ended")
      return runs.length === 0
        ? log.append(batch)
        : Effect.zipLeft(
          log.append(batch),
          Effect.forEach(runs, (run) => hooks.tell("run.after", ended(run)), { discard: true })
        )
    }
  })
})

/** The sessions of a transaction that goes on: they are told of when they are there. */
class Made extends Context.Reference<Made>()("stoa/layers/Hooks/Noticed/Made", {
  defaultValue: (): { readonly sessions: Array<Session> | undefined } => ({ sessions: undefined })
}) {}

const storage = Effect.gen(function*() {
  const all = yield* Storage
  const hooks = yield* Hooks
  if (!hooks.has("session.created")) return all
  const tell = (session: Session) => hooks.tell("session.created", created(session))
  return Storage.of({
    ...all,
    sessions: {
      ...all.sessions,
      insert: (session) =>
        Effect.tap(all.sessions.insert(session), (made) =>
          Effect.flatMap(Made, ({ sessions }) => {
            if (sessions === undefined) return tell(made)
            sessions.push(made)
            return Effect.void
          }))
    },
    transaction: (effect) =>
      Effect.flatMap(Made, (outer) => {
        if (outer.sessions !== undefined) return all.transaction(effect)
        const sessions: Array<Session> = []
        return Effect.zipLeft(
          all.transaction(Effect.provideService(effect, Made, { sessions })),
          Effect.suspend(() => Effect.forEach(sessions, tell, { discard: true }))
        )
      })
  })
})

export const layer: Layer.Layer<EventLog | Storage, never, EventLog | Storage> = Layer.merge(
  Layer.effect(EventLog, eventLog),
  Layer.effect(Storage, storage)
)
