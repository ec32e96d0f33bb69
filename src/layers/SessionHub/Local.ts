/** Live sessions, made of the rooms and the run owner of this process. */
import { Clock, Deferred, Duration, Effect, Layer } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type Accepted, type AnswerInput, type ChatRequest, isAnswer } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { Conflict, Gone, Invalid, NotFound, type Unavailable } from "../../domain/Errors.ts"
import { defaultFilesMegabytes } from "../../domain/File.ts"
import type { BlockId, MessageId, RunId, UserId } from "../../domain/Ids.ts"
import { acceptMessage, type Message } from "../../domain/Message.ts"
import { pageBytes } from "../../domain/Page.ts"
import type { Origin, Run } from "../../domain/Run.ts"
import type { Session, SessionStatus } from "../../domain/Session.ts"
import { namedTwice } from "../../domain/Tool.ts"
import { noUsage } from "../../domain/UsageSum.ts"
import { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import { AppendRefused, EventLog } from "../../services/EventLog.ts"
import { Files } from "../../services/Files.ts"
import { Hooks } from "../../services/Hooks.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Rooms, type Sink } from "../../services/Rooms.ts"
import { type ClaimOf, RunOwner } from "../../services/RunOwner.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Toolbox } from "../../services/Toolbox.ts"
import * as InputFiles from "./InputFiles.ts"
import * as Transcripts from "./Transcripts.ts"

/** The operator has said which model it is, and the session need not. */
const isDefined = ({ data }: Agent) => data.definition !== undefined

const noModel = (session: Session, agent: Agent) =>
  new Conflict({
    code: "model_not_configured",
    detail: isDefined(agent)
      ? `Session '${session.id}' has no model, and you have no credential for the one of its agent: make one by POST /credential, or set chat_model_config by PATCH /sessions/${session.id}.`
      : `Session '${session.id}' has no model. Set its chat_model_config by PATCH /sessions/${session.id}.`
  })

/** What only a model could be given. */
const ofCode = ({ output_schema, tool_choice, tools }: ChatRequest): Effect.Effect<void, Invalid> => {
  const path = tools.length > 0
    ? "tools"
    : tool_choice !== undefined
    ? "tool_choice"
    : output_schema !== undefined
    ? "output_schema"
    : undefined
  if (path === undefined) return Effect.void
  const message = "The agent is code, which takes none"
  return new Invalid({ code: "agent_is_code", detail: `${path}: ${message}.`, errors: [{ path, message }] })
}

/** What hooks have added for a model is left out. */
const forCode = (
  { output_schema, tool_choice, tools }: ChatRequest,
  { output_schema: _, tool_choice: __, ...rest }: ChatRequest
): ChatRequest => ({
  ...rest,
  tools,
  ...(tool_choice !== undefined && { tool_choice }),
  ...(output_schema !== undefined && { output_schema })
})

/** A model cannot tell two tools of one name apart, and providers refuse them. */
const sameName = (name: string, request: ChatRequest) => {
  const place = request.tools.findIndex((tool) => tool.name === name)
  return place < 0
    ? new Invalid({
      detail:
        `The agent has two tools called '${name}', with those that are built in. Rename its own by PATCH /agent/${request.agent_id}.`
    })
    : new Invalid({
      detail: `The tool '${name}' is there twice: another tool of the agent has its name.`,
      errors: [{ path: `tools.${place}.name`, message: `Another tool of the agent is called '${name}'.` }]
    })
}

/** How many, and bytes of them, where it is one of the newest. */
const newest = { limit: 16, bytes: 1024 * 1024 }

/** A sink that ignores all frames and only learns when the stream ends, and why. */
const listener = (ended: Deferred.Deferred<string | undefined>): Sink => ({
  write: () => {},
  unread: () => 0,
  drained: Effect.void,
  end: (comment) => Deferred.unsafeDone(ended, Effect.succeed(comment))
})

/** How long to wait before listening again to a run whose room has died. */
const listenAgain = Duration.millis(200)

/** The reply of a run that was ended before it began. */
const neverBegun = ({ created_at, ended_at, error, finished_reason, reply_id }: Run): Message => ({
  id: reply_id,
  name: "",
  role: "assistant",
  content: [],
  metadata: {},
  created_at,
  finished_at: ended_at,
  usage: noUsage,
  ...(finished_reason !== null && { finished_reason }),
  error
})

/** How long a cursor may wait for the log. */
const cursorTimeout = Duration.seconds(1)

/** How many times an input is tried again when another process was first. */
const maxTries = 3

const isWaiting = (status: Run["status"]): status is "awaiting_permission" | "awaiting_external_result" =>
  status === "awaiting_permission" || status === "awaiting_external_result"

/** The status of a session, from the statuses of its runs that have not ended. */
const statusOf = (runs: ReadonlyArray<Run["status"]>): SessionStatus =>
  runs.find(isWaiting) ?? (runs.includes("running") ? "running" : "idle")

export interface Options {
  /** Megabytes that the files of one request may have together. */
  readonly max_files_mb: number
}

export const make = Effect.fnUntraced(function*({ max_files_mb }: Options) {
  const storage = yield* Storage
  const files = yield* Files
  const takeFiles = yield* InputFiles.make(max_files_mb)
  const log = yield* EventLog
  const models = yield* Models
  const rooms = yield* Rooms
  const owner = yield* RunOwner
  const newId = yield* NewId
  const toolbox = yield* Toolbox
  const tasks = yield* BackgroundTasks
  const hooks = yield* Hooks

  /** The request as the hooks want it. Files that they bring are stored as well. */
  const asked = Effect.fnUntraced(function*(owner: UserId, before: ChatRequest, origin: Origin | undefined) {
    const { agent_id, session_id, ...rest } = before
    const { input, instructions, output_schema, tool_choice, tools } = yield* hooks.beforeRun({
      owner,
      agent_id,
      session_id,
      source: origin?.source ?? "user",
      source_id: origin?.source_id ?? null,
      input: rest.input,
      output_schema: rest.output_schema,
      tool_choice: rest.tool_choice,
      tools: rest.tools,
      instructions: origin?.instructions ?? "",
      history: origin?.history ?? [],
      retried_from: origin?.retried_from ?? null,
      compact: origin?.compact === true
    })
    const changed: ChatRequest = {
      agent_id,
      session_id,
      on_busy: rest.on_busy,
      input,
      tools,
      ...(tool_choice !== undefined && { tool_choice }),
      ...(output_schema !== undefined && { output_schema })
    }
    return {
      instructions: instructions === "" ? undefined : instructions,
      request: input === before.input ? changed : yield* takeFiles(owner, changed)
    }
  })

  /** Tries again when another process was first: a new room knows what that one did. */
  const again = <A, E>(attempt: Effect.Effect<A, E | AppendRefused>) =>
    Effect.retry(attempt, {
      times: maxTries,
      while: (error) => error instanceof AppendRefused && error.reason === "fenced"
    })

  const answerIn = Effect.fnUntraced(function*(session: Session, input: AnswerInput, claim: ClaimOf | undefined) {
    const room = yield* rooms.get(session)
    const { run_id, seq } = yield* owner.answer(room, input, claim)
    yield* room.accepted(true)
    return { session_id: session.id, run_id, seq }
  }, Effect.scoped)

  const submitIn = Effect.fnUntraced(
    function*(session: Session, run: Run, agentName: string, claim: ClaimOf | undefined) {
      const room = yield* rooms.get(session)
      const { place, seq } = yield* owner.submit(room, run, agentName, claim)
      if (place === "stored") return { session_id: session.id, run_id: run.id, seq }
      yield* room.accepted(place === "alone").pipe(Effect.catchTags({
        // Storage may have written it although its confirmation was lost.
        AppendRefused: (refused) =>
          Effect.catchTag(Effect.asVoid(storage.runs.get(run.user_id, run.id)), "NotFound", () => Effect.fail(refused)),
        // An input with a key may stay: the client's next try finds it.
        Unavailable: (refused) =>
          claim === undefined ? Effect.zipRight(owner.revoke(room, run.id), refused) : Effect.fail(refused)
      }))
      return { session_id: session.id, run_id: run.id, seq }
    },
    Effect.scoped
  )

  /** The active run, here or in another process. */
  const running = (session: Session) =>
    Effect.suspend(() => {
      const here = owner.activity(session.id)
      if (here !== undefined) return Effect.succeed(here.run)
      return Effect.map(log.open(session.id), (open) => open.find(({ status }) => status === "running"))
    })

  const transcripts = Transcripts.make(log, owner, running)

  const send = Effect.fnUntraced(
    function*(user_id: UserId, given: ChatRequest, claim?: (accepted: Accepted) => Claim, origin?: Origin) {
      const session = yield* storage.sessions.get(user_id, given.session_id)
      if (session.agent_id !== given.agent_id) return yield* NotFound.of("Session", given.session_id)
      // Files are stored before the log can name them. What is stored and then not named is removed by the upkeep.
      const taken = yield* takeFiles(user_id, given)
      const hooked = hooks.has("run.before") && !isAnswer(taken.input)
        ? yield* asked(user_id, taken, origin)
        : { instructions: origin?.instructions, request: taken }
      const { instructions } = hooked
      const agent = yield* storage.agents.get(user_id, session.agent_id)
      const isCode = agent.data.code !== undefined
      // What only a model takes is the client's mistake, and not a hook's, which may not know who answers.
      const request = isCode ? forCode(taken, hooked.request) : hooked.request
      const config = session.config.chat_model_config ?? (isDefined(agent) ? agent.data.chat_model_config : null)
      if (isCode) yield* ofCode(request)
      else if (config === null) return yield* noModel(session, agent)
      else yield* models.check(user_id, config)
      const millis = yield* Clock.currentTimeMillis
      const claimOf: ClaimOf | undefined = claim && ((place) => claim({ session_id: session.id, ...place }))
      const named = InputFiles.hashesIn(request.input)
      // The input is accepted by then, whatever becomes of this: the upkeep finds out by itself what is named.
      const keep = named.length === 0 ? Effect.void : Effect.catchAllCause(
        files.keep(session.id, named),
        (cause) => Effect.logDebug("The files of an input could not be kept", cause)
      )
      if (isAnswer(request.input)) {
        return yield* Effect.zipLeft(again(answerIn(session, request.input, claimOf)), keep)
      }
      const tools = isCode ? [] : yield* toolbox.list({ session, agent })
      const [twice] = namedTwice([...tools, ...agent.data.client_tools, ...request.tools])
      if (twice !== undefined) return yield* sameName(twice, request)
      const created_at = timestampOf(millis)
      const inputs = request.input === null ? [] : "content" in request.input ? [request.input] : request.input
      const run: Run = {
        id: newId.record(millis) as RunId,
        user_id,
        session_id: session.id,
        agent_id: agent.id,
        status: "queued",
        driver: null,
        on_busy: request.on_busy,
        reply_id: newId.record(millis) as MessageId,
        source: origin?.source ?? "user",
        source_id: origin?.source_id ?? null,
        ...(origin?.retried_from !== undefined && { retried_from: origin.retried_from }),
        ...(origin?.timeout_ms !== undefined && { timeout_ms: origin.timeout_ms }),
        ...(origin?.retries !== undefined && { retries: origin.retries }),
        ...(instructions !== undefined && { instructions }),
        ...(origin?.compact === true && { compact: true }),
        input: [
          ...origin?.history ?? [],
          ...inputs.map((input) =>
            acceptMessage(input, newId.record(millis) as MessageId, created_at, () => newId.short() as BlockId)
          )
        ],
        tools: request.tools,
        ...(request.tool_choice !== undefined && { tool_choice: request.tool_choice }),
        ...(request.output_schema !== undefined && { output_schema: request.output_schema }),
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
      return yield* Effect.zipLeft(again(submitIn(session, run, agent.data.name, claimOf)), keep)
    },
    Effect.catchTag(
      "AppendRefused",
      ({ reason }): Effect.Effect<never, NotFound | Conflict> =>
        Effect.fail(
          reason === "session_gone"
            ? new NotFound({ detail: "The session was deleted while the input was on its way." })
            : new Conflict({
              code: "session_moved",
              detail: "Another process drives this session now. Send the input again."
            })
        )
    )
  )

  /** Finds a message that is too old to be in the room. */
  const placed = Effect.fnUntraced(function*(session: Session, id: MessageId) {
    const seq = yield* log.placeOf(session.id, id)
    if (seq === undefined) return undefined
    const { messages } = yield* log.older(session.id, seq + 1, { limit: 1, bytes: pageBytes })
    return messages.find(({ message }) => message.id === id)?.message
  })

  /** Waits until a run has ended or is parked, and returns it. A room that dies ends its streams, but not the run. */
  const untilOver = (session: Session, run: RunId, after: number) =>
    Effect.gen(function*() {
      const room = yield* rooms.get(session)
      const ended = yield* Deferred.make<string | undefined>()
      yield* room.attach(listener(ended), { after, only: run })
      const comment = yield* Deferred.await(ended)
      const stored = yield* Effect.orDie(storage.runs.get(session.user_id, run))
      return { stored, isOver: comment !== "closing" || stored.status === "ended" || isWaiting(stored.status) }
    }).pipe(
      Effect.scoped,
      Effect.tap(({ isOver }) => isOver ? Effect.void : Effect.sleep(listenAgain)),
      Effect.repeat({ until: ({ isOver }) => isOver }),
      Effect.map(({ stored }) => stored)
    )

  /** Then its tasks are stopped as well; not before, because until then calls of the run may become tasks. */
  const withTasks = (session: Session, stopping: Effect.Effect<void, Unavailable>, run?: RunId) =>
    Effect.flatMap(Effect.exit(stopping), (stopped) => Effect.zipRight(tasks.cancelAll(session, run), stopped))

  return SessionHub.of({
    take: Effect.fnUntraced(function*(user_id, request) {
      yield* storage.sessions.get(user_id, request.session_id)
      return yield* takeFiles(user_id, request)
    }),
    send: (user_id, request, claim, origin) => send(user_id, request, claim, origin),
    attach: Effect.fnUntraced(function*(session, sink, subscription) {
      const room = yield* rooms.get(session)
      if (subscription.after > room.head()) yield* room.follow
      // An event with a `seq` of this process that still waits for the log will be there in a moment.
      if (subscription.after > room.head() && subscription.after <= room.last()) {
        yield* Effect.timeoutOption(Effect.ignore(room.durable), cursorTimeout)
      }
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
    endAfter: (session, run, after) => log.endAfter(session.id, run, after),
    liveEdge: (session) =>
      Effect.scoped(Effect.map(rooms.get(session), (room) => {
        const run = owner.activity(session.id)?.run ?? room.open().find(({ status }) => status === "running")
        return run?.first_seq == null ? room.head() : Math.min(run.first_seq - 1, room.head())
      })),
    reply: (session, run, after) =>
      Effect.gen(function*() {
        const stored = yield* untilOver(session, run, after)
        const room = yield* rooms.get(session)
        const replyOf = Effect.fnUntraced(function*({ reply_id }: Run) {
          // The run may have ended in another process, and the room here may not know it yet.
          yield* room.follow
          return room.context().findLast(({ id }) => id === reply_id) ?? (yield* placed(session, reply_id))
        })
        const own = yield* replyOf(stored)
        if (own !== undefined) return own
        if (stored.finished_reason !== "completed") return neverBegun(stored)
        // An input that steered has no reply of its own: it went into the one that was being made then, whose end is awaited.
        const end = stored.last_seq ?? 0
        const other = yield* running(session)
        if (other !== undefined && other.first_seq !== null && other.first_seq < end) {
          return (yield* replyOf(yield* untilOver(session, other.id, after))) ?? neverBegun(stored)
        }
        const { messages } = yield* log.older(session.id, end, newest)
        return messages.findLast(({ message }) => message.role === "assistant")?.message ?? neverBegun(stored)
      }).pipe(Effect.scoped),
    interrupt: (session, queue) => withTasks(session, owner.interrupt(session, queue)),
    cancel: (session, run) => withTasks(session, owner.cancel(session, run), run),
    tellState: owner.tellState,
    status: (session) =>
      Effect.suspend(() =>
        owner.activity(session.id) !== undefined ?
          Effect.succeed("running" as const) :
          Effect.map(log.open(session.id), (runs) => statusOf(runs.map(({ status }) => status)))
      ),
    waitsFor: (session) =>
      Effect.scoped(
        Effect.map(rooms.get(session), (room) => room.open().map(({ status }) => status).find(isWaiting))
      ),
    statuses: (sessions) =>
      Effect.suspend(() => {
        const elsewhere = sessions.map(({ id }) => id).filter((id) => owner.activity(id) === undefined)
        return Effect.map(log.openStatuses(elsewhere), (open) =>
          sessions.map(({ id }) => owner.activity(id) !== undefined ? "running" : statusOf(open.get(id) ?? [])))
      }),
    messages: transcripts.from,
    newest: transcripts.newest,
    unfinished: transcripts.unfinished,
    forget: (session) =>
      owner.interrupt(session, "drop").pipe(
        Effect.unlessEffect(Effect.map(running(session), (run) => run === undefined)),
        Effect.zipRight(tasks.cancelAll(session)),
        Effect.zipRight(rooms.forget(session.id)),
        Effect.withSpan("SessionHub.forget")
      )
  })
})

type Needed = BackgroundTasks | Storage | EventLog | Files | Models | Rooms | RunOwner | Toolbox

export const layerWith = (options: Options): Layer.Layer<SessionHub, never, Needed> =>
  Layer.effect(SessionHub, make(options))

export const layer: Layer.Layer<SessionHub, never, Needed> = layerWith({ max_files_mb: defaultFilesMegabytes })
