/** Sends one fire that this process has taken: as an input of its session, once, whoever else tries. */
import { Duration, Effect, Option, Schema } from "effect"
import { Accepted, type ChatRequest } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { Conflict, Invalid, type LimitReached, NotFound, type Unavailable } from "../../domain/Errors.ts"
import type { Fire, FireStatus } from "../../domain/Fire.ts"
import * as FireInput from "../../domain/FireInput.ts"
import { SessionId, WorkspaceId } from "../../domain/Ids.ts"
import { permissionContext } from "../../domain/Permission.ts"
import { type Schedule, statefulSession } from "../../domain/Schedule.ts"
import type { Session } from "../../domain/Session.ts"
import { NewId } from "../../services/NewId.ts"
import { now as wallNow, timestampOf } from "../../services/Now.ts"
import { Rooms } from "../../services/Rooms.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import * as WallClock from "../WallClock.ts"
import { missedAfter } from "./Plan.ts"

/** How long one fire may take to be sent, and how long it stays with this process. */
export const sendTimeout = Duration.seconds(10)
export const leaseMillis = 15_000

/** Fires of one schedule that may wait for the one before them. */
const maxQueued = 32

/** Milliseconds until a fire is looked at again that waits for another one, or that could not be sent now. */
const queuedPause = 500
const refusedPause = 2_000

/** The claim of a fire is forgotten a day later; one that is older than this is looked for among the runs as well. */
const claimLife = Duration.toMillis("20 hours")

/** Runs of the session among which it is looked for. */
const runsLookedAt = 100

const accepted = Schema.parseJson(Accepted)
const decodeAccepted = Schema.decodeOption(accepted)

const claimId = ({ id }: Fire) => `fire ${id}`

type Failure = NotFound | Conflict | Invalid | LimitReached | Unavailable

