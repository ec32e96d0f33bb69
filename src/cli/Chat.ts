/** One input and its run: the input is sent, the run's events are shown, its questions are answered, and Ctrl-C stops it. */
import { Clock, Deferred, Duration, Effect, Either, Option, Queue } from "effect"
import type { Accepted, ChatInput } from "../domain/Chat.ts"
import { type AgentEvent, endsStream, runOf } from "../domain/Event.ts"
import { type AgentId, RunId, type SessionId } from "../domain/Ids.ts"
import type { Message, ToolCallBlock } from "../domain/Message.ts"
import { awaited } from "../domain/Reply.ts"
import { appendEvent, openReply } from "../domain/Transcript.ts"
import * as Asking from "./Asking.ts"
import type { Connection } from "./Connection.ts"
import { CtrlC } from "./CtrlC.ts"
import * as Elicitations from "./Elicitations.ts"
import { sentenceOf } from "./Ending.ts"
import { exitCodes, Failed, failed, Refused, Stopped, Unreachable } from "./Failed.ts"
import { follow, type Followed, isPassing, pauseBefore } from "./Follow.ts"
import { dim, Screen } from "./Screen.ts"
import * as Telling from "./Telling.ts"
import { parkedIn, waitingIn } from "./Waiting.ts"

export type ChatFormat = "text" | "json" | "ndjson"

export interface Turn {
  readonly agent: AgentId
  readonly session: SessionId
  readonly text: string
  readonly format: ChatFormat
  /** Print only the reply's text. */
  readonly isQuiet: boolean
  readonly consent: Asking.Consent
  readonly ask: Asking.Ask
}

/** Shows events as text; thoughts and tool calls are dimmed, or left out. */
export const teller = Effect.fnUntraced(function*(isQuiet: boolean) {
  const screen = yield* Screen
  let telling = Telling.silent
  const show = ({ text, to }: Telling.Piece) =>
    to === "out" ? screen.out(text) : isQuiet ? Effect.void : screen.err(dim(text, screen.hasColour.err))
  return {
    tell: (event: AgentEvent) =>
      Effect.suspend(() => {
        const [next, pieces] = Telling.tell(telling, event)
        telling = next
        return Effect.forEach(pieces, show, { discard: true })
      }),
    close: Effect.suspend(() => {
      const pieces = Telling.close(telling)
      telling = { ...telling, line: "none" }
      return Effect.forEach(pieces, show, { discard: true })
    })
  }
})

/** The message for every stream whose connection is lost for a moment. */
export const lostNotice = Effect.flatMap(Screen, (screen) =>
  screen.isTerminal.err
    ? screen.err(dim("(the connection is lost; trying again)\n", screen.hasColour.err))
    : Effect.void)

/** The name of an event of our own. */
const nameOf = (event: AgentEvent) => event.type === "CUSTOM" ? event.name : undefined

/**
 * Whether an event belongs to the run. Deltas do not name theirs, but a session
 * has one run at a time: from its first event on, all are its own.
 */
export const belongsTo = (run: string) => {
  let hasBegun = false
  return (event: AgentEvent): boolean => {
    const isOurs = runOf(event) === run
    if (isOurs && nameOf(event) !== "run_queued") hasBegun = true
    return hasBegun || isOurs
  }
}

type End = Extract<AgentEvent, { readonly type: "REPLY_END" } | { readonly name: "run_parked" }>

const left = new Failed({ exitCode: exitCodes.interrupted, message: "Interrupted." })

const namesOf = (calls: ReadonlyArray<ToolCallBlock>) =>
  calls.length === 0 ? "" : `: ${[...new Set(calls.map(({ name }) => name))].join(", ")}`

