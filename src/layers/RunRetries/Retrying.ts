/**
 * Sends the input of a run that has failed once more, after a pause. When it was sent as often as it may, the job is
 * given up where everybody can see it; somebody who tries the job again sends the input once more.
 */
import { Duration, Effect, Option, Schema } from "effect"
import type { Accepted, ChatRequest } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { RunId } from "../../domain/Ids.ts"
import type { InputMessage, Message } from "../../domain/Message.ts"
import { againOf, isToRetry, retryClaim, type Run } from "../../domain/Run.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { now } from "../../services/Now.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

export const retryKind = "retry"

const Payload = Schema.Struct({ run_id: RunId })
const decode = Schema.decodeUnknownOption(Payload)

/** Pauses of the job itself, while storage or the session is not to be had. */
const pauses = Array.from({ length: 8 }, (_, i) => Duration.seconds(2 ** i))

/** The pause before an input is sent again, by how often it may still be: longer each time. */
const pauseOf = (retries: number) => Duration.seconds(2 ** Math.max(0, 3 - retries))

const asSent = ({ content, metadata, name, role }: Message): InputMessage => ({
  name,
  role: role === "assistant" ? "assistant" : "user",
  metadata,
  content: content.flatMap((block): Exclude<InputMessage["content"], string> =>
    block.type === "text"
      ? [{ type: "text", text: block.text }]
      : block.type === "data"
      ? [{ type: "data", name: block.name, source: block.source }]
      : []
  )
})

const requestOf = ({ agent_id, input, output_schema, session_id, tool_choice, tools }: Run): ChatRequest => ({
  agent_id,
  session_id,
  input: input.length === 0 ? null : input.map(asSent),
  on_busy: "enqueue",
  tools,
  ...(tool_choice !== undefined && { tool_choice }),
  ...(output_schema !== undefined && { output_schema })
})

export const handler = Effect.gen(function*() {
  const storage = yield* Storage
  const hub = yield* SessionHub

  const again = (error: string): Outcome => ({ result: "again", error })

  const sendAgain = Effect.fnUntraced(function*(run: Run, retries: number) {
    const at = yield* now
    const claimOf = (answer: Accepted): Claim => ({
      id: retryClaim(run),
      user_id: run.user_id,
      created_at: at,
      updated_at: at,
      digest: "",
      answer: JSON.stringify(answer),
      is_sealed: false
    })
    const origin = {
      source: run.source,
      source_id: againOf(run),
      retried_from: run.id,
      retries,
      ...(run.instructions !== undefined && { instructions: run.instructions }),
      ...(run.timeout_ms !== undefined && { timeout_ms: run.timeout_ms })
    }
    return yield* hub.send(run.user_id, requestOf(run), claimOf, origin).pipe(
      Effect.as(done),
      Effect.catchTags({
        NotFound: () => Effect.succeed(done),
        Invalid: ({ detail }) => Effect.succeed<Outcome>({ result: "dead", error: detail }),
        Conflict: ({ detail }) => Effect.succeed(again(detail)),
        LimitReached: ({ detail }) => Effect.succeed(again(detail)),
        Unavailable: ({ detail }) => Effect.succeed(again(detail))
      })
    )
  })

  const retrying: JobHandler = {
    kind: retryKind,
    timeout: Duration.seconds(20),
    pauses,
    work: Effect.fnUntraced(function*({ error, payload, user_id: owner }) {
      const named = Option.getOrUndefined(decode(payload))
      if (named === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const run = Option.getOrUndefined(yield* Effect.option(storage.runs.get(owner, named.run_id)))
      // Its session was deleted meanwhile.
      if (run === undefined || !isToRetry(run)) return done
      // It was sent again already, or somebody has cancelled it.
      if (Option.isSome(yield* Effect.option(storage.claims.host.get(retryClaim(run))))) return done
      const retries = run.retries ?? 0
      // Not by the count of attempts: a process that dies in the first one has not sent it yet, nor waited.
      if (error === null) {
        return retries === 0
          ? { result: "dead", error: `Given up: it was sent as often as it may be. ${run.error?.message ?? ""}` }
          : { result: "again", error: "It has failed, and is sent again.", pause: pauseOf(retries) }
      }
      return yield* sendAgain(run, Math.max(0, retries - 1))
    })
  }
  return retrying
})
