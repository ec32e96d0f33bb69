/** An execution for a request: in a session of its own, or in the one that is named; waited for, streamed, or left alone. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Clock, Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted } from "../../../domain/Chat.ts"
import { messagesOf } from "../../../domain/Delegation.ts"
import { Conflict, Malformed, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { newSession } from "../../../domain/NewSession.ts"
import { patchSession, type Session } from "../../../domain/Session.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { timestampOf } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import type { Options } from "../Channel.ts"
import * as Follow from "../Follow.ts"
import { noModel } from "../Sessions.ts"
import type { Agents } from "./Agents.ts"
import { Turn } from "./Encode.ts"
import * as Executions from "./Executions.ts"
import type { ChatRequest, InvokeRequest } from "./Requests.ts"
import { about } from "./Timing.ts"

/** Failures that pass are tried again so often when nobody waits for the answer. */
const retries = 3

interface Sent {
  readonly owner: UserId
  readonly agent: Agent
  /** A new one, where none is named. */
  readonly session: Session | undefined
  readonly payload: InvokeRequest | ChatRequest
  readonly output_schema: JsonObject | undefined
  readonly isQueued: boolean
  readonly request: string
  readonly key: string | undefined
}

const wrongStreaming = (detail: string) => new Malformed({ code: "streaming_not_supported", detail })

export const make = (agents: Agents, options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const keys = yield* SessionKeys
    const { runs, sessions } = yield* Storage
    const { once } = yield* Idempotency
    const newId = yield* NewId
    const follow = yield* Follow.make
    const executions = yield* Executions.make

    /** Nobody is there who could be asked: what needs a permission that no rule gives is refused to the agent. */
    const made = Effect.fnUntraced(function*(owner: UserId, agent: Agent) {
      const { chat_model_config, code } = agent.data
      if (chat_model_config === null && code === undefined) return yield* noModel(agent)
      const millis = yield* Clock.currentTimeMillis
      const at = timestampOf(millis)
      const session = newSession({ agent_id: agent.id, chat_model_config }, owner, at, () => newId.record(millis))
      return yield* keys.kept(patchSession(session, { permission_mode: "dont_ask" }, at))
    })

    /** When this returns, the execution is stored, and goes on whatever happens to this process. */
    const accept = (sent: Sent) =>
      Effect.ensuring(
        once(
          { owner: sent.owner, key: sent.key, request: sent.request, body: sent.payload, answer: Accepted },
          Effect.fnUntraced(function*({ claim }) {
            const { agent, isQueued, output_schema, owner, payload } = sent
            const session = sent.session ?? (yield* made(owner, agent))
            const timeout_ms = payload.options?.timeout_ms
            return yield* hub.send(
              owner,
              {
                agent_id: agent.id,
                session_id: session.id,
                input: messagesOf(payload),
                on_busy: "enqueue",
                tools: [],
                ...(output_schema !== undefined && { output_schema })
              },
              claim,
              {
                source: "channel",
                source_id: options.name,
                ...(timeout_ms != null && { timeout_ms }),
                ...(isQueued && { retries })
              }
            )
          })
        ),
        Body.release
      ).pipe(Effect.tap(({ run_id, session_id }) => Effect.zipRight(note({ session_id, run_id }), about(run_id))))

    /** Waits for the end, and reads what the run came to. */
    const answer = Effect.fnUntraced(function*(owner: UserId, { run_id, seq }: Accepted) {
      const turn = yield* executions.through(yield* executions.mine(owner, run_id), seq)
      const run = yield* executions.mine(owner, run_id)
      return {
        execution_id: run_id,
        agent_id: run.agent_id,
        status: Executions.statusOf(run),
        result: turn.result(),
        usage: yield* executions.usageOf(run, turn.called),
        error: turn.error ?? null
      }
    })

    const invoke = Effect.fnUntraced(
      function*(owner: UserId, name: string, key: string | undefined, payload: InvokeRequest) {
        const agent = yield* agents.answering(owner, name)
        const front = agents.definitionOf(agent)?.front
        const isQueued = payload.options?.async ?? front?.execution_mode === "async"
        if (payload.options?.stream === true) {
          return yield* wrongStreaming(
            isQueued
              ? "What is asynchronous cannot be streamed: leave out one of them."
              : "An invocation is not streamed: use POST /agents/{id}/chat, or leave out stream."
          )
        }
        yield* agents.checked(owner, agent, payload.input ?? {})
        // What a call asks for stands above what the program and the agent's file say.
        const output_schema = payload.options?.output_schema ?? front?.output_schema ?? undefined
        const request = `POST ${options.name}/agents/${agent.id}/invoke`
        const accepted = yield* accept({
          owner,
          agent,
          session: undefined,
          payload,
          output_schema,
          isQueued,
          request,
          key
        })
        if (!isQueued) return yield* answer(owner, accepted)
        const poll_url = `${options.mount}/executions/${accepted.run_id}`
        return HttpServerResponse.unsafeJson(
          { execution_id: accepted.run_id, agent_id: agent.id, status: "queued", poll_url },
          { status: 202, headers: { location: poll_url } }
        )
      }
    )

    const sessionOf = Effect.fnUntraced(function*(owner: UserId, agent: Agent, id: string) {
      const session = yield* Effect.mapError(
        sessions.get(owner, id),
        () => new NotFound({ code: "session_not_found", detail: `Session '${id}' not found.` })
      )
      if (session.agent_id === agent.id) return session
      return yield* new Conflict({
        code: "session_agent_mismatch",
        detail: "Another agent answers in this session. Name that one, or begin a new session."
      })
    })

    const chat = Effect.fnUntraced(
      function*(owner: UserId, name: string, key: string | undefined, payload: ChatRequest) {
        const agent = yield* agents.answering(owner, name)
        // In a conversation, what is missing may be asked for.
        if (payload.input != null) yield* agents.checked(owner, agent, payload.input)
        const session = payload.session_id == null ? undefined : yield* sessionOf(owner, agent, payload.session_id)
        const accepted = yield* accept({
          owner,
          agent,
          session,
          payload,
          output_schema: undefined,
          isQueued: false,
          request: `POST ${options.name}/agents/${agent.id}/chat`,
          key
        })
        const { run_id, session_id } = accepted
        if (payload.options?.stream !== true) {
          const answered = yield* answer(owner, accepted)
          return { session_id, ...answered, turn_count: yield* executions.turnsIn(owner, session_id) }
        }
        const encoder = new Turn(run_id, session_id)
        return yield* follow.stream({
          session: yield* sessions.get(owner, session_id),
          accepted,
          encoder,
          policy: Executions.policy,
          isKept: true,
          closing: (problem) =>
            Effect.gen(function*() {
              const run = yield* Effect.orDie(runs.get(owner, run_id))
              const usage = yield* executions.usageOf(run, null)
              const turn_count = yield* executions.turnsIn(owner, session_id)
              return encoder.closing({ status: Executions.statusOf(run), usage, turn_count }, problem)
            })
        })
      }
    )

    return { invoke, chat, executions }
  })