/** What the owner has to mend before the schedule can go on. */
const isBroken = (failure: Failure): failure is NotFound | Invalid | Conflict =>
  failure instanceof NotFound || failure instanceof Invalid ||
  (failure instanceof Conflict && failure.code !== "session_moved")

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const store = yield* ScheduleStore
  const hub = yield* SessionHub
  const rooms = yield* Rooms
  const newId = yield* NewId

  const end = (fire: Fire, status: FireStatus, reason: string | null, error: Fire["error"] = null) =>
    Effect.flatMap(store.now, (now) =>
      store.write(
        { ...fire, status, reason, error, updated_at: timestampOf(now), ended_at: timestampOf(now) },
        "pending"
      ))

  /** What an earlier try of this or another process has sent. */
  const sentBefore = Effect.fnUntraced(function*(fire: Fire, session: SessionId, now: number) {
    const claim = yield* Effect.option(storage.claims.host.get(claimId(fire)))
    const known = Option.flatMap(claim, ({ answer }) => decodeAccepted(answer))
    if (Option.isSome(known) || now - Date.parse(fire.created_at) < claimLife) return Option.getOrUndefined(known)
    const { items } = yield* Effect.orDie(
      storage.runs.list(fire.user_id, { limit: runsLookedAt, cursor: undefined }, { session_id: session }, "newest")
    )
    const run = items.find(({ source_id }) => source_id === fire.id)
    return run && { session_id: run.session_id, run_id: run.id, seq: 0 }
  })

  const sessionOf = (
    { agent_id, data, id, user_id }: Schedule,
    session_id: SessionId,
    fire: Fire
  ): Effect.Effect<Session> =>
    Effect.map(wallNow, (at) => ({
      id: session_id,
      user_id,
      agent_id,
      created_at: at,
      updated_at: at,
      source: "schedule",
      source_schedule_id: id,
      config: {
        workspace_id: WorkspaceId.make(newId.record(Date.parse(at))),
        name: (data.stateful ? data.name : `${data.name} ${fire.slot_at.slice(0, 16).replace("T", " ")}`).slice(0, 256),
        chat_model_config: data.chat_model_config,
        fallback_chat_model_config: null,
        tts_model_config: null,
        knowledge_config: null,
        cwd: null
      },
      state: { session_id, permission_context: permissionContext(data.permission_mode) }
    }))

  /** Finds or makes the session. One that is there follows the schedule's model and mode. */
  const session = Effect.fnUntraced(function*(schedule: Schedule, id: SessionId, fire: Fire) {
    const { chat_model_config, permission_mode } = schedule.data
    const found = yield* Effect.option(storage.sessions.get(schedule.user_id, id))
    if (Option.isNone(found)) {
      // Another try of this fire may have made it in between.
      yield* Effect.catchTag(
        storage.sessions.insert(yield* sessionOf(schedule, id, fire)),
        "Conflict",
        () => Effect.void
      )
      rooms.created(id)
      return
    }
    const { config, state } = found.value
    const isSame = JSON.stringify(config.chat_model_config) === JSON.stringify(chat_model_config) &&
      state.permission_context.mode === permission_mode
    if (isSame) return
    const at = yield* wallNow
    yield* storage.sessions.modify(schedule.user_id, id, (before) => ({
      ...before,
      updated_at: at,
      config: { ...before.config, chat_model_config },
      state: { ...before.state, permission_context: { ...before.state.permission_context, mode: permission_mode } }
    }))
  })

  const request = Effect.fnUntraced(function*(schedule: Schedule, session_id: SessionId, fire: Fire) {
    const before = yield* store.before(fire)
    const { output_schema, timezone } = schedule.data
    const variables = FireInput.variablesOf(
      schedule,
      fire,
      before,
      (at) => WallClock.localText(timezone, Date.parse(at))
    )
    const chat: ChatRequest = {
      agent_id: schedule.agent_id,
      session_id,
      input: {
        name: schedule.user_id,
        role: "user",
        content: FireInput.textOf(schedule, variables),
        metadata: { schedule_id: schedule.id, fire_id: fire.id }
      },
      on_busy: "enqueue",
      tools: [],
      ...(output_schema !== null && { output_schema })
    }
    return chat
  })

  const claimOf = (fire: Fire) => (answer: Accepted): Claim => ({
    id: claimId(fire),
    user_id: fire.user_id,
    created_at: fire.created_at,
    updated_at: fire.created_at,
    digest: "",
    answer: JSON.stringify(answer),
    is_sealed: false
  })

  const sent = (fire: Fire, { run_id, session_id }: Accepted) =>
    Effect.flatMap(store.now, (now) =>
      store.write({
        ...fire,
        status: "running",
        updated_at: timestampOf(now),
        sent_at: timestampOf(now),
        lateness_ms: Math.max(0, Math.round(now - Date.parse(fire.due_at))),
        session_id,
        run_id
      }, "pending"))

  /** Whether the fire may be sent now. When it may not, what becomes of it has been written. */
  const mayGo = Effect.fnUntraced(function*(schedule: Schedule, fire: Fire) {
    if (fire.trigger === "manual") return true
    const { overlap, stateful } = schedule.data
    const ahead = (yield* store.ahead(fire, maxQueued + 1))
      // In a session of its own a fire that waits for a person is in nobody's way.
      .filter(({ status }) => stateful || status !== "waiting")
    if (ahead.length === 0) return true
    const going = yield* Effect.filter(ahead, (before) =>
      before.run_id === null
        ? Effect.succeed(true)
        // The run may have ended a moment ago, before its fire was told.
        : Effect.match(storage.runs.host.get(before.run_id), {
          onFailure: () => false,
          onSuccess: ({ status }) => status !== "ended" && (stateful || !status.startsWith("awaiting"))
        }))
    if (going.length === 0) return true
    const isMadeUp = Date.parse(fire.created_at) - Date.parse(fire.due_at) > missedAfter
    if (overlap === "skip" && !isMadeUp) {
      yield* end(fire, "skipped", "The fire before it had not ended.")
      return false
    }
    if (overlap === "interrupt") {
      yield* Effect.forEach(
        going,
        ({ run_id, session_id, user_id }) =>
          run_id === null || session_id === null ? Effect.void : storage.sessions.get(user_id, session_id).pipe(
            Effect.flatMap((session) => hub.cancel(session, run_id)),
            Effect.catchTag("NotFound", () => Effect.void)
          ),
        { discard: true }
      )
      if (going.every(({ run_id }) => run_id !== null)) return true
    } else if (going.length > maxQueued) {
      yield* end(fire, "skipped", `More than ${maxQueued} fires waited before it.`)
      return false
    }
    yield* store.postpone(fire.id, queuedPause)
    return false
  })

  const refused = Effect.fnUntraced(function*(schedule: Schedule, fire: Fire, session_id: SessionId, failure: Failure) {
    if (failure._tag === "LimitReached") return yield* end(fire, "skipped", failure.detail)
    // A session that was deleted on the way is made anew.
    const isHere = Effect.isSuccess(storage.sessions.get(fire.user_id, session_id))
    // Another process, which has read the definitions later than this one, may know the agent.
    const isLate = failure.code === "agent_undefined" && schedule.data.definition !== undefined
    if (isLate || !isBroken(failure) || (failure._tag === "NotFound" && !(yield* isHere))) {
      return yield* store.postpone(fire.id, refusedPause)
    }
    const { code, detail: message } = failure
    yield* store.break(schedule.id, message)
    yield* end(fire, "failed", message, { type: "setup", code, message, retryable: false })
  })

  return Effect.fnUntraced(
    function*(fire: Fire) {
      const found = yield* Effect.option(storage.schedules.get(fire.user_id, fire.schedule_id))
      // With its schedule the fire is gone too.
      if (Option.isNone(found)) return
      const schedule = found.value
      const now = yield* store.now
      const session_id = schedule.data.stateful ? statefulSession(schedule.id) : SessionId.make(fire.id)
      const known = yield* sentBefore(fire, session_id, now)
      if (known !== undefined) return yield* sent(fire, known)
      const { expires_after_seconds } = schedule.data
      if (expires_after_seconds !== null && now - Date.parse(fire.due_at) > expires_after_seconds * 1000) {
        return yield* end(fire, "expired", `It waited for more than ${expires_after_seconds} seconds.`)
      }
      if (!(yield* mayGo(schedule, fire))) return
      yield* session(schedule, session_id, fire).pipe(
        Effect.zipRight(request(schedule, session_id, fire)),
        Effect.flatMap((chat) =>
          hub.send(fire.user_id, chat, claimOf(fire), {
            source: "schedule",
            source_id: fire.id,
            instructions: schedule.data.instructions
          })
        ),
        Effect.matchEffect({
          onSuccess: (answer) => sent(fire, answer),
          onFailure: Effect.fnUntraced(function*(failure) {
            // Another try of this fire may have been quicker.
            const other = yield* sentBefore(fire, session_id, now)
            return yield* other === undefined ? refused(schedule, fire, session_id, failure) : sent(fire, other)
          })
        })
      )
    },
    (effect, fire) =>
      effect.pipe(
        Effect.timeout(sendTimeout),
        // Storage may be away, or something is wrong with this one: it is taken again when its lease is over.
        Effect.catchAllCause((cause) => Effect.logWarning("A fire could not be sent and is tried again", cause)),
        Effect.annotateLogs({ fire_id: fire.id, schedule_id: fire.schedule_id })
      )
  )
})
