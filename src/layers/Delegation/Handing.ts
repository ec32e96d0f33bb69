/** Hands work over: the session and the run of it are made once for each call of a run, and found again afterwards. */
import { type Context, Duration, Effect, Either, Option, Schedule, Schema } from "effect"
import { createHash } from "node:crypto"
import type { Agent } from "../../domain/Agent.ts"
import { Accepted, type ChatRequest } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { maxDelegations, messagesOf } from "../../domain/Delegation.ts"
import type { Unavailable } from "../../domain/Errors.ts"
import { newSession } from "../../domain/NewSession.ts"
import type { PermissionMode } from "../../domain/Permission.ts"
import type { Run } from "../../domain/Run.ts"
import { patchSession } from "../../domain/Session.ts"
import type { Work } from "../../services/Delegation.ts"
import type { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"
import type { SessionHub } from "../../services/SessionHub.ts"
import type { Storage } from "../../services/Storage.ts"
import type { ToolCaller } from "../../services/Toolbox.ts"
import * as RunsAbove from "../RunsAbove.ts"
import { Refused } from "./Refused.ts"

/** How often it is tried again while the server does not take inputs: it may be about to stop. */
const takeAgain = Duration.millis(500)

/** Characters of the message by which its session is called. */
const maxName = 80

/** In a session that asks nobody, nobody is asked below it; in one in which all is allowed, somebody is asked below it. */
const modeBelow = (mode: PermissionMode): PermissionMode => mode === "bypass" ? "default" : mode

const nameOf = (message: string) => message.trim().replaceAll(/\s+/g, " ").slice(0, maxName).trim()

/** The same for each try, behind the time at which the run was made. */
const sessionIdOf = (run: Run, call: string) =>
  run.id.slice(0, 12) + createHash("sha256").update(JSON.stringify([run.id, call])).digest("hex").slice(0, 20)

const decodeAccepted = Schema.decodeOption(Schema.parseJson(Accepted))

export interface Needed {
  readonly storage: Context.Tag.Service<Storage>
  readonly newId: Context.Tag.Service<NewId>
}

/** What a call has handed over. */
export interface HandedOver {
  readonly agent: Agent
  readonly accepted: Accepted
}

/** `depth` is how many agents may stand above one that is handed work. */
export const make = ({ newId, storage }: Needed, depth: number) => {
  const { claims, runs, sessions } = storage
  const chainOf = RunsAbove.above(storage)
  /** One call of a run after the other is counted and accepted. */
  const accepting = new Map<Run["id"], { readonly lock: Effect.Semaphore; users: number }>()

  const inTurn = <A, E, R>({ id }: Run, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const turn = accepting.get(id) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        turn.users++
        accepting.set(id, turn)
        return turn
      }),
      ({ lock }) => lock.withPermits(1)(work),
      (turn) =>
        Effect.sync(() => {
          if (--turn.users === 0) accepting.delete(id)
        })
    )

  const claimId = (run: Run, call: string) => `delegation ${run.id} ${call}`

  /** What this very call has handed over before. */
  const before = (run: Run, call: string) =>
    Effect.map(
      Effect.option(claims.get(run.user_id, claimId(run, call))),
      (claim) => Option.getOrUndefined(Option.flatMap(claim, ({ answer }) => decodeAccepted(answer)))
    )

  const check = Effect.fnUntraced(function*(run: Run, target: Agent) {
    const chain = yield* chainOf(run.user_id, run)
    if (chain.length > depth) {
      return yield* new Refused({
        message: `Work is handed on at most ${depth} times, and this was: do it yourself.`
      })
    }
    if (chain.some(({ agent_id }) => agent_id === target.id)) {
      return yield* new Refused({
        message: `The agent '${target.data.name}' waits for this very work: do it yourself, or hand it to another.`
      })
    }
    const { total } = yield* Effect.orDie(
      runs.list(run.user_id, { limit: 1, cursor: undefined }, { source: "agent", source_id: run.id })
    )
    if (total >= maxDelegations) {
      return yield* new Refused({ message: `You have handed over work ${total} times, and may not any more.` })
    }
  })

  const sessionFor = Effect.fnUntraced(
    function*({ session }: ToolCaller, run: Run, call: string, target: Agent, work: Work) {
      const { user_id: owner } = session
      const id = sessionIdOf(run, call)
      const there = yield* Effect.option(sessions.get(owner, id))
      if (Option.isSome(there)) return there.value
      const { chat_model_config, code } = target.data
      const model = chat_model_config ?? (code === undefined ? session.config.chat_model_config : null)
      if (model === null && code === undefined) {
        return yield* new Refused({
          message: `The agent '${target.data.name}' has no model: its user has to choose one.`
        })
      }
      const at = yield* now
      const ids = [id]
      const name = nameOf(work.message)
      const draft = { agent_id: target.id, chat_model_config: model, ...(name !== "" && { name }) }
      // The first id that is asked for is that of the session.
      const made = newSession(draft, owner, at, () => ids.pop() ?? newId.record(Date.parse(at)))
      const mode = modeBelow(session.state.permission_context.mode)
      return yield* sessions.insert(patchSession(made, { permission_mode: mode }, at)).pipe(
        Effect.catchTag("Conflict", () => sessions.get(owner, id)),
        Effect.catchTag("NotFound", () => new Refused({ message: `The agent '${target.data.name}' is gone.` }))
      )
    }
  )

  const send = Effect.fnUntraced(function*(
    hub: Context.Tag.Service<SessionHub>,
    caller: ToolCaller,
    run: Run,
    call: string,
    target: Agent,
    work: Work
  ): Effect.fn.Return<Accepted, Refused | Unavailable> {
    const known = yield* before(run, call)
    if (known !== undefined) return known
    yield* check(run, target)
    const session = yield* sessionFor(caller, run, call, target, work)
    const at = yield* now
    const claimOf = (answer: Accepted): Claim => ({
      id: claimId(run, call),
      user_id: run.user_id,
      created_at: at,
      updated_at: at,
      digest: "",
      answer: JSON.stringify(answer),
      is_sealed: false
    })
    const request: ChatRequest = {
      agent_id: target.id,
      session_id: session.id,
      input: messagesOf(work),
      on_busy: "enqueue",
      tools: []
    }
    const sent = yield* Effect.either(hub.send(run.user_id, request, claimOf, { source: "agent", source_id: run.id }))
    if (Either.isRight(sent)) return sent.right
    // It may have been written all the same, or by another process that does this run's work.
    const written = yield* before(run, call)
    if (written !== undefined) return written
    const { left } = sent
    return left._tag === "Unavailable"
      ? yield* left
      : yield* new Refused({ message: `The work could not be handed to '${target.data.name}': ${left.detail}` })
  })

  return (
    hub: Context.Tag.Service<SessionHub>,
    caller: ToolCaller,
    run: Run,
    call: string,
    target: Agent,
    work: Work
  ) =>
    Effect.retry(inTurn(run, Effect.suspend(() => send(hub, caller, run, call, target, work))), {
      while: ({ _tag }) => _tag === "Unavailable",
      schedule: Schedule.spaced(takeAgain)
    })
}