/** What the end of a run means for the command. */
const outcome = (
  end: End | undefined,
  waiting: ReadonlyArray<ToolCallBlock>,
  presses: number
): Option.Option<Failed | Stopped> => {
  if (presses > 1) return Option.some(left)
  if (presses > 0) return Option.some(new Stopped())
  if (end === undefined) return Option.some(failed("The stream ended before the reply did."))
  if (end.type === "CUSTOM") {
    return Option.some(failed(
      end.value.waiting_for === "user_confirmation"
        ? `The run waits for a person to allow a tool${namesOf(waiting)}.`
        : `The run waits for the result of a tool that the client runs${namesOf(waiting)}.`
    ))
  }
  return Option.map(Option.fromNullable(sentenceOf(end)), failed)
}

/** How many times an input is sent at most, and for how long. */
const maxSends = 8
const sendTimeout = Duration.minutes(1)

/**
 * Sends again when there was no answer: whether the input has arrived is not
 * known then, and its key makes that harmless. A server that is not there at all
 * is not waited for.
 */
const insist = <A, E, R>(send: Effect.Effect<A, E | Refused | Unreachable, R>) =>
  Effect.gen(function*() {
    const since = yield* Clock.currentTimeNanos
    for (let attempt = 1;; attempt++) {
      const sent = yield* Effect.either(send)
      if (Either.isRight(sent)) return sent.right
      const error = sent.left
      const isOver = attempt === maxSends ||
        (yield* Clock.currentTimeNanos) - since > Duration.unsafeToNanos(sendTimeout)
      if (isOver || !isTrouble(error) || !isPassing(error) || isFull(error) || (attempt === 1 && isNobody(error))) {
        return yield* Effect.fail(error)
      }
      if (attempt === 1) yield* lostNotice
      yield* Effect.sleep(pauseBefore(attempt, error))
    }
  })

const isTrouble = (error: unknown): error is Refused | Unreachable =>
  error instanceof Refused || error instanceof Unreachable

/** Whether the refusal is final for this input. */
const isFull = (error: Refused | Unreachable) => error._tag === "Refused" && error.status === 429

const isNobody = (error: Refused | Unreachable) => error._tag === "Unreachable" && error.isRefused

const post = ({ api, url }: Connection, { agent, session }: Turn, input: ChatInput) =>
  insist(
    api.chat.send({
      headers: { prefer: "respond-async", accept: "application/json", "idempotency-key": crypto.randomUUID() },
      payload: { agent_id: agent, session_id: session, input, on_busy: "enqueue", tools: [] }
    }).pipe(Effect.catchTag("ResponseError", (error) =>
      Effect.fail(
        error.cause instanceof SyntaxError
          ? error
          : new Unreachable({ isRefused: false, message: `the connection to ${url} was lost.` })
      )))
  ).pipe(
    Effect.filterOrFail(
      (accepted) => typeof accepted !== "string",
      () => failed("The server does not answer as this program expects.")
    )
  )

