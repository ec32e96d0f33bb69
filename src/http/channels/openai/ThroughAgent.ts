/**
 * An agent that answers: its prompt, its tools and its loop, in a session. The
 * client's history is the beginning of a session that is made for the request; in the
 * session of a key, only what is new is taken.
 */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatRequest } from "../../../domain/Chat.ts"
import { Conflict, Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import type { Session } from "../../../domain/Session.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
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
import { json } from "./Json.ts"
import { Completion, type Head, whole } from "./output/Completion.ts"
import { ofRun, storedCallId } from "./output/Encode.ts"
import * as Results from "./output/Results.ts"
import type { Asked } from "./request/Asked.ts"
import { messageOf, type Turn } from "./request/Messages.ts"
import { refuse } from "./request/Refused.ts"
import * as Stored from "./Stored.ts"

/** The answer to one request, in the form of its protocol. */
interface Answering extends Pick<Follow.Followed, "encoder" | "closing"> {
  /** For who does not stream, when the encoder has seen everything. */
  readonly whole: Effect.Effect<object>
  /** The same, where its client may want it kept. */
  readonly kept?: Effect.Effect<JsonObject & { readonly id: string }>
}

/** What is a protocol's own in how an agent answers. */
export interface Form {
  readonly policy: Policy
  /** Results of tools that no run waits for are refused, and never taken for what was said before. */
  readonly knowsItsCalls: boolean
  readonly answering: (request: Request, accepted: Accepted) => Answering
}

/** Leaving ends the run, as OpenAI has it; whoever may have to allow something cannot be asked. */
const openAi: Form = {
  policy: { leaving: "cancels", approval: "refused", end: "data: [DONE]\n\n" },
  knowsItsCalls: false,
  answering: ({ agent, asked }, { run_id, seq, session_id }) => {
    const head: Head = {
      id: `${asked.kind === "chat" ? "chatcmpl" : "cmpl"}-${run_id}-${seq}`,
      model: asked.model || `agent/${agent.data.name}`,
      kind: asked.kind,
      choices: 1,
      streams: asked.streams,
      tellsUsage: asked.tellsUsage
    }
    const completion = new Completion(head)
    const answered = Effect.sync(() => whole(head, completion.answered()))
    return {
      encoder: ofRun(completion, { session_id, isStructured: asked.output !== undefined }),
      whole: answered,
      kept: answered
    }
  }
}

const noWaiting = new Invalid({
  code: "not_waiting",
  detail: "No run of this session waits for these results of tools. They may have come already."
})

const waitsForPermission = new Conflict({
  code: "session_waits",
  detail: "The session waits for a permission that cannot be given here: answer by POST /chat, or stop the run."
})

type UserTurn = Extract<Turn, { readonly role: "user" }>

const inputOf = ({ content, name }: UserTurn): InputMessage => ({ content, name, role: "user", metadata: {} })

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const isUser = (turn: Turn): turn is UserTurn => turn.role === "user"

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

export const make = (options: Options, form: Form = openAi) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { sessions } = yield* Storage
    const { once } = yield* Idempotency
    const follow = yield* Follow.make
    const newId = yield* NewId
    const own = yield* Sessions.make(options)
    const { answerTo, waitingFor } = yield* Results.make
    const stored = yield* Stored.make

    /** Nothing was ever said in it: the request that made it was refused, or broke off, before its words were taken. */
    const isEmpty = (session: Session) =>
      Effect.map(
        Effect.all([Effect.orDie(hub.newest(session, { limit: 1 })), hub.status(session)]),
        ([{ total }, status]) => total === 0 && status === "idle"
      )

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
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short, callId: storedCallId }
      return {
        history: settled.slice(0, split).filter(({ role }) => role !== "system").map((turn): Message =>
          messageOf(turn, making)
        ),
        input: settled.slice(split).filter(isUser).map(inputOf)
      }
    })

    /** `restore` lets what comes before the run begins be interrupted; not its beginning, which whoever leaves has to know of. */
    const accept = Effect.fnUntraced(
      function*({ agent, asked, body, idempotencyKey, owner, path, session: key }: Request, restore: Restore) {
        const [conversation] = asked.conversations
        const { system, turns } = conversation!
        const results = Results.atEnd(turns)
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
        const begin = Effect.fnUntraced(
          function*(claim: Once<Accepted>["claim"]) {
            const waiting = key === undefined && results !== undefined
              ? yield* waitingFor(owner, agent, results)
              : undefined
            const answer = waiting === undefined ? undefined : yield* answerTo(waiting, results!)
            if (form.knowsItsCalls && key === undefined && results !== undefined && answer === undefined) {
              return yield* noWaiting
            }
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
            if (answer !== undefined) return hub.send(owner, { ...base, input: answer }, claim, origin)
            const known = turns.findLastIndex(({ role }) => role === "assistant") + 1
            const begins = isNew || (known > 0 && (yield* isEmpty(session)))
            if ((!begins || form.knowsItsCalls) && results !== undefined) {
              const input = yield* answerTo(session, results)
              return yield* input === undefined
                ? noWaiting
                : Effect.succeed(hub.send(owner, { ...base, input }, claim, origin))
            }
            const on_busy = begins ? base.on_busy : yield* goingOn(session)
            // The session knows what was said before.
            const { history, input } = yield* said(session, begins ? turns : turns.slice(known))
            const request: ChatRequest = { ...base, on_busy, input: input.length === 0 ? null : input }
            return hub.send(owner, request, claim, { ...origin, history })
          }
        )
        return yield* once(
          { owner, key: idempotencyKey, request: path, body, answer: Accepted },
          ({ claim }) => Effect.flatten(restore(begin(claim)))
        )
      }
    )

    const answerOf = Effect.fnUntraced(function*(request: Request, accepted: Accepted) {
      yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
      const session = yield* sessions.get(request.owner, accepted.session_id)
      const { kept, whole, ...written } = form.answering(request, accepted)
      const { asked: { keeping }, owner } = request
      const settle = keeping && kept && Effect.flatMap(kept, (answer) => stored.keep(owner, keeping, answer))
      const isKept = request.idempotencyKey !== undefined
      const followed = { session, accepted, policy: form.policy, isKept, ...written, settle }
      if (request.asked.streams) return yield* follow.stream(followed)
      yield* follow.whole(followed)
      return json(yield* whole)
    })

    /** For who left before the run was followed. */
    const stop = ({ owner }: Request, { run_id, session_id }: Accepted) =>
      Effect.catchAllCause(
        Effect.flatMap(sessions.get(owner, session_id), (session) => hub.cancel(session, run_id)),
        (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
      )

    return Effect.fnUntraced(function*(request: Request) {
      const { asked, idempotencyKey } = request
      if (asked.n > 1 || asked.conversations.length > 1) {
        const [path, what] = asked.n > 1 ? ["n", "one answer"] : ["prompt", "one prompt"]
        return yield* refuse("unsupported_parameter", path, `An agent gives ${what} to a request`)
      }
      if (asked.keeping !== undefined) yield* stored.roomFor(request.owner)
      if (idempotencyKey !== undefined) {
        const accepted = yield* Effect.ensuring(accept(request, (effect) => effect), Body.release)
        return yield* answerOf(request, accepted)
      }
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          Effect.ensuring(accept(request, restore), Body.release),
          (accepted) => Effect.onInterrupt(restore(answerOf(request, accepted)), () => stop(request, accepted))
        )
      )
    })
  })
