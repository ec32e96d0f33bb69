/**
 * Gives an answer: finds out who answers and where, begins the run, and remembers the response that comes of it. The response
 * is a part of that run, so that nothing of what it says is stored twice.
 */
import { Cause, Clock, Effect, Option, Schema } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatRequest } from "../../../domain/Chat.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { ChatModelConfig } from "../../../domain/Model.ts"
import type { ResponseHead, StoredResponse } from "../../../domain/Response.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { timestampOf } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import { refuse } from "../openai/request/Refused.ts"
import * as Targets from "../openai/Targets.ts"
import { letting, noModel } from "../Sessions.ts"
import { homeOf } from "./output/ItemIds.ts"
import type { Watched } from "./output/Watch.ts"
import * as Following from "./place/Following.ts"
import * as InConversation from "./place/InConversation.ts"
import * as Leases from "./place/Leases.ts"
import * as Locks from "./place/Locks.ts"
import * as Places from "./place/Place.ts"
import * as RawModels from "./place/RawModels.ts"
import type { Asked } from "./request/Asked.ts"
import * as Referring from "./request/Referring.ts"
import * as Said from "./request/Said.ts"

/** An accepted request, as its key remembers it. */
const Begun = Schema.Struct({
  ...Accepted.fields,
  response_id: Schema.String,
  /** Seconds. */
  created_at: Schema.Int,
  known: Schema.Int
})
type Begun = typeof Begun.Type

export interface Request {
  readonly owner: UserId
  readonly asked: Asked
  readonly idempotencyKey: string | undefined
  /** What a repeated request is compared by. */
  readonly body: unknown
  /** A response that is stored nowhere, and can be gone on from where it was given. */
  readonly unstored?: StoredResponse | undefined
}

interface Target {
  readonly agent: Agent
  readonly config: ChatModelConfig
}

