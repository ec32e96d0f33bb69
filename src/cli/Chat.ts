/** One input and its run: the input is sent, the run's events are shown, its questions are answered, and Ctrl-C stops it. */
import { Deferred, Effect, Option, Queue } from "effect"
import type { ChatInput } from "../domain/Chat.ts"
import type { AgentEvent } from "../domain/Event.ts"
import { type AgentId, RunId, type SessionId } from "../domain/Ids.ts"
import type { Message, ToolCallBlock } from "../domain/Message.ts"
import { awaited } from "../domain/OpenCalls.ts"
import { appendEvent, openReply } from "../domain/Transcript.ts"
import { Refused } from "../http/client/Failures.ts"
import { follow, type Followed } from "../http/client/Follow.ts"
import { belongsTo, endsRun } from "../http/client/Run.ts"
import { send } from "../http/client/Sending.ts"
import * as Asking from "./Asking.ts"
import type { Connection } from "./Connection.ts"
import { CtrlC } from "./CtrlC.ts"
import * as Elicitations from "./Elicitations.ts"
import { sentenceOf } from "./Ending.ts"
import { exitCodes, Failed, failed, Stopped } from "./Failed.ts"
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

const post = (connection: Connection, { agent, session }: Turn, input: typeof ChatInput.Encoded) =>
  send(
    connection,
    { agent_id: agent, session_id: session, input, on_busy: "enqueue" },
    { key: crypto.randomUUID(), onLost: lostNotice }
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
        if (!endsRun(value, accepted.run_id)) return false
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
