/** What is remembered of an answer whose run has begun: the response, as it will be asked for. */
import { Effect, Schema } from "effect"
import { Accepted } from "../../../domain/Chat.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { ResponseHead, StoredResponse } from "../../../domain/Response.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { timestampOf } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import { homeOf } from "./output/ItemIds.ts"
import type { Watched } from "./output/Watch.ts"
import type { Asked } from "./request/Asked.ts"

/** An accepted request, as its key remembers it. */
export const Begun = Schema.Struct({
  ...Accepted.fields,
  response_id: Schema.String,
  /** Seconds. */
  created_at: Schema.Int,
  known: Schema.Int
})
export type Begun = typeof Begun.Type

export interface Request {
  readonly owner: UserId
  readonly asked: Asked
  readonly idempotencyKey: string | undefined
  /** What a repeated request is compared by. */
  readonly body: unknown
  /** A response that is stored nowhere, and can be gone on from where it was given. */
  readonly unstored?: StoredResponse | undefined
}

export interface Given extends Watched {
  readonly background: boolean
  readonly record: StoredResponse
}

export const make = Effect.gen(function*() {
  const { agents, responses, sessions } = yield* Storage
  const { isWithdrawn } = yield* Idempotency

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
    Effect.flatMap(
      isWithdrawn(owner, response_id),
      (isGone) => isGone ? Effect.fail(NotFound.of("Response", response_id)) : Effect.void
    )

  /** Written before the first byte goes out; with a key also by a later try, if this one does not come to it. */
  const remember = (record: StoredResponse, ifNotDeleted: Effect.Effect<void, NotFound>) =>
    responses.insert(record).pipe(
      // Whoever deletes it at the same time has said so by the time that it can be written again.
      Effect.zipRight(
        Effect.tapError(ifNotDeleted, () => Effect.ignore(responses.remove(record.user_id, record.id)))
      ),
      Effect.catchTag("Conflict", () => Effect.void)
    )

  return Effect.fnUntraced(function*(request: Request, begun: Begun) {
    yield* note({ session_id: begun.session_id, run_id: begun.run_id })
    const { asked, idempotencyKey } = request
    // Without a key nobody else knows of it yet. With one, a repeated request may have told its id before this one goes on.
    const ifNotDeleted = idempotencyKey !== undefined && asked.stores ? notDeleted(request, begun) : Effect.void
    yield* ifNotDeleted
    const made = yield* headOf(request, begun)
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
})
