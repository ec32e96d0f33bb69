/** Runs of agents, which go the way of chat completions: only what is asked and what is answered is this protocol's own. */
import { Effect } from "effect"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import { keyOf } from "../Keys.ts"
import { readCallId } from "../openai/output/Encode.ts"
import * as ThroughAgent from "../openai/ThroughAgent.ts"
import * as Asked from "./Asked.ts"
import * as Cost from "./Cost.ts"
import { Run } from "./Encode.ts"
import type * as Records from "./Records.ts"
import type { RunRequest } from "./Requests.ts"

interface Headers {
  readonly accept?: string | undefined
  readonly "idempotency-key"?: string | undefined
  readonly "x-session-id"?: string | undefined
}

/** What the calls were whose results came with the request. */
const askedIn = ({ asked }: ThroughAgent.Request): ReadonlyMap<string, string> =>
  new Map(asked.conversations.flatMap(({ turns }) => {
    const last = turns.at(-1)
    return last?.role === "assistant" ? last.calls.map(({ id, input }) => [readCallId(id)?.call ?? id, input]) : []
  }))

export const make = (
  { configOf, mine, modelNames }: Effect.Effect.Success<ReturnType<typeof Records.make>>,
  options: Options
) =>
  Effect.gen(function*() {
    const costOf = yield* Cost.make
    const throughAgent = yield* ThroughAgent.make(options, {
      policy: { leaving: "cancels", approval: "refused", end: "" },
      knowsItsCalls: true,
      answering: (request, { run_id, session_id }) => {
        const { agent, asked, owner } = request
        const run = new Run({
          run_id,
          session_id,
          agent_id: agent.id,
          model: asked.model ?? "",
          asked: askedIn(request),
          clientTools: new Set([...agent.data.client_tools, ...asked.tools].map(({ name }) => name))
        })
        const cost = Effect.suspend(() => costOf(owner, run_id, run.until()))
        return {
          encoder: run,
          closing: (problem) => Effect.map(cost, (cost) => run.closing(cost, problem)),
          whole: Effect.map(cost, (cost) => run.answer(cost))
        }
      }
    })

    return Effect.fnUntraced(function*(id: string, headers: Headers, payload: RunRequest) {
      const { user_id: owner } = yield* CurrentPrincipal
      const found = yield* mine(owner, id)
      const nameOf = yield* modelNames(owner)
      const own = found.data.chat_model_config
      // Generated clients name a model in every request, so that this cannot be refused.
      if (own !== null && payload.model && payload.model !== nameOf(own)) {
        yield* warn(["The agent answers with its own model: the field 'model' has no effect."])
      }
      yield* warn(Asked.idleIn(payload))
      const chat_model_config = own === null && payload.model ? yield* configOf(owner, payload.model) : own
      const agent = { ...found, data: { ...found.data, chat_model_config } }
      const asked = yield* Asked.ofRun(payload, agent.data, headers.accept)
      const session = yield* keyOf(undefined, headers, options.trusted)
      const idempotencyKey = headers["idempotency-key"]
      // Whoever lost a stream may ask for the whole answer with the same key.
      const { stream: _, ...said } = payload
      return yield* throughAgent({
        owner,
        agent,
        asked: { ...asked, model: nameOf(chat_model_config) },
        session,
        idempotencyKey,
        body: idempotencyKey === undefined ? undefined : comparable({ ...said, session }),
        path: `POST ${options.name}/agents/${agent.id}/run`
      })
    })
  })
