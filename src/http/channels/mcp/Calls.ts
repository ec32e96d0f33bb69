/** A call of a tool is a run of its agent: begun, followed, asked about, and told as a result. */
import type { CallToolResult, ElicitRequestFormParams, ElicitResult } from "@modelcontextprotocol/server"
import { Deferred, Effect, Option, Schema } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatInput } from "../../../domain/Chat.ts"
import { Conflict, NotFound } from "../../../domain/Errors.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import { ClientKey } from "../../../domain/SessionKey.ts"
import { isBlank } from "../../../domain/Text.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import type { Problem } from "../../middleware/Problems.ts"
import { Sse } from "../../Sse.ts"
import type { Options, Policy } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import { Fold } from "../Follow.ts"
import { keyOf } from "../Keys.ts"
import * as Rewriting from "../Rewriting.ts"
import * as Sessions from "../Sessions.ts"
import type { Asking, Context } from "./Asking.ts"
import { type Line, Progress } from "./Progress.ts"
import { answerOf, formOf, isWaiting, type Question, questionOf } from "./Questions.ts"
import { failedResult, resultOf } from "./Results.ts"
import * as Tools from "./Tools.ts"

/** What becomes of a run is decided here, by who asked and how it was left. */
const policy: Policy = { leaving: "goes on", approval: "shown", end: "" }

const Arguments = Schema.Struct({
  message: Schema.String.pipe(Schema.minLength(1), Schema.filter((text) => !isBlank(text))),
  session_key: Schema.optional(Schema.NullOr(ClientKey))
})

const wrongArguments =
  "message: Expected a text that is not blank; session_key: at most 256 printable ASCII characters."

/** What a client gives back of a question, in the revision that asks by a result. */
const State = Schema.parseJson(Schema.Struct({ run_id: Schema.String, calls: Schema.Array(Schema.String) }))
type State = typeof State.Type

const isGiven = Schema.is(Schema.Struct({
  action: Schema.Literal("accept", "decline", "cancel"),
  content: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
}))

const waits = new Conflict({
  code: "session_waits",
  detail: "The agent waits for an answer in the conversation of this session_key. Use another one, or none."
})

const cannotAsk = "The agent needs an answer of a person, for which this client cannot ask. The run was stopped."
const notAnswered = "The question was not answered. The run was stopped."

export interface Call {
  readonly asking: Asking
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** Undefined where nobody wants to be told. */
  readonly tell: ((line: Line) => void) | undefined
  readonly canElicit: boolean
  /** Asks a person while the call waits; undefined in the revision that asks by a result. */
  readonly elicit: ((form: ElicitRequestFormParams) => Effect.Effect<Option.Option<ElicitResult>>) | undefined
  /** What the client gives back of a question, and the answer to it. */
  readonly state: unknown
  readonly given: unknown
}

/** A result, or a question for the client with what it is to give back. */
export type Outcome =
  | { readonly type: "result"; readonly result: CallToolResult }
  | { readonly type: "question"; readonly form: ElicitRequestFormParams; readonly state: string }

/** A run, and from where on it is followed. */
interface Begun {
  readonly run_id: Run["id"]
  readonly session: Session
  readonly after: number
}

