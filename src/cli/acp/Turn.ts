/** One prompt of an editor's and its run: what the run says is told, and what it asks is asked, until it has ended. */
import {
  type ContentBlock,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate,
  type StopReason
} from "@agentclientprotocol/sdk"
import { Deferred, Effect, Option, Schedule } from "effect"
import type { ChatInput } from "../../domain/Chat.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { RunId } from "../../domain/Ids.ts"
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import { awaited } from "../../domain/OpenCalls.ts"
import type { SessionView } from "../../domain/Session.ts"
import { endingOf } from "../../domain/Stop.ts"
import { appendEvent, openReply } from "../../domain/Transcript.ts"
import { Refused } from "../../http/client/Failures.ts"
import { follow, type Followed } from "../../http/client/Follow.ts"
import { belongsTo, endsRun } from "../../http/client/Run.ts"
import { send } from "../../http/client/Sending.ts"
import { answering, resultOf } from "../Asking.ts"
import type { Connection } from "../Connection.ts"
import { sentenceOf } from "../Ending.ts"
import * as Calls from "./Calls.ts"
import { contentOf } from "./Content.ts"
import { Told } from "./Updates.ts"

/** The editor at the other end. */
export interface Editor {
  readonly update: (session: string, update: SessionUpdate) => Effect.Effect<void>
  readonly ask: (request: RequestPermissionRequest) => Effect.Effect<RequestPermissionResponse, RequestError>
}

/** A prompt that is worked on. */
export interface Active {
  /** Done when the editor has cancelled it. */
  readonly cancelled: Deferred.Deferred<void>
}

type End = Extract<AgentEvent, { readonly type: "REPLY_END" } | { readonly name: "run_parked" }>

type Decision = Parameters<typeof resultOf>[1]

const decisions: Readonly<Record<string, Decision>> = { allow_once: "once", allow_always: "always", reject_once: "no" }

const options: RequestPermissionRequest["options"] = [
  { optionId: "allow_once", name: "Allow", kind: "allow_once" },
  { optionId: "allow_always", name: "Always allow in this session", kind: "allow_always" },
  { optionId: "reject_once", name: "Reject", kind: "reject_once" }
]

const reasons: Readonly<Record<string, StopReason>> = {
  completed: "end_turn",
  max_tokens: "max_tokens",
  content_filter: "refusal",
  refusal: "refusal",
  exceed_max_iters: "max_turn_requests",
  interrupted: "cancelled"
}

/** The code of JSON-RPC for what went wrong on this side. */
export const internalError = -32603

/** Times that a server which was away for long is looked for again; each is tried for about 20 seconds. */
const maxReturns = 12

const notRun = "The editor has no such tool, so it was not run."

const mayBeAnswered = (error: unknown) => error instanceof Refused && error.status === 409

