/** Tasks that there are: runs that this channel has started. Those of others, and other runs, are nobody's. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Message } from "../../../domain/Message.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { noTask } from "./Errors.ts"
import { contextOf } from "./Render.ts"
import type { Head } from "./Shapes.ts"

/** Who asks, by which address. */
export interface Caller {
  readonly owner: UserId
  /** The agent that the address names. */
  readonly agent: Agent | undefined
  /** Where this server was found. */
  readonly base: string
}

export interface Found {
  readonly run: Run
  readonly session: Session
  readonly head: Head
}

export const headOf = ({ base }: Pick<Caller, "base">, run: Run): Head => ({
  run_id: run.id,
  contextId: contextOf(run),
  base
})

export const isWaiting = (
  status: Run["status"]
): status is "awaiting_permission" | "awaiting_external_result" =>
  status === "awaiting_permission" || status === "awaiting_external_result"

export const make = (channel: string) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { runs, sessions } = yield* Storage

    const find = (caller: Caller, id: string): Effect.Effect<Found, ReturnType<typeof noTask>> =>
      Effect.gen(function*() {
        const run = yield* runs.get(caller.owner, id)
        const isOurs = run.source === "channel" && run.source_id === channel &&
          (caller.agent === undefined || caller.agent.id === run.agent_id)
        if (!isOurs) return yield* noTask(id)
        const session = yield* sessions.get(caller.owner, run.session_id)
        return { run, session, head: headOf(caller, run) }
      }).pipe(Effect.mapError(() => noTask(id)))

    const newest = (session: Session, { reply_id }: Run): Effect.Effect<Message | undefined> =>
      Effect.map(
        Effect.orDie(hub.newest(session, { limit: 1 })),
        ({ messages }) => messages.find(({ id }) => id === reply_id)
      )

    /** What the run has answered so far. */
    const replyOf = ({ run, session }: Pick<Found, "run" | "session">): Effect.Effect<Message | undefined> => {
      if (run.first_seq === null) return Effect.succeed(undefined)
      if (run.status === "ended") return hub.reply(session, run.id, Math.max(0, (run.last_seq ?? 1) - 1))
      return isWaiting(run.status) ? newest(session, run) : Effect.map(
        hub.unfinished(session),
        (message) => message?.id === run.reply_id ? message : undefined
      )
    }

    return { find, replyOf }
  })