const resulting = (result: CallToolResult): Outcome => ({ type: "result", result })

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { runs, sessions } = yield* Storage
    const { once } = yield* Idempotency
    const sse = yield* Sse
    const rewriting = yield* Rewriting.make
    const own = yield* Sessions.make(options)
    const tools = yield* Tools.make(options)
    const origin = { source: "channel" as const, source_id: options.name }

    const accept = Effect.fnUntraced(function*({ asking, ...call }: Call, agent: Agent, args: typeof Arguments.Type) {
      const { headers, owner } = asking
      const key = yield* keyOf(args.session_key ?? undefined, headers, options.trusted)
      const message: InputMessage = { role: "user", name: "user", content: args.message, metadata: {} }
      return yield* once(
        {
          owner,
          key: headers["idempotency-key"],
          request: `POST ${options.name}/tools`,
          body: comparable({ name: call.name, ...args }),
          answer: Accepted
        },
        Effect.fnUntraced(function*({ claim }) {
          const { isNew, session } = yield* own.of(owner, agent, key, {})
          if (!isNew && (yield* hub.waitsFor(session)) !== undefined) return yield* waits
          return yield* hub.send(owner, chatOf(session, message), claim, origin)
        })
      )
    }, (accepting) => Effect.ensuring(accepting, Body.release))

    const chatOf = ({ agent_id, id }: Pick<Session, "agent_id" | "id">, input: ChatInput) => ({
      agent_id,
      session_id: id,
      input,
      on_busy: "enqueue" as const,
      tools: []
    })

    /** Where a run begins that there is already. */
    const from = Effect.fnUntraced(function*(run: Run) {
      const session = yield* sessions.get(run.user_id, run.session_id)
      const after = run.first_seq === null ? yield* hub.liveEdge(session) : run.first_seq - 1
      const begun: Begun = { run_id: run.id, session, after }
      return begun
    })

    const mine = ({ owner }: Asking, id: string) =>
      Effect.filterOrFail(
        runs.get(owner, id),
        ({ source, source_id }) => source === "channel" && source_id === options.name,
        () => NotFound.of("Run", id.slice(0, 256))
      )

    /** Until the run has ended or waits. */
    const follow = ({ after, run_id, session }: Begun, progress: Progress) =>
      Effect.scoped(Effect.gen(function*() {
        const fold = new Fold({ encoder: progress, policy }, undefined)
        const sink = yield* rewriting.streaming(fold, session, run_id)
        yield* hub.attach(session, sink, { after, only: run_id })
        yield* sse.whileValid(Deferred.await(fold.over))
        return fold.problem
      }))

    const waitingOf = (run: Run, reply: Message): Question | undefined => {
      if (!isWaiting(run.status)) return undefined
      const question = questionOf(run.status, reply)
      return question.calls.length === 0 ? undefined : question
    }

    /** Where the run goes on that has waited here, and waits no more; undefined when it waits, or has ended. */
    const goesOn = Effect.fnUntraced(function*({ after, run_id, session }: Begun, run: Run) {
      const end = yield* hub.endAfter(session, run_id, after)
      if (end === undefined) return undefined
      const isPast = !isWaiting(run.status) || (yield* hub.endAfter(session, run_id, end)) !== undefined
      return isPast ? { run_id, session, after: end } satisfies Begun : undefined
    })

    const send = (session: Session, input: ChatInput) =>
      Effect.map(
        hub.send(session.user_id, chatOf(session, input), undefined, origin),
        ({ run_id, seq }): Begun => ({ run_id, session, after: seq })
      )

    const stopped = (session: Session, run_id: Run["id"], reason: string, { base }: Asking) =>
      Effect.as(
        hub.cancel(session, run_id),
        resulting(failedResult({ run_id, session_id: session.id, base }, reason))
      )

    const told = (call: Call, begun: Begun, progress: Progress): Effect.Effect<Outcome, Problem, Context> =>
      Effect.gen(function*() {
        const { asking, canElicit, elicit } = call
        const { run_id, session } = begun
        const head = { run_id, session_id: session.id, base: asking.base }
        const problem = yield* follow(begun, progress)
        if (problem !== undefined && problem.status === 503) return yield* problem
        const run = yield* runs.get(asking.owner, run_id)
        const next = progress.hasEnded || problem !== undefined ? undefined : yield* goesOn(begun, run)
        if (next !== undefined) return yield* told(call, next, progress)
        const reply = yield* hub.reply(session, run_id, begun.after)
        const failure = problem?.detail ?? reply.error?.message
        if (failure !== undefined) return resulting(failedResult(head, failure, reply))
        const question = waitingOf(run, reply)
        if (question === undefined) return resulting(resultOf(head, reply))
        if (!canElicit) return yield* stopped(session, run_id, cannotAsk, asking)
        if (elicit === undefined) {
          const state = JSON.stringify({ run_id, calls: question.calls.map(({ id }) => id) })
          return { type: "question" as const, form: formOf(question), state }
        }
        const given = yield* elicit(formOf(question))
        const answer = Option.isNone(given) ? undefined : answerOf(question, given.value)
        if (answer === undefined) return yield* stopped(session, run_id, notAnswered, asking)
        return yield* told(call, yield* send(session, answer), progress)
      })

    /** The client answers what it was asked by the result before. A run that has gone on meanwhile is followed. */
    const answered = Effect.fnUntraced(function*(call: Call, { calls, run_id }: State) {
      const { asking, given } = call
      const run = yield* mine(asking, run_id)
      const begun = yield* from(run)
      if (!isWaiting(run.status)) return begun
      const reply = yield* hub.reply(begun.session, run.id, begun.after)
      const question = waitingOf(run, reply)
      const isSame = question !== undefined && question.calls.length === calls.length &&
        question.calls.every(({ id }, i) => id === calls[i])
      // Another question is asked anew, and nothing is answered that was not seen.
      if (!isSame || !isGiven(given)) return begun
      const answer = answerOf(question, given as ElicitResult)
      if (answer === undefined) return yield* Effect.as(hub.cancel(begun.session, run.id), begun)
      return yield* Effect.catchTag(send(begun.session, answer), "Conflict", () => Effect.succeed(begun))
    })

    const begin = Effect.fnUntraced(function*(call: Call) {
      const { asking, name, state } = call
      if (asking.resumed !== undefined) return yield* from(asking.resumed.run)
      if (state !== undefined) {
        const read = yield* Effect.mapError(
          Schema.decodeUnknown(State)(state),
          () => NotFound.of("Question", "of this request state")
        )
        return yield* answered(call, read)
      }
      const agent = yield* tools.find(asking.owner, name)
      const args = Schema.decodeUnknownOption(Arguments)(call.arguments)
      if (Option.isNone(args)) return undefined
      const { run_id, seq, session_id } = yield* accept(call, agent, args.value)
      const begun: Begun = { run_id, session: yield* sessions.get(asking.owner, session_id), after: seq }
      return begun
    })

    return (call: Call): Effect.Effect<Outcome, Problem, Context> => {
      const { asking } = call
      return Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          // Once it is asked for, it is known whether it was taken: what nobody waits for is stopped then.
          const begun = yield* begin(call)
          if (begun === undefined) return resulting(failedResult(undefined, wrongArguments))
          const { run_id, session } = begun
          yield* note({ session_id: session.id, run_id })
          asking.accepted(run_id)
          const progress = new Progress(call.tell ?? (() => {}), asking.resumed?.told)
          return yield* Effect.onInterrupt(restore(told(call, begun, progress)), () =>
            asking.isUnwanted()
              ? Effect.catchAllCause(
                hub.cancel(session, run_id),
                (cause) => Effect.logWarning("A run that nobody wants any more could not be stopped", cause)
              )
              : Effect.void)
        })
      )
    }
  })