/** Fails when the reply does not complete. */
export const turn = Effect.fn("Chat.turn")(
  function*(connection: Connection, turn: Turn) {
    const { ask, consent, format, isQuiet, session, text } = turn
    const screen = yield* Screen
    const input = { role: "user", name: "user", content: text, metadata: {} } as const
    const accepted = yield* post(connection, turn, input)
    const { close, tell } = yield* teller(isQuiet)
    const questions = yield* Elicitations.make(connection, session, consent, ask)
    const isOurs = belongsTo(accepted.run_id)
    let reply: Message | undefined
    let end: End | undefined
    let last = accepted.seq
    const tellBefore = isQuiet ? Effect.void : Effect.ignore(Effect.flatMap(
      parkedIn(connection, session),
      Option.match({
        onNone: () => Effect.void,
        onSome: (run) =>
          Effect.zipRight(
            screen.err(dim("The run before it does not go on by itself. ", screen.hasColour.err)),
            Effect.flatMap(waitingIn(connection, run), (reply) => Asking.tellWaiting(run, reply))
          )
      })
    ))
    const onEvent = ({ event, json, seq }: Followed) =>
      Effect.gen(function*() {
        last = seq
        if (Option.isNone(event)) return false
        const { value } = event
        const isMine = isOurs(value)
        // This input would wait for ever behind a parked run, and the user would not know why.
        if (nameOf(value) === (isMine ? "run_queued" : "run_parked")) yield* tellBefore
        if (!isMine) return false
        if (format === "ndjson") yield* screen.out(`${JSON.stringify(json)}\n`)
        else if (format === "text") yield* tell(value)
        if (value.type === "CUSTOM" && value.name === "elicitation_requested") yield* questions.begin(value.value)
        if (value.type === "CUSTOM" && value.name === "elicitation_ended") {
          yield* questions.end(value.value.elicitation_id)
        }
        if (value.type === "REPLY_START" && value.run_id === accepted.run_id) reply = openReply(value)
        else if (reply !== undefined) reply = appendEvent(reply, value)
        if (!isEnd(value, accepted)) return false
        end = value
        return true
      })

    const stop = yield* stopper(connection, accepted.run_id)
    const followOn = Effect.suspend(() => {
      end = undefined
      return follow(connection, {
        session,
        after: Option.some(last),
        isExpected: true,
        onLost: lostNotice,
        onEvent
      }).pipe(Effect.raceFirst(Deferred.await(stop.isLeft)), Effect.ensuring(close))
    })
    const waiting = () => reply === undefined ? [] : awaited(reply)

    /** Whether the run continues: it got an answer, or is being stopped. */
    const goesOn = Effect.gen(function*() {
      if (end?.type !== "CUSTOM" || end.value.waiting_for !== "user_confirmation" || reply === undefined) return false
      const asking = waiting().filter(({ state }) => state === "asking")
      const answer = yield* Asking.answer(reply.id, asking, consent, ask).pipe(
        Effect.raceFirst(Effect.as(Deferred.await(stop.isPressed), Option.none()))
      )
      if (stop.presses() > 0) return true
      if (Option.isNone(answer)) return false
      // Somebody else may have answered meanwhile.
      yield* Effect.catchIf(
        Effect.asVoid(post(connection, turn, answer.value)),
        (error) => error instanceof Refused && error.status === 409,
        () => Effect.void
      )
      return true
    })

    yield* followOn
    while (yield* goesOn) yield* followOn

    const isParked = end?.type === "CUSTOM" && stop.presses() === 0
    const failure = outcome(end, waiting(), stop.presses())
    if (format === "json" && reply !== undefined) yield* screen.out(`${JSON.stringify(reply, undefined, 2)}\n`)
    if (isParked && reply !== undefined && waiting().length > 0) {
      yield* Asking.howTo(
        connection,
        { agent_id: turn.agent, session_id: session },
        accepted.run_id,
        reply.id,
        waiting()
      )
    }
    if (Option.isSome(failure)) return yield* failure.value
  },
  Effect.scoped
)

const isEnd = (event: AgentEvent, { run_id }: Accepted): event is End =>
  endsStream(event) && runOf(event) === run_id &&
  (event.agent_path === undefined || event.agent_path.length === 0)

/** The first Ctrl-C stops the run, and the reply is shown to its end; the second one leaves. */
const stopper = Effect.fnUntraced(function*({ api }: Connection, run: RunId) {
  const screen = yield* Screen
  const ctrlC = yield* CtrlC
  const queue = yield* Queue.unbounded<void>()
  const isLeft = yield* Deferred.make<never, Failed>()
  const isPressed = yield* Deferred.make<void>()
  let presses = 0
  yield* ctrlC.take(() => {
    presses++
    Deferred.unsafeDone(isPressed, Effect.void)
    Queue.unsafeOffer(queue, undefined)
  })
  yield* Effect.forkScoped(Effect.gen(function*() {
    yield* Queue.take(queue)
    if (screen.isTerminal.err) yield* screen.err(dim("\n(stopping; Ctrl-C again leaves)\n", screen.hasColour.err))
    // Only its own run is stopped: the session's active run may be somebody else's while this one waits.
    const path = { run_id: RunId.make(encodeURIComponent(run)) }
    yield* Effect.forkScoped(Effect.ignore(api.runs.cancel({ path })))
    yield* Queue.take(queue)
    yield* Deferred.fail(isLeft, left)
  }))
  return { isLeft, isPressed, presses: () => presses }
})
