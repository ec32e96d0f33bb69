/**
 * An agent that answers: its prompt, its tools and its loop, in a session. The
 * client's history is the beginning of a session that is made for the request; in the
 * session of a key, only what is new is taken.
 */
import { Effect, Option } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatRequest, type ExternalInput } from "../../../domain/Chat.ts"
import { Conflict, Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/Reply.ts"
import type { Session } from "../../../domain/Session.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options, Policy } from "../Channel.ts"
import * as Follow from "../Follow.ts"
import * as Sessions from "../Sessions.ts"
import type { Asked } from "./Asked.ts"
import { Completion, type Head, whole } from "./Completion.ts"
import { ofRun, readCallId } from "./Encode.ts"
import { json } from "./Json.ts"
import { messageOf, type Turn } from "./Messages.ts"
import { refuse } from "./Refused.ts"

/** Leaving ends the run, as this protocol has it; whoever may have to allow something cannot be asked. */
const policy: Policy = { leaving: "cancels", approval: "refused", end: "data: [DONE]\n\n" }

/** Runs of a session that wait at the same time; there is one. */
const fewRuns = { limit: 5, cursor: undefined }

const noWaiting = new Invalid({
  code: "not_waiting",
  detail: "No run of this session waits for these results of tools. They may have come already."
})

const waitsForPermission = new Conflict({
  code: "session_waits",
  detail: "The session waits for a permission that cannot be given here: answer by POST /chat, or stop the run."
})

type UserTurn = Extract<Turn, { readonly role: "user" }>
type AssistantTurn = Extract<Turn, { readonly role: "assistant" }>

const inputOf = ({ content, name }: UserTurn): InputMessage => ({ content, name, role: "user", metadata: {} })

const isUser = (turn: Turn): turn is UserTurn => turn.role === "user"

/** Results of calls at the end of a conversation. */
const resultsAtEnd = (turns: ReadonlyArray<Turn>): AssistantTurn | undefined => {
  const last = turns.at(-1)
  return last?.role === "assistant" && last.calls.length > 0 ? last : undefined
}

export interface Request {
  readonly owner: UserId
  readonly agent: Agent
  readonly asked: Asked
  /** The key of the conversation, if it has one. */
  readonly session: string | undefined
  readonly idempotencyKey: string | undefined
  /** What a repeated request is compared by. */
  readonly body: unknown
  readonly path: string
}

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { runs, sessions } = yield* Storage
    const { once } = yield* Idempotency
    const follow = yield* Follow.make
    const newId = yield* NewId
    const own = yield* Sessions.make(options)

    /** The answer to a run that waits for exactly these results; undefined when none does. */
    const answerTo = Effect.fnUntraced(function*(session: Session, { calls }: AssistantTurn) {
      const { items } = yield* Effect.orDie(
        runs.list(session.user_id, fewRuns, { session_id: session.id, status: "awaiting_external_result" })
      )
      const [run] = items
      if (run === undefined) return undefined
      const { messages } = yield* Effect.orDie(hub.newest(session, { limit: 1 }))
      const reply = messages.find(({ id }) => id === run.reply_id)
      const waiting = new Set(reply === undefined ? [] : awaited(reply).map(({ id }) => id as string))
      const ids = calls.map(({ id }) => readCallId(id)?.call ?? id)
      if (ids.length !== waiting.size || !ids.every((id) => waiting.has(id))) return undefined
      return {
        type: "EXTERNAL_EXECUTION_RESULT",
        reply_id: run.reply_id,
        execution_results: calls.map(({ output = "" }, i) => ({
          id: ids[i] as ExternalInput["execution_results"][number]["id"],
          output,
          state: "success"
        }))
      } satisfies ExternalInput as ExternalInput
    })

    /** The session that waits for results, by the ids of the calls. Somebody else's is none. */
    const waitingFor = Effect.fnUntraced(function*(owner: UserId, agent: Agent, results: AssistantTurn) {
      const [id] = new Set(results.calls.map((call) => readCallId(call.id)?.session_id))
      if (id === undefined) return undefined
      const session = yield* Effect.option(sessions.get(owner, id))
      return Option.isSome(session) && session.value.agent_id === agent.id ? session.value : undefined
    })

    /**
     * What new words do to a run that waits: one for results of this client's tools is given up, as it goes on without
     * them; one for a permission is somebody else's to answer.
     */
    const goingOn = (session: Session) =>
      Effect.flatMap(hub.waitsFor(session), (status) =>
        status === "awaiting_permission"
          ? Effect.fail(waitsForPermission)
          : Effect.succeed(status === "awaiting_external_result" ? "interrupt" as const : "enqueue" as const))

    /** What stands before the last words of the user, as messages; files are stored in the session. */
    const said = Effect.fnUntraced(function*(session: Session, turns: ReadonlyArray<Turn>) {
      const at = yield* now
      const base = { agent_id: session.agent_id, session_id: session.id, on_busy: "enqueue" as const, tools: [] }
      const words = turns.filter(isUser)
      const taken = words.length === 0 ? [] : yield* Effect.map(
        hub.take(session.user_id, { ...base, input: words.map(inputOf) }),
        ({ input }) => input as ReadonlyArray<InputMessage>
      )
      const contents = new Map<Turn, InputMessage["content"]>(words.map((turn, i) => [turn, taken[i]!.content]))
      const settled = turns.map((turn): Turn => isUser(turn) ? { ...turn, content: contents.get(turn)! } : turn)
      const split = settled.findLastIndex((turn) => turn.role !== "user") + 1
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
      return {
        history: settled.slice(0, split).filter(({ role }) => role !== "system").map((turn): Message =>
          messageOf(turn, making)
        ),
        input: settled.slice(split).filter(isUser).map(inputOf)
      }
    })

    const accept = Effect.fnUntraced(
      function*({ agent, asked, body, idempotencyKey, owner, path, session: key }: Request) {
        const [conversation] = asked.conversations
        const { system, turns } = conversation!
        const results = resultsAtEnd(turns)
        const instructions = [system, ...turns.flatMap((turn) => turn.role === "system" ? [turn.text] : [])]
          .filter((text) => text !== "").join("\n\n")
        const last = turns.at(-1)
        if (last === undefined || (last.role !== "user" && results === undefined)) {
          return yield* refuse(
            "invalid",
            "messages",
            "Expected the last message to be the user's, or the result of a tool"
          )
        }
        return yield* once(
          { owner, key: idempotencyKey, request: path, body, answer: Accepted },
          Effect.fnUntraced(function*({ claim }) {
            const waiting = key === undefined && results !== undefined
              ? yield* waitingFor(owner, agent, results)
              : undefined
            const answer = waiting === undefined ? undefined : yield* answerTo(waiting, results!)
            const { isNew, session } = answer === undefined
              ? yield* own.of(owner, agent, key, asked.parameters)
              : { isNew: false, session: waiting! }
            const base = {
              agent_id: agent.id,
              session_id: session.id,
              on_busy: "enqueue" as const,
              tools: asked.tools,
              ...(asked.tool_choice !== undefined && { tool_choice: asked.tool_choice }),
              ...(asked.output !== undefined && { output_schema: asked.output.schema })
            }
            const origin = { source: "channel" as const, source_id: options.name, instructions }
            if (!isNew && Object.keys(asked.parameters).length > 0) {
              yield* warn(
                Object.keys(asked.parameters).map((name) =>
                  `${quoted(name)} has no effect: the session has its own parameters.`
                )
              )
            }
            if (answer !== undefined) return yield* hub.send(owner, { ...base, input: answer }, claim, origin)
            if (!isNew && results !== undefined) {
              const input = yield* answerTo(session, results)
              return yield* input === undefined ? noWaiting : hub.send(owner, { ...base, input }, claim, origin)
            }
            const on_busy = isNew ? base.on_busy : yield* goingOn(session)
            // The session knows what was said before.
            const fresh = isNew ? turns : turns.slice(turns.findLastIndex(({ role }) => role === "assistant") + 1)
            const { history, input } = yield* said(session, fresh)
            const request: ChatRequest = { ...base, on_busy, input: input.length === 0 ? null : input }
            return yield* hub.send(owner, request, claim, { ...origin, history })
          })
        )
      }
    )

    return Effect.fnUntraced(function*(request: Request) {
      const { agent, asked, idempotencyKey, owner } = request
      if (asked.n > 1 || asked.conversations.length > 1) {
        const [path, what] = asked.n > 1 ? ["n", "one answer"] : ["prompt", "one prompt"]
        return yield* refuse("unsupported_parameter", path, `An agent gives ${what} to a request`)
      }
      const accepted = yield* Effect.ensuring(accept(request), Body.release)
      yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
      const session = yield* sessions.get(owner, accepted.session_id)
      const head: Head = {
        id: `${asked.kind === "chat" ? "chatcmpl" : "cmpl"}-${accepted.run_id}-${accepted.seq}`,
        model: asked.model || `agent/${agent.data.name}`,
        kind: asked.kind,
        choices: 1,
        streams: asked.streams,
        tellsUsage: asked.tellsUsage
      }
      const completion = new Completion(head)
      const encoder = ofRun(completion, { session_id: session.id, isStructured: asked.output !== undefined })
      const followed = { session, accepted, encoder, policy, isKept: idempotencyKey !== undefined }
      if (asked.streams) return yield* follow.stream(followed)
      yield* follow.whole(followed)
      return json(whole(head, completion.answered()))
    })
  })
