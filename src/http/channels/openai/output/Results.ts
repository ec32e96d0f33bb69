/** Results of a client's own tools, and the runs that wait for them. */
import { Effect, Option } from "effect"
import type { Agent } from "../../../../domain/Agent.ts"
import type { ExternalInput } from "../../../../domain/Chat.ts"
import type { UserId } from "../../../../domain/Ids.ts"
import { awaited } from "../../../../domain/OpenCalls.ts"
import type { Session } from "../../../../domain/Session.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { Storage } from "../../../../services/Storage.ts"
import type { Turn } from "../request/Messages.ts"
import { readCallId } from "./Encode.ts"

/** Runs of a session that wait at the same time; there is one. */
const fewRuns = { limit: 5, cursor: undefined }

type AssistantTurn = Extract<Turn, { readonly role: "assistant" }>

/** Results of calls at the end of a conversation. */
export const atEnd = (turns: ReadonlyArray<Turn>): AssistantTurn | undefined => {
  const last = turns.at(-1)
  return last?.role === "assistant" && last.calls.length > 0 ? last : undefined
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs, sessions } = yield* Storage

  return {
    /** The answer to a run that waits for exactly these results; undefined when none does. */
    answerTo: Effect.fnUntraced(function*(session: Session, { calls }: AssistantTurn) {
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
        execution_results: calls.map(({ hasFailed, output = "" }, i) => ({
          id: ids[i] as ExternalInput["execution_results"][number]["id"],
          output,
          state: hasFailed ? "error" : "success"
        }))
      } satisfies ExternalInput as ExternalInput
    }),

    /** The session that waits for results, by the ids of the calls. Somebody else's is none. */
    waitingFor: Effect.fnUntraced(function*(owner: UserId, agent: Agent, results: AssistantTurn) {
      const [id] = new Set(results.calls.map((call) => readCallId(call.id)?.session_id))
      if (id === undefined) return undefined
      const session = yield* Effect.option(sessions.get(owner, id))
      return Option.isSome(session) && session.value.agent_id === agent.id ? session.value : undefined
    })
  }
})
