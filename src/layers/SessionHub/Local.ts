/** Live sessions over the rooms and the run owner of this process. */
import { Clock, Deferred, Effect, Layer } from "effect"
import { type Accepted, type ChatRequest, isAnswer } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { Conflict, Gone, NotFound } from "../../domain/Errors.ts"
import type { BlockId, MessageId, RunId, UserId } from "../../domain/Ids.ts"
import { acceptMessage, type Message } from "../../domain/Message.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Rooms, type Sink } from "../../services/Rooms.ts"
import { type ClaimOf, RunOwner } from "../../services/RunOwner.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

const noModel = (session: Session) =>
  new Conflict({
    code: "model_not_configured",
    detail: `Session '${session.id}' has no model. Set its chat_model_config by PATCH /sessions/${session.id}.`
  })

/** Messages read at a time in search of one. */
const olderMessages = 200

/** Wants no frames, only to know when there are no more. */
const listener = (ended: Deferred.Deferred<void>): Sink => ({
  write: () => {},
  unread: () => 0,
  drained: Effect.void,
  end: () => Deferred.unsafeDone(ended, Effect.void)
})

const isWaiting = (status: Run["status"]) => status === "awaiting_permission" || status === "awaiting_external_result"

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const log = yield* EventLog
  const models = yield* Models
  const rooms = yield* Rooms
  const owner = yield* RunOwner
  const newId = yield* NewId

  const send = Effect.fnUntraced(
    function*(user_id: UserId, request: ChatRequest, claim?: (accepted: Accepted) => Claim) {
      const session = yield* storage.sessions.get(user_id, request.session_id)
      if (session.agent_id !== request.agent_id) return yield* NotFound.of("Session", request.session_id)
      const agent = yield* storage.agents.get(user_id, session.agent_id)
      const config = session.config.chat_model_config
      if (config === null) return yield* noModel(session)
      yield* models.check(user_id, config)
      const room = yield* rooms.get(session)
      const claimOf: ClaimOf | undefined = claim && ((place) => claim({ session_id: session.id, ...place }))
      if (isAnswer(request.input)) {
        const { run_id, seq } = yield* owner.answer(room, request.input, claimOf)
        yield* room.accepted(true)
        return { session_id: session.id, run_id, seq }
      }
      const millis = yield* Clock.currentTimeMillis
      const created_at = timestampOf(millis)
      const inputs = request.input === null ? [] : "content" in request.input ? [request.input] : request.input
      const run: Run = {
        id: newId.record(millis) as RunId,
        user_id,
        session_id: session.id,
        agent_id: agent.id,
        status: "queued",
        reply_id: newId.record(millis) as MessageId,
        input: inputs.map((input) =>
          acceptMessage(input, newId.record(millis) as MessageId, created_at, () => newId.short() as BlockId)
        ),
        tools: request.tools,
        first_seq: null,
        last_seq: null,
        attempt: 1,
        finished_reason: null,
        error: null,
        usage: null,
        created_at,
        updated_at: created_at,
        started_at: null,
        ended_at: null
      }
      const { alone, seq } = yield* owner.submit(room, run, agent.data.name, request.on_busy, claimOf)
      yield* room.accepted(alone)
      return { session_id: session.id, run_id: run.id, seq }
    },
    Effect.scoped,
    Effect.catchTag("AppendRefused", ({ reason }): Effect.Effect<never, NotFound | Conflict> =>
      Effect.fail(
        reason === "session_gone"
          ? new NotFound({ detail: "The session was deleted while the input was on its way." })
          : new Conflict({
            code: "session_moved",
            detail: "Another process drives this session now. Send the input again."
          })
      ))
  )

  /** A message that is too old to be in the room. */
  const placed = Effect.fnUntraced(function*(session: Session, id: MessageId) {
    for (let offset = 0;; offset += olderMessages) {
      const messages = yield* log.messages(session.id, { offset, limit: olderMessages })
      const found = messages.find(({ message }) => message.id === id)
      if (found !== undefined) return found.message
      if (messages.length === 0) return yield* Effect.dieMessage(`Message ${id} is not in the transcript`)
    }
  })

  return SessionHub.of({
    send,
    attach: Effect.fnUntraced(function*(session, sink, subscription) {
      const room = yield* rooms.get(session)
      const head = room.head()
      if (subscription.after > head) {
        return yield* new Conflict({
          code: "cursor_ahead",
          detail: `The cursor ${subscription.after} is beyond the log: valid cursors are 0 to ${head}.`
        })
      }
      if (subscription.after > 0 && subscription.after < head) {
        const { first } = yield* log.range(session.id)
        if (subscription.after < first - 1) {
          return yield* new Gone({
            code: "cursor_gone",
            detail: `The events after ${subscription.after} are no longer kept: valid cursors are ${
              first - 1
            } to ${head}.`
          })
        }
      }
      yield* room.attach(sink, subscription)
    }),
    liveEdge: (session) =>
      Effect.scoped(Effect.map(rooms.get(session), (room) => {
        const first = owner.activity(session.id)?.run.first_seq
        return first == null ? room.head() : Math.min(first - 1, room.head())
      })),
    reply: (session, run, after) =>
      Effect.gen(function*() {
        const room = yield* rooms.get(session)
        const ended = yield* Deferred.make<void>()
        yield* room.attach(listener(ended), { after, only: run })
        yield* Deferred.await(ended)
        const { reply_id } = yield* Effect.orDie(storage.runs.get(session.user_id, run))
        return room.context().findLast(({ id }) => id === reply_id) ?? (yield* placed(session, reply_id))
      }).pipe(Effect.scoped),
    interrupt: (session, queue) =>
      Effect.scoped(Effect.flatMap(rooms.get(session), (room) => owner.interrupt(room, queue))),
    cancel: (session, run) => Effect.scoped(Effect.flatMap(rooms.get(session), (room) => owner.cancel(room, run))),
    status: (session) =>
      Effect.suspend(() =>
        owner.activity(session.id) === undefined
          ? Effect.map(log.open(session.id), (runs) => runs.map(({ status }) => status).find(isWaiting) ?? "idle")
          : Effect.succeed("running")
      ),
    messages: Effect.fnUntraced(function*(session, { limit, offset }) {
      const activity = owner.activity(session.id)
      const placed = yield* log.messages(session.id, { offset, limit })
      const stored = placed.map(({ message }) => message)
      const count = yield* log.countMessages(session.id)
      const making = activity !== undefined && !stored.some(({ id }) => id === activity.reply.id)
        ? activity.reply
        : undefined
      const messages: ReadonlyArray<Message> =
        making !== undefined && stored.length < limit && offset + stored.length >= count
          ? [...stored, making]
          : stored
      return { messages, total: count + (making === undefined ? 0 : 1), is_running: activity !== undefined }
    }),
    forget: (session) =>
      Effect.flatMap(rooms.get(session), (room) => owner.interrupt(room, "drop")).pipe(
        Effect.scoped,
        Effect.unless(() => owner.activity(session.id) === undefined),
        Effect.zipRight(rooms.forget(session.id))
      )
  })
})

export const layer: Layer.Layer<SessionHub, never, Storage | EventLog | Models | Rooms | RunOwner> = Layer.effect(
  SessionHub,
  make
)
