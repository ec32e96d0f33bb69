/**
 * Sends a message to an agent elsewhere and waits for what comes of it. The message has its id, and a row, before it is
 * sent: the same call finds its task again after a crash, and where there is none yet sends the same message once more.
 */
import { Clock, Duration, Effect, Option } from "effect"
import { createHash } from "node:crypto"
import {
  hopsKey,
  maxHops,
  maxRemoteCalls,
  maxRemoteMessage,
  type RemoteAgent,
  type RemoteCall
} from "../../domain/RemoteAgent.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { isBlank } from "../../domain/Text.ts"
import { now } from "../../services/Now.ts"
import type { RemoteAnswer, RemoteRequest } from "../../services/RemoteAgents.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import * as RunsAbove from "../RunsAbove.ts"
import { failed, stillWorks } from "./Answers.ts"
import * as Exchange from "./Exchange.ts"
import { RemoteFailed } from "./Failed.ts"
import * as Secrets from "./Secrets.ts"

/** Calls of a session that are looked through for the conversation that goes on. */
const lookedBack = 8

const refuse = (message: string) => new RemoteFailed({ message, again: false })

/** The same for each try, behind the time at which the run was made. */
const idOf = (run: Run, call: string) =>
  run.id.slice(0, 12) + createHash("sha256").update(JSON.stringify(["a2a", run.id, call])).digest("hex").slice(0, 20)

const hopsIn = ({ input }: Run): number => {
  const given = input.at(-1)?.metadata[hopsKey]
  return typeof given === "number" && given > 0 ? Math.min(Math.ceil(given), maxHops) : 0
}

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const { remoteCalls } = storage
  const vault = yield* Vault
  const { again, ask, note, sendAndWait, settle } = yield* Exchange.make
  const chainOf = RunsAbove.above(storage)

  const list = (session: Session, where: { readonly agent_id?: string; readonly task_id?: string }, limit: number) =>
    Effect.map(
      Effect.orDie(
        remoteCalls.list(session.user_id, { limit, cursor: undefined }, { session_id: session.id, ...where }, "newest")
      ),
      ({ items }) => items
    )

  /** The call that has begun a task of this session. */
  const begun = Effect.fnUntraced(function*(session: Session, agent: RemoteAgent, task_id: string) {
    const [found] = yield* list(session, { agent_id: agent.id, task_id }, 1)
    return found ??
      (yield* refuse(`There is no task '${task_id.slice(0, 64)}' of '${agent.title}' in this conversation.`))
  })

  const hopsOf = Effect.fnUntraced(function*(run: Run) {
    const chain = yield* chainOf(run.user_id, run)
    const hops = Math.max(...chain.map(hopsIn)) + 1
    return hops <= maxHops ? hops : yield* refuse(
      `This work was handed on from server to server ${maxHops} times already: do it yourself.`
    )
  })

  const first = Effect.fnUntraced(
    function*(run: Run, session: Session, agent: RemoteAgent, id: string, task_id: string | undefined) {
      const { total } = yield* Effect.orDie(
        remoteCalls.list(run.user_id, { limit: 1, cursor: undefined }, { run_id: run.id })
      )
      if (total >= maxRemoteCalls) {
        return yield* refuse(`You have called other agents ${total} times, and may not any more.`)
      }
      const context_id = task_id === undefined
        ? (yield* list(session, { agent_id: agent.id }, lookedBack)).find(({ context_id }) => context_id !== null)
          ?.context_id
        : (yield* begun(session, agent, task_id)).context_id
      const at = yield* now
      const call: RemoteCall = {
        id,
        user_id: run.user_id,
        created_at: at,
        updated_at: at,
        session_id: session.id,
        run_id: run.id,
        agent_id: agent.id,
        task_id: task_id ?? null,
        context_id: context_id ?? null,
        is_over: false
      }
      return yield* Effect.mapError(
        remoteCalls.insert(call),
        () => refuse("The conversation was deleted, or is gone on elsewhere.")
      )
    }
  )

  const cutShort = (title: string, { call: { task_id } }: Exchange.Known): RemoteAnswer =>
    task_id === null ? failed(`Error: The agent '${title}' has not answered in time.`) : stillWorks(title, task_id)

  return {
    /** What comes of a call within this time. */
    call: (run: Run, session: Session, agent: RemoteAgent, request: RemoteRequest, patience: Duration.Duration) =>
      Effect.gen(function*() {
        const began = yield* Clock.currentTimeMillis
        const { call: callId, message, task_id } = request
        const address = yield* Secrets.open(vault, agent)
        const left = Effect.map(
          Clock.currentTimeMillis,
          (millis) => Duration.subtract(patience, Duration.millis(millis - began))
        )
        const inTime = (work: Effect.Effect<RemoteAnswer, RemoteFailed>, known: Exchange.Known) =>
          Effect.flatMap(
            left,
            (duration) =>
              Effect.timeoutTo(work, {
                duration,
                onSuccess: (came) => came,
                onTimeout: () => cutShort(agent.title, known)
              })
          )
        if (message === undefined || isBlank(message)) {
          if (task_id === undefined) return yield* refuse("Say in `message` what it has to do.")
          const known = { call: yield* begun(session, agent, task_id) }
          return yield* inTime(settle(address, known, agent.title), known)
        }
        if (message.length > maxRemoteMessage) {
          return yield* refuse(`The message has more than ${maxRemoteMessage} characters.`)
        }
        const id = idOf(run, callId)
        const before = yield* Effect.option(remoteCalls.get(run.user_id, id))
        const hops = yield* hopsOf(run)
        const sending: Exchange.Sending = { address, streams: agent.streams, message, hops }
        const known: Exchange.Known = {
          call: Option.isSome(before) ? before.value : yield* first(run, session, agent, id, task_id)
        }
        return yield* inTime(
          Option.isSome(before) ? again(sending, known, task_id) : sendAndWait(sending, known),
          known
        )
      }),

    /** Cancels what a run has begun and what goes on; true when it may be worth to try again. */
    cancel: Effect.fnUntraced(function*(agent: RemoteAgent, call: RemoteCall) {
      const { task_id } = call
      if (task_id === null || call.is_over) return false
      return yield* Effect.flatMap(
        Secrets.open(vault, agent),
        (address) => ask(address, { method: "CancelTask", params: { id: task_id } })
      ).pipe(
        Effect.zipRight(note({ call }, { is_over: true })),
        Effect.as(false),
        // A task that has ended, or is not known any more, need not be cancelled.
        Effect.catchAll(({ again }) => Effect.succeed(again))
      )
    })
  }
})
