/** One input and its run: sent, told as it comes, stopped by Ctrl-C. */
import { Clock, Deferred, Duration, Effect, Either, Option, Queue } from "effect"
import type { Accepted } from "../domain/Chat.ts"
import { type AgentEvent, endsStream } from "../domain/Event.ts"
import { type AgentId, SessionId } from "../domain/Ids.ts"
import type { Message, RunError } from "../domain/Message.ts"
import { appendEvent, openReply } from "../domain/Transcript.ts"
import type { Connection } from "./Connection.ts"
import { CtrlC } from "./CtrlC.ts"
import { exitCodes, Failed, failed, Refused, Stopped, Unreachable } from "./Failed.ts"
import { follow, type Followed, isPassing, pauseBefore } from "./Follow.ts"
import { dim, Screen } from "./Screen.ts"
import * as Telling from "./Telling.ts"

export type ChatFormat = "text" | "json" | "ndjson"

export interface Turn {
  readonly agent: AgentId
  readonly session: SessionId
  readonly text: string
  readonly format: ChatFormat
  /** Nothing but the reply's text. */
  readonly isQuiet: boolean
}

/** Shows events as `text`; what is aside is dimmed, or left out. */
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

/** Says the same of every stream whose connection is lost for a moment. */
export const lostNotice = Effect.flatMap(Screen, (screen) =>
  screen.isTerminal.err
    ? screen.err(dim("(the connection is lost; trying again)\n", screen.hasColour.err))
    : Effect.void)

/**
 * Whether an event belongs to the run. Deltas do not name theirs, but a session
 * has one run at a time: from its first event on, all are its own.
 */
const belongsTo = (run: string) => {
  let hasBegun = false
  return (event: AgentEvent): boolean => {
    const isOurs = "run_id" in event && event.run_id === run
    if (isOurs && event.type !== "RUN_QUEUED") hasBegun = true
    return hasBegun || isOurs
  }
}

type End = Extract<AgentEvent, { readonly type: "REPLY_END" | "RUN_PARKED" }>

const sentence = (error: RunError | null) => error?.message ?? "The run failed."

const left = new Failed({ exitCode: exitCodes.interrupted, message: "Interrupted." })

/** What the end of a run means for the command. */
const outcome = (end: End | undefined, presses: number): Option.Option<Failed | Stopped> => {
  if (presses > 1) return Option.some(left)
  if (presses > 0) return Option.some(new Stopped())
  if (end === undefined) return Option.some(failed("The stream ended before the reply did."))
  if (end.type === "RUN_PARKED") {
    return Option.some(failed(
      end.waiting_for === "user_confirmation"
        ? "The run waits for a person to allow a tool."
        : "The run waits for the result of a tool that the client runs."
    ))
  }
  switch (end.finished_reason) {
    case "completed":
      return Option.none()
    case "interrupted":
      return Option.some(failed("The run was interrupted."))
    case "exceed_max_iters":
      return Option.some(failed("The run used up its rounds before it was done: raise the agent's --max-iters."))
    case "max_tokens":
      return Option.some(failed("The reply is cut off: the model reached its output limit."))
    case "error":
      return Option.some(failed(sentence(end.error)))
  }
}

/** Times that an input is sent at most, and how long it is tried. */
const maxSends = 8
const sendPatience = Duration.minutes(1)

/**
 * Sends again when there was no answer: whether the input has arrived is not
 * known then, and its key makes that harmless. A server that is not there at all
 * is not waited for.
 */
const insist = <A, E, R>(send: Effect.Effect<A, E | Refused | Unreachable, R>) =>
  Effect.gen(function*() {
    const since = yield* Clock.currentTimeMillis
    for (let attempt = 1;; attempt++) {
      const sent = yield* Effect.either(send)
      if (Either.isRight(sent)) return sent.right
      const error = sent.left
      const isOver = attempt === maxSends || (yield* Clock.currentTimeMillis) - since > Duration.toMillis(sendPatience)
      if (isOver || !isTrouble(error) || !isPassing(error) || isFull(error) || (attempt === 1 && isNobody(error))) {
        return yield* Effect.fail(error)
      }
      if (attempt === 1) yield* lostNotice
      yield* Effect.sleep(pauseBefore(attempt, error))
    }
  })

