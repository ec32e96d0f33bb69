/** A run for a request: in the session of its keys, told as it comes, in one piece, or in the background. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Schedule } from "effect"
import { Accepted } from "../../../domain/Chat.ts"
import { Conflict } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { InputMessage } from "../../../domain/Message.ts"
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
import { isFailure } from "../Failures.ts"
import * as Follow from "../Follow.ts"
import * as Sessions from "../Sessions.ts"
import { read, stored } from "./Asked.ts"
import { type Key, sessionIn } from "./Key.ts"
import { Objects } from "./Objects.ts"
import { type AgentRequest, idleIn } from "./Requests.ts"
import * as Target from "./Target.ts"

/** Leaving stops the run, as this protocol has it; whoever may have to allow something cannot be asked. */
const policy: Policy = { leaving: "cancels", approval: "refused", end: "" }

/** For how long a run that has just been stopped may still keep its session: its end is being written. */
const pauses = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(4))

export interface Request {
  readonly owner: UserId
  readonly key: Key
  readonly payload: AgentRequest
  readonly idempotencyKey: string | undefined
  readonly path: string
}

const idOf = ({ id }: AgentRequest, { run_id }: Accepted) => id == null || id === "" ? `response_${run_id}` : id

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { sessionKeys, sessions } = yield* Storage
    const { once } = yield* Idempotency
    const follow = yield* Follow.make
    const newId = yield* NewId
    const own = yield* Sessions.make(options)
    const target = yield* Target.make(options)

    /** As the client calls the session: by the key that leads to it. */
    const nameOf = ({ id, user_id }: Session) =>
      Effect.map(
        Effect.orDie(sessionKeys.list(user_id, { limit: 1, cursor: undefined }, { session_id: id })),
        ({ items: [row] }) => sessionIn(row?.key ?? id)
      )

    /** Messages whose files are stored in the session. */
    const taken = (session: Session, input: ReadonlyArray<InputMessage>) =>
      input.length === 0 ? Effect.succeed(input) : Effect.map(
        hub.take(session.user_id, {
          agent_id: session.agent_id,
          session_id: session.id,
          input,
          on_busy: "enqueue",
          tools: []
        }),
        ({ input }) => input as ReadonlyArray<InputMessage>
      )

    /** Starts the run, durably. In the background it waits for its turn; else the session must be free, which the hub decides. */
    const accept = Effect.fnUntraced(function*(request: Request, isBackground: boolean) {
      const { idempotencyKey, key, owner, path, payload } = request
      yield* warn(idleIn(payload).map((name) => `The field ${quoted(name)} has no effect here.`))
      const asked = yield* read(payload)
      const agent = yield* target(owner, payload.model)
      return yield* once(
        {
          owner,
          key: idempotencyKey,
          request: path,
          body: { ...payload, key: key.isFresh ? null : key.key },
          answer: Accepted
        },
        Effect.fnUntraced(function*({ claim }) {
          const { isNew, session } = yield* own.of(owner, agent, key.key, {})
          const at = yield* now
          // A session that is there knows what was said before.
          const before = isNew ? yield* taken(session, asked.before) : []
          const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
          const origin = {
            source: "channel" as const,
            source_id: options.name,
            instructions: asked.instructions,
            history: before.map((message) => stored(message, making))
          }
          const chat = {
            agent_id: agent.id,
            session_id: session.id,
            input: asked.input,
            on_busy: isBackground ? "enqueue" as const : "reject" as const,
            tools: []
          }
          return yield* hub.send(owner, chat, claim, origin).pipe(
            Effect.retry({
              schedule: pauses,
              while: (error) => error instanceof Conflict && error.code === "session_busy"
            }),
            Effect.mapError((error) =>
              error instanceof Conflict && error.code === "session_busy"
                ? new Conflict({ code: error.code, detail: `Task ${key.shown} is already in RUNNING state.` })
                : error
            )
          )
        })
      )
    })

    const followed = (request: Request, accepted: Accepted) =>
      Effect.gen(function*() {
        yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
        const session = yield* sessions.get(request.owner, accepted.session_id)
        const encoder = new Objects({
          id: idOf(request.payload, accepted),
          // A request that comes again gets the session of the first one.
          session_id: request.key.isFresh ? yield* nameOf(session) : request.key.session_id,
          run_id: accepted.run_id
        })
        return { session, accepted, encoder, policy, isKept: request.idempotencyKey !== undefined }
      })

    /** Goes through the run to its end. A run that failed is told by a response that says so. */
    const told = (run: Omit<Follow.Followed, "policy" | "encoder"> & { readonly encoder: Objects }) =>
      Effect.as(
        Effect.catchIf(
          follow.whole({ ...run, policy }),
          isFailure,
          (problem) => Effect.sync(() => run.encoder.failed(problem))
        ),
        run.encoder
      )

    const answer = Effect.fnUntraced(function*(request: Request, accepted: Accepted) {
      const run = yield* followed(request, accepted)
      if (request.payload.stream !== false) return yield* follow.stream(run)
      const { response } = yield* told(run)
      return HttpServerResponse.unsafeJson(response)
    })

    /** For who left before the run was followed. */
    const stop = ({ owner }: Request, { run_id, session_id }: Accepted) =>
      Effect.catchAllCause(
        Effect.flatMap(sessions.get(owner, session_id), (session) => hub.cancel(session, run_id)),
        (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
      )

    return {
      /** Answers with the run. */
      process: (request: Request) =>
        request.idempotencyKey !== undefined
          ? Effect.flatMap(
            Effect.ensuring(accept(request, false), Body.release),
            (accepted) => answer(request, accepted)
          )
          : Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(
              Effect.ensuring(accept(request, false), Body.release),
              (accepted) => Effect.onInterrupt(restore(answer(request, accepted)), () => stop(request, accepted))
            )
          ),
      /** Starts it, and leaves it. */
      submit: (request: Request) => Effect.ensuring(accept(request, true), Body.release),
      told,
      nameOf
    }
  })
