/**
 * Gives an answer: finds out who answers and where, begins the run, and has the response remembered that comes of it. The
 * response is a part of that run, so that nothing of what it says is stored twice.
 */
import { Cause, Clock, Effect, Option } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import type { Accepted, ChatRequest } from "../../../domain/Chat.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { ChatModelConfig } from "../../../domain/Model.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import * as Body from "../../middleware/Body.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import { refuse } from "../openai/request/Refused.ts"
import * as Targets from "../openai/Targets.ts"
import { letting, noModel } from "../Sessions.ts"
import * as Following from "./place/Following.ts"
import * as InConversation from "./place/InConversation.ts"
import * as Leases from "./place/Leases.ts"
import * as Locks from "./place/Locks.ts"
import * as Places from "./place/Place.ts"
import * as RawModels from "./place/RawModels.ts"
import * as Recording from "./Recording.ts"
import { Begun, type Given, type Request } from "./Recording.ts"
import type { Asked } from "./request/Asked.ts"
import * as Referring from "./request/Referring.ts"
import * as Said from "./request/Said.ts"

interface Target {
  readonly agent: Agent
  readonly config: ChatModelConfig
}

/** Nothing of it is stored; of one that storage did not answer, nobody knows. */
const isRefusal = (cause: Cause.Cause<{ readonly _tag: string }>): boolean =>
  Option.exists(Cause.failureOption(cause), ({ _tag }) => _tag !== "Unavailable")

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { sessions } = yield* Storage
    const { once } = yield* Idempotency
    const given = yield* Recording.make
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
      return once(
        { owner, key: idempotencyKey, request: "POST responses", body, answer: Begun },
        ({ claim }) => {
          const beginning = Effect.flatten(restore(begin(request, claim)))
          // The lock first: of this process's requests only one looks again and again.
          return conversation === undefined
            ? beginning
            : locked(`${owner}\n${conversation}`)(leased(owner, conversation)(beginning))
        }
      )
    }

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
            (begun) => {
              const isKept = request.idempotencyKey !== undefined || request.asked.background ||
                request.asked.conversation !== undefined
              // What cannot be remembered, or is left before it is followed, is answered for nobody.
              const leaving = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
                isKept ? effect : Effect.onError(effect, () => stop(request, begun))
              return Effect.flatMap(leaving(given(request, begun)), (result) =>
                isKept ?
                  restore(follow(result)) :
                  Effect.onInterrupt(restore(follow(result)), () => stop(request, begun)))
            }
          )
        )
    }
  })
export type Create = Effect.Effect.Success<ReturnType<typeof make>>