/** Nothing of it is stored; of one that storage did not answer, nobody knows. */
const isRefusal = (cause: Cause.Cause<{ readonly _tag: string }>): boolean =>
  Option.exists(Cause.failureOption(cause), ({ _tag }) => _tag !== "Unavailable")

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Given extends Watched {
  readonly background: boolean
  readonly record: StoredResponse
}

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { agents, responses, sessions } = yield* Storage
    const { isWithdrawn, once } = yield* Idempotency
    const newId = yield* NewId
    const { find } = yield* Targets.make(options)
    const rawModels = yield* RawModels.make
    const refer = yield* Referring.make
    const places = yield* Places.make(options)
    const following = yield* Following.make(places)
    const conversing = yield* InConversation.make(places, options.name)
    const locked = Locks.make()
    const leased = yield* Leases.make
    const letThrough = yield* letting

    /** Who answers, with the model and its parameters. */
    const targetOf = Effect.fnUntraced(function*(owner: UserId, { isLimited, model, parameters }: Asked) {
      const target = yield* find(owner, model)
      if (target.type === "model") {
        const { credential, model } = target
        const config: ChatModelConfig = { type: credential.type, credential_id: credential.id, model, parameters }
        return { agent: yield* rawModels(owner), config } satisfies Target as Target
      }
      const { agent } = target
      const config = agent.data.chat_model_config
      if (config === null) return yield* noModel(agent)
      if (isLimited) {
        return yield* refuse("unsupported_parameter", "tool_choice", "The tools of an agent itself cannot be left out")
      }
      const own = { ...config, parameters: { ...config.parameters, ...yield* letThrough(parameters) } }
      return { agent, config: own } satisfies Target as Target
    })

    const read = Effect.fnUntraced(function*(owner: UserId, { input }: Pick<Asked, "input">) {
      const referred = typeof input === "string" ? new Map() : yield* refer(owner, input)
      const said = yield* Said.read(input, newId.short, referred)
      yield* warn(said.leftOut.map((type) => `Items of the type ${quoted(type)} have no effect here.`))
      return said
    })

    const placeOf = (request: Places.Request) => {
      const { asked, said } = request
      if (asked.conversation !== undefined) return conversing.in(request, asked.conversation)
      if (asked.previous !== undefined) return following.after(request, asked.previous)
      return said.approvals.length > 0 ? places.answering(request) : places.alone(request)
    }

    const begin = ({ asked, owner, unstored }: Request, claim: Once<Begun>["claim"]) =>
      Effect.gen(function*() {
        const { agent, config } = yield* targetOf(owner, asked)
        const said = yield* read(owner, asked)
        const millis = yield* Clock.currentTimeMillis
        const id = `resp_${newId.record(millis)}`
        const place = yield* placeOf({ owner, agent, config, asked, said, id, unstored })
        const { history, input, known, session } = place
        const request: ChatRequest = {
          agent_id: agent.id,
          session_id: session.id,
          on_busy: "enqueue",
          input,
          tools: asked.tools,
          ...(asked.tool_choice !== undefined && { tool_choice: asked.tool_choice }),
          ...(asked.output !== undefined && { output_schema: asked.output.schema })
        }
        const instructions = [asked.instructions, ...said.instructions].filter((text) => text !== "").join("\n\n")
        const origin = { source: "channel" as const, source_id: options.name, instructions, history }
        const begunBy = (accepted: Accepted): Begun => ({
          ...accepted,
          response_id: id,
          created_at: Math.floor(millis / 1000),
          known
        })
        return hub.send(owner, request, claim && ((accepted) => claim(begunBy(accepted))), origin).pipe(
          Effect.onError((cause) =>
            Effect.zipRight(place.undo, place.isNew && isRefusal(cause) ? places.drop(session) : Effect.void)
          ),
          Effect.zipLeft(place.done),
          Effect.map(begunBy)
        )
      })

    /** `restore` lets what comes before the run begins be interrupted; not its beginning, which whoever leaves has to know of. */
    const accept = (request: Request, restore: Restore) => {
      const { asked, body, idempotencyKey, owner } = request
      const { conversation } = asked
      let isRepeated = true
      const begun = once(
        { owner, key: idempotencyKey, request: "POST responses", body, answer: Begun },
        ({ claim }) => {
          isRepeated = false
          const beginning = Effect.flatten(restore(begin(request, claim)))
          // The lock first: of this process's requests only one looks again and again.
          return conversation === undefined
            ? beginning
            : locked(`${owner}\n${conversation}`)(leased(owner, conversation)(beginning))
        }
      )
      return Effect.map(begun, (begun) => ({ begun, isRepeated }))
    }

    const headOf = Effect.fnUntraced(function*({ asked, owner }: Request, begun: Begun) {
      const session = yield* sessions.get(owner, begun.session_id)
      const agent = yield* agents.get(owner, session.agent_id)
      const head: ResponseHead = {
        id: begun.response_id,
        created_at: begun.created_at,
        model: asked.model || `agent/${agent.data.name}`,
        echo: asked.echo,
        home: asked.conversation === undefined ? session.id : homeOf(asked.conversation),
        client_tools: [...asked.tools, ...agent.data.client_tools].map(({ name }) => name),
        is_structured: asked.output !== undefined,
        tells_encrypted: asked.tellsEncrypted
      }
      return { session, head }
    })

    const recordOf = (
      request: Request,
      begun: Begun,
      { head, session }: Effect.Effect.Success<ReturnType<typeof headOf>>
    ): StoredResponse => {
      const at = timestampOf(begun.created_at * 1000)
      return {
        id: begun.response_id,
        user_id: request.owner,
        created_at: at,
        updated_at: at,
        session_id: session.id,
        agent_id: session.agent_id,
        run_id: begun.run_id,
        after: begun.seq,
        known: begun.known,
        background: request.asked.background,
        conversation: request.asked.conversation ?? null,
        next: null,
        head
      }
    }

    const notDeleted = ({ owner }: Request, { response_id }: Begun) =>
      Effect.flatMap(isWithdrawn(owner, response_id), (isGone) =>
        isGone ? Effect.fail(NotFound.of("Response", response_id)) : Effect.void)

    /** Written before the first byte goes out; with a key also by a later try, if this one does not come to it. */
    const remember = (record: StoredResponse, ifNotDeleted: Effect.Effect<void, NotFound>) =>
      responses.insert(record).pipe(
        // Whoever deletes it at the same time has said so by the time that it can be written again.
        Effect.zipRight(
          Effect.tapError(ifNotDeleted, () =>
            Effect.ignore(responses.remove(record.user_id, record.id)))
        ),
        Effect.catchTag("Conflict", () => Effect.void)
      )

    const given = Effect.fnUntraced(function*(request: Request, begun: Begun, isRepeated: boolean) {
      yield* note({ session_id: begun.session_id, run_id: begun.run_id })
      const ifNotDeleted = isRepeated && request.asked.stores ? notDeleted(request, begun) : Effect.void
      yield* ifNotDeleted
      const made = yield* headOf(request, begun)
      const { asked, idempotencyKey } = request
      const record = recordOf(request, begun, made)
      if (asked.stores) yield* remember(record, ifNotDeleted)
      const result: Given = {
        ...made,
        run_id: begun.run_id,
        after: begun.seq,
        background: asked.background,
        record,
        isKept: asked.background || asked.conversation !== undefined || idempotencyKey !== undefined
      }
      return result
    })

    /** For who left before the run was followed. */
    const stop = ({ owner }: Request, { run_id, session_id }: Begun) =>
      Effect.catchAllCause(
        Effect.flatMap(sessions.get(owner, session_id), (session) => hub.cancel(session, run_id)),
        (cause) => Effect.logWarning("A run whose client has left could not be stopped", cause)
      )

    return {
      targetOf,
      read,
      places,
      following,
      conversing,
      /** Begins the run and follows it; whoever leaves in between stops it, unless the protocol lets it go on. */
      run: <A, E, R>(request: Request, follow: (given: Given) => Effect.Effect<A, E, R>) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            Effect.ensuring(accept(request, restore), Body.release),
            ({ begun, isRepeated }) => {
              const isKept = request.idempotencyKey !== undefined || request.asked.background ||
                request.asked.conversation !== undefined
              // What cannot be remembered, or is left before it is followed, is answered for nobody.
              const leaving = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
                isKept ? effect : Effect.onError(effect, () => stop(request, begun))
              return Effect.flatMap(leaving(given(request, begun, isRepeated)), (result) =>
                isKept ?
                  restore(follow(result)) :
                  Effect.onInterrupt(restore(follow(result)), () => stop(request, begun)))
            }
          )
        )
    }
  })
export type Create = Effect.Effect.Success<ReturnType<typeof make>>