export const prompt = Effect.fnUntraced(function*(
  connection: Connection,
  editor: Editor,
  asked: {
    readonly session: SessionView
    readonly prompt: ReadonlyArray<ContentBlock>
    readonly size: number | undefined
    readonly active: Active
  }
) {
  const { active, session, size } = asked
  const content = contentOf(asked.prompt)
  if (content.length === 0) return yield* Effect.fail(new RequestError(-32602, "The prompt is empty."))
  const post = (input: typeof ChatInput.Encoded, on_busy: "enqueue" | "interrupt" = "enqueue") =>
    send(
      connection,
      { agent_id: session.agent_id, session_id: session.id, input, on_busy },
      { key: crypto.randomUUID(), onLost: Effect.void }
    )
  // Whoever says something new gives up what the session waits for; it would wait for ever otherwise.
  const isWaiting = session.status === "awaiting_permission" || session.status === "awaiting_external_result"
  const accepted = yield* post(
    { role: "user", name: "user", content },
    isWaiting ? "interrupt" : "enqueue"
  )
  const stop = Effect.ignore(connection.api.runs.cancel({
    path: { run_id: encodeURIComponent(accepted.run_id) as RunId }
  }))
  yield* Effect.forkScoped(Effect.zipRight(Deferred.await(active.cancelled), stop))

  const told = new Told(size)
  const isOurs = belongsTo(accepted.run_id)
  let reply: Message | undefined
  let end: End | undefined
  let last = accepted.seq

  const onEvent = ({ event, seq }: Followed) =>
    Effect.gen(function*() {
      last = seq
      if (Option.isNone(event) || !isOurs(event.value)) return false
      const { value } = event
      for (const update of told.step(value)) yield* editor.update(session.id, update)
      if (value.type === "CUSTOM" && value.name === "elicitation_requested") {
        // Editors have no form for it: the tool's server is told so at once, and need not wait for nobody.
        const path = { session_id: session.id, elicitation_id: value.value.elicitation_id }
        const payload = { action: "decline", content: null } as const
        yield* Effect.ignore(connection.api.elicitations.answer({ path, payload }))
      }
      if (value.type === "REPLY_START" && value.run_id === accepted.run_id) reply = openReply(value)
      else if (reply !== undefined) reply = appendEvent(reply, value)
      if (!endsRun(value, accepted.run_id)) return false
      end = value
      return true
    })

  const followOn = Effect.suspend(() => {
    end = undefined
    return follow(connection, {
      session: session.id,
      after: Option.some(last),
      isExpected: true,
      onLost: Effect.void,
      onEvent
    })
  }).pipe(
    // Nobody sees the editor's patience but its user, who can cancel: a slow restart is waited for.
    Effect.retry({
      while: ({ _tag }) => _tag === "Unreachable",
      schedule: Schedule.spaced("5 seconds"),
      times: maxReturns
    })
  )

  const decide = (reply: Message, call: ToolCallBlock) =>
    editor.ask({
      sessionId: session.id,
      toolCall: { ...Calls.whole(reply.id, call), status: "pending" },
      options
    }).pipe(
      Effect.map(({ outcome }) => outcome.outcome === "selected" ? decisions[outcome.optionId] : undefined),
      // An editor that cannot ask has not allowed anything.
      Effect.orElseSucceed((): Decision => "no"),
      Effect.raceFirst(Effect.as(Deferred.await(active.cancelled), undefined))
    )

  /** Answers what the run waits for; nothing is answered when the editor cancels the question, which stops the run. */
  const answer = Effect.fnUntraced(function*(reply: Message) {
    const calls = awaited(reply)
    const asking = calls.filter(({ state }) => state === "asking")
    if (asking.length === 0) {
      const execution_results = calls.map(({ id }) => ({ id, output: notRun, state: "error" as const }))
      return yield* post({ type: "EXTERNAL_EXECUTION_RESULT", reply_id: reply.id, execution_results })
    }
    const results: Array<ReturnType<typeof resultOf>> = []
    for (const call of asking) {
      const decision = yield* decide(reply, call)
      if (decision === undefined) return yield* Effect.zipRight(Deferred.succeed(active.cancelled, undefined), stop)
      results.push(resultOf(call, decision))
    }
    yield* post(answering(reply.id, results))
  })

  yield* followOn
  while (end?.type === "CUSTOM" && reply !== undefined) {
    // Somebody else may have answered meanwhile, or stopped the run.
    yield* Effect.catchIf(answer(reply), mayBeAnswered, () => Effect.void)
    yield* followOn
  }
  const over = end as End | undefined
  if (over?.type !== "REPLY_END") {
    return yield* Effect.fail(new RequestError(internalError, "The stream ended before the reply did."))
  }
  const stopReason = over.error === null ? reasons[endingOf(over)] : undefined
  return stopReason === undefined
    ? yield* Effect.fail(
      new RequestError(internalError, sentenceOf(over) ?? "The run failed.", { code: over.error?.code })
    )
    : { stopReason }
}, Effect.scoped)