const isTrouble = (error: unknown): error is Refused | Unreachable =>
  error instanceof Refused || error instanceof Unreachable

/** Refused for good, as far as this input goes. */
const isFull = (error: Refused | Unreachable) => error._tag === "Refused" && error.status === 429

const isNobody = (error: Refused | Unreachable) => error._tag === "Unreachable" && error.isRefused

/** Fails when the reply does not complete. */
export const turn = Effect.fn("Chat.turn")(
  function*(connection: Connection, { agent, format, isQuiet, session, text }: Turn) {
    const screen = yield* Screen
    const accepted = yield* insist(
      connection.api.chat.send({
        headers: { prefer: "respond-async", accept: "application/json", "idempotency-key": crypto.randomUUID() },
        payload: {
          agent_id: agent,
          session_id: session,
          input: { role: "user", name: "user", content: text, metadata: {} },
          on_busy: "enqueue",
          tools: []
        }
      }).pipe(Effect.catchTag("ResponseError", (error) =>
        Effect.fail(
          error.cause instanceof SyntaxError
            ? error
            : new Unreachable({ isRefused: false, message: `the connection to ${connection.url} was lost.` })
        )))
    )
    if (typeof accepted === "string") return yield* failed("The server does not answer as this program expects.")

    const { close, tell } = yield* teller(isQuiet)
    const isOurs = belongsTo(accepted.run_id)
    let reply: Message | undefined
    let end: End | undefined
    const onEvent = ({ event, json }: Followed) =>
      Effect.gen(function*() {
        if (Option.isNone(event)) return false
        const { value } = event
        if (!isOurs(value)) return false
        if (format === "ndjson") yield* screen.out(`${JSON.stringify(json)}\n`)
        else if (format === "text") yield* tell(value)
        if (value.type === "REPLY_START" && value.run_id === accepted.run_id) reply = openReply(value)
        else if (reply !== undefined) reply = appendEvent(reply, value)
        if (!isEnd(value, accepted)) return false
        end = value
        return true
      })

    const stop = yield* stopper(connection, session)
    yield* follow(connection, {
      session,
      after: Option.some(accepted.seq),
      isExpected: true,
      onLost: lostNotice,
      onEvent
    }).pipe(Effect.raceFirst(Deferred.await(stop.isLeft)), Effect.ensuring(close))

    const failure = outcome(end, stop.presses())
    if (format === "json" && reply !== undefined) yield* screen.out(`${JSON.stringify(reply, undefined, 2)}\n`)
    if (Option.isSome(failure)) return yield* failure.value
  },
  Effect.scoped
)

const isEnd = (event: AgentEvent, { run_id }: Accepted): event is End =>
  endsStream(event.type) && "run_id" in event && event.run_id === run_id &&
  (event.agent_path === undefined || event.agent_path.length === 0)

/** The first Ctrl-C stops the run, and the reply is told to its end; the second one leaves. */
const stopper = Effect.fnUntraced(function*({ api }: Connection, session: SessionId) {
  const screen = yield* Screen
  const ctrlC = yield* CtrlC
  const queue = yield* Queue.unbounded<void>()
  const isLeft = yield* Deferred.make<never, Failed>()
  let presses = 0
  yield* ctrlC.take(() => {
    presses++
    Queue.unsafeOffer(queue, undefined)
  })
  yield* Effect.forkScoped(Effect.gen(function*() {
    yield* Queue.take(queue)
    if (screen.isTerminal.err) yield* screen.err(dim("\n(stopping; Ctrl-C again leaves)\n", screen.hasColour.err))
    const path = { session_id: SessionId.make(encodeURIComponent(session)) }
    yield* Effect.forkScoped(Effect.ignore(api.sessions.interrupt({ path, urlParams: { queue: "keep" } })))
    yield* Queue.take(queue)
    yield* Deferred.fail(isLeft, left)
  }))
  return { isLeft, presses: () => presses }
})
