/** Responses that somebody comes back for: rendered again from the log of their run. */
import { Deferred, Effect, FiberId } from "effect"
import type { AgentEvent } from "../../../domain/Event.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { StoredResponse } from "../../../domain/Response.ts"
import type { Run } from "../../../domain/Run.ts"
import { endsStream } from "../../../domain/RunOf.ts"
import type { Session } from "../../../domain/Session.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import { type Answered, begun, responseOf } from "./output/Answer.ts"
import { itemId } from "./output/ItemIds.ts"
import { type Item, itemsOf, outputOf } from "./output/Items.ts"
import type { Watch, Watched } from "./output/Watch.ts"

const newestOnly = { limit: 1, cursor: undefined }

const decoder = new TextDecoder()

interface Found {
  readonly record: StoredResponse
  readonly session: Session
  readonly run: Run
  /** Nothing more comes: the run has ended, or was parked, and what it does since then is no part of this response. */
  readonly isOver: boolean
}

type Answering = Extract<AgentEvent, { readonly type: "USER_CONFIRM_RESULT" | "EXTERNAL_EXECUTION_RESULT" }>

/** What a run was told that waited for it. */
const answerItems = (home: string, event: Answering): ReadonlyArray<Item> =>
  event.type === "USER_CONFIRM_RESULT"
    ? event.confirm_results.map(({ confirmed, tool_call }) => ({
      id: itemId("mcpa", home, tool_call.id),
      type: "mcp_approval_response",
      approval_request_id: itemId("mcpr", home, tool_call.id),
      approve: confirmed
    }))
    : event.execution_results.map(({ id, output }) => ({
      id: itemId("fco", home, id),
      type: "function_call_output",
      status: "completed",
      call_id: id,
      output: outputOf(output)
    }))

/** A session of whose answers none is kept, and which is no conversation's, goes. */
export const releasing = (channel: string) =>
  Effect.gen(function*() {
    const { conversations, responses } = yield* Storage
    const keys = yield* SessionKeys
    return Effect.fnUntraced(function*(session: Session) {
      const where = { session_id: session.id }
      const kept = yield* Effect.orDie(responses.list(session.user_id, newestOnly, where))
      const head = yield* Effect.orDie(conversations.list(session.user_id, newestOnly, where))
      // Its owner may have removed it already.
      if (kept.total === 0 && head.total === 0) yield* Effect.ignore(keys.discard(channel, session))
    })
  })

export const make = (channel: string, watch: Watch) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { withdraw } = yield* Idempotency
    const { responses, runs, sessions, transaction } = yield* Storage
    const release = yield* releasing(channel)

    const find = Effect.fnUntraced(function*(owner: UserId, id: string) {
      const record = yield* responses.get(owner, id)
      const session = yield* sessions.get(owner, record.session_id)
      const end = yield* hub.endAfter(session, record.run_id, record.after)
      const run = yield* runs.get(owner, record.run_id)
      const isActive = run.status === "queued" || run.status === "running"
      return { record, session, run, isOver: end !== undefined || !isActive } satisfies Found as Found
    })

    const watched = ({ record: { after, head, run_id }, session }: Found): Watched => ({
      session,
      run_id,
      after,
      head,
      isKept: true
    })

    const shown = (found: Found) =>
      found.isOver
        ? Effect.map(watch.wait(watched(found)), (rendering): Answered => rendering.response())
        : Effect.succeed(
          responseOf(found.record.head, begun(found.run.status === "queued" ? "queued" : "in_progress"))
        )

    /** The event that tells what a waiting run was told; it is among the first of the response. */
    const answerTo = ({ record, run, session }: Found) =>
      Effect.scoped(Effect.gen(function*() {
        const found = Deferred.unsafeMake<Answering | undefined>(FiberId.none)
        const tell = (event: Answering | undefined) => Deferred.unsafeDone(found, Effect.succeed(event))
        yield* hub.attach(session, {
          write: (frames) => {
            for (const { event } of eventsOf(decoder.decode(frames))) {
              if (event.type === "USER_CONFIRM_RESULT" || event.type === "EXTERNAL_EXECUTION_RESULT") return tell(event)
              if (endsStream(event)) return tell(undefined)
            }
          },
          unread: () => 0,
          drained: Effect.void,
          end: () => tell(undefined)
        }, { after: record.after, only: run.id })
        return yield* Deferred.await(found)
      }))

    return {
      get: (owner: UserId, id: string) => Effect.flatMap(find(owner, id), shown),

      stream: (owner: UserId, id: string, startingAfter: number | undefined) =>
        Effect.flatMap(find(owner, id), (found) => watch.stream(watched(found), startingAfter)),

      cancel: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const found = yield* find(owner, id)
        if (!found.isOver) yield* hub.cancel(found.session, found.run.id)
        return yield* shown(yield* find(owner, id))
      }),

      remove: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const found = yield* find(owner, id)
        if (!found.isOver) yield* hub.cancel(found.session, found.run.id)
        yield* transaction(Effect.zipRight(withdraw(owner, id), responses.remove(owner, id)))
        yield* release(found.session)
        return { id, object: "response" as const, deleted: true as const }
      }),

      inputItems: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const found = yield* find(owner, id)
        const { record: { after, head, known }, run } = found
        if (run.first_seq !== null && after >= run.first_seq) {
          const answer = yield* answerTo(found)
          return answer === undefined ? [] : answerItems(head.home, answer)
        }
        const clientTools = new Set(head.client_tools)
        return run.input.slice(known).flatMap((message) => itemsOf(head.home, message, clientTools))
      })
    }
  })
