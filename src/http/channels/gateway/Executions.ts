/** Executions are runs as this protocol shows them, whatever has started them. */
import { Effect } from "effect"
import { part } from "../../../domain/Delegation.ts"
import { Conflict, NotFound } from "../../../domain/Errors.ts"
import type { SessionId, UserId } from "../../../domain/Ids.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { cursorAfter } from "../../../domain/Page.ts"
import type { Run } from "../../../domain/Run.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import type { Policy } from "../Channel.ts"
import { isFailure } from "../Failures.ts"
import * as Follow from "../Follow.ts"
import * as Attempts from "./Attempts.ts"
import { Turn } from "./Encode.ts"
import type { Execution, ExecutionStatus } from "./Shapes.ts"
import * as Tree from "./Tree.ts"
import * as Usage from "./Usage.ts"

/** A client that leaves finds its execution again by its id; whoever may have to allow something cannot be asked. */
export const policy: Policy = { leaving: "goes on", approval: "refused", end: "" }

/** What has ended asks nobody any more, and there is nothing left to stop. */
const past: Policy = { ...policy, approval: "shown" }

/** Most times that one run is read on behind a wait of it. */
const maxWaits = 1_000

/** Executions whose records are read side by side. */
const concurrency = 4

const notFound = (id: string) =>
  new NotFound({ code: "execution_not_found", detail: `Execution '${id.slice(0, 128)}' not found.` })

export const statusOf = ({ error, finished_reason, status }: Run): ExecutionStatus => {
  if (status === "queued") return "queued"
  if (status !== "ended") return "running"
  if (finished_reason === "interrupted") return "cancelled"
  if (error?.code === "run_timeout") return "timeout"
  return finished_reason === "completed" && error === null ? "completed" : "failed"
}

/** What was sent, as it was given. */
const sentIn = ({ input }: Run) => {
  const given = input.find(({ metadata }) => metadata[part] === "input")?.metadata["input"]
  const said = input.findLast(({ metadata, role }) => role === "user" && metadata[part] !== "input")
  return { message: said === undefined ? "" : textOf(said.content), input: isObject(given) ? given : {} }
}

const waitingFor = ({ status }: Run) =>
  status === "awaiting_permission"
    ? "permission" as const
    : status === "awaiting_external_result"
    ? "external_result" as const
    : null

const endless = "The agent has come to no end within its rounds."

const errorOf = ({ error, finished_reason }: Run) =>
  error?.message ?? (finished_reason === "exceed_max_iters" ? endless : null)

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { agents, runs, sessions } = yield* Storage
  const follow = yield* Follow.make
  const usageOf = yield* Usage.make
  const attempts = yield* Attempts.make
  const tree = yield* Tree.make(attempts)

  const mine = (owner: UserId, id: string) => Effect.mapError(runs.get(owner, id), () => notFound(id))

  /** Of every attempt: what failed has cost something too. */
  const usageOfAll = Effect.fnUntraced(function*(first: Run, newest: Run, called: number | null) {
    const own = yield* usageOf(newest, called)
    const others = (yield* attempts.all(first)).filter(({ id }) => id !== newest.id)
    const spent = yield* Effect.forEach(others, (run) => usageOf(run, 0))
    return spent.reduceRight((sum, one) => Usage.add(one, sum), own)
  })

  const shown = Effect.fnUntraced(function*(first: Run, turn?: Turn, attempt?: Attempts.Attempt) {
    const { isCancelled, isPending, run } = attempt ?? (yield* attempts.of(first))
    const parents = yield* tree.above(first)
    const execution: Execution = {
      execution_id: first.id,
      agent_id: run.agent_id,
      status: isPending ? "queued" : isCancelled ? "cancelled" : statusOf(run),
      ...sentIn(run),
      result: turn?.result() ?? null,
      error: turn?.error ?? errorOf(run),
      usage: yield* usageOfAll(first, run, turn?.called ?? null),
      session_id: run.session_id,
      parent_execution_id: parents[0]?.id ?? null,
      root_execution_id: parents.at(-1)?.id ?? first.id,
      delegation_depth: parents.length,
      source: run.source,
      waiting_for: waitingFor(run),
      retried_from: first.retried_from ?? null,
      started_at: first.started_at,
      completed_at: isPending ? null : run.ended_at,
      created_at: first.created_at
    }
    return execution
  })

  /** Goes through the run to its end, or until it waits. A run that failed is told by the result. */
  const through = Effect.fnUntraced(function*(run: Run, after: number, how = policy, turn?: Turn) {
    const session = yield* sessions.get(run.user_id, run.session_id)
    const encoder = turn ?? new Turn(run.id, session.id)
    const accepted = { session_id: session.id, run_id: run.id, seq: after }
    yield* Effect.catchIf(
      follow.whole({ session, accepted, encoder, policy: how, isKept: true }),
      isFailure,
      (problem) => Effect.sync(() => encoder.fail(problem))
    )
    return encoder
  })

  /** Reads on where the run has waited for somebody: a stream of it ends there too. */
  const whole = Effect.fnUntraced(function*(run: Run, first_seq: number) {
    const session = yield* sessions.get(run.user_id, run.session_id)
    let turn = yield* through(run, first_seq - 1, past)
    let end = yield* hub.endAfter(session, run.id, first_seq - 1)
    for (let waits = 0; end !== undefined && waits < maxWaits; waits++) {
      const next = yield* hub.endAfter(session, run.id, end)
      if (next === undefined) break
      turn = yield* through(run, end, past, turn)
      end = next
    }
    return turn
  })

  /** What an ended run came to, from its own log; undefined where that is not kept any more, and where it never began. */
  const resultOf = (run: Run) =>
    run.status !== "ended" || run.first_seq === null
      ? Effect.succeed(undefined)
      : Effect.catchTag(whole(run, run.first_seq), "Gone", () => Effect.succeed(undefined))

  const list = Effect.fnUntraced(function*(
    owner: UserId,
    query: {
      readonly agent_id?: string | undefined
      readonly session_id?: string | undefined
      readonly root_execution_id?: string | undefined
      readonly before?: string | undefined
      readonly limit: number
    }
  ) {
    const { agent_id, before, limit, root_execution_id, session_id } = query
    const where = { ...(agent_id !== undefined && { agent_id }), ...(session_id !== undefined && { session_id }) }
    if (root_execution_id === undefined) {
      const { items } = yield* Effect.orDie(
        runs.list(owner, { limit, cursor: before && cursorAfter(before) }, where, "newest")
      )
      return yield* Effect.forEach(items, (run) => shown(run), { concurrency })
    }
    const root = yield* Effect.option(runs.get(owner, root_execution_id))
    if (root._tag === "None") return []
    const wanted = (yield* tree.below(root.value)).filter((run) =>
      (agent_id === undefined || run.agent_id === agent_id) &&
      (session_id === undefined || run.session_id === session_id) &&
      (before === undefined || run.id < before)
    )
    return yield* Effect.forEach(wanted.toReversed().slice(0, limit), (run) => shown(run), { concurrency })
  })

  const workflow = Effect.fnUntraced(function*(owner: UserId, id: string) {
    const run = yield* mine(owner, id)
    const nodes = yield* Effect.forEach(yield* tree.below(yield* tree.rootOf(run)), (node) => shown(node), {
      concurrency
    })
    return Tree.summed(nodes)
  })

  const turnsIn = (owner: UserId, session_id: SessionId) =>
    Effect.map(
      Effect.orDie(runs.list(owner, { limit: 1, cursor: undefined }, { session_id }, "newest")),
      ({ total }) => total
    )

  return {
    mine,
    agentOf: (owner: UserId, id: string) => agents.get(owner, id),
    list,
    workflow,
    through,
    usageOf,
    turnsIn,
    get: Effect.fnUntraced(function*(owner: UserId, id: string) {
      const first = yield* mine(owner, id)
      const attempt = yield* attempts.of(first)
      return yield* shown(first, attempt.isPending ? undefined : yield* resultOf(attempt.run), attempt)
    }),
    cancel: Effect.fnUntraced(function*(owner: UserId, id: string) {
      const first = yield* mine(owner, id)
      const before = yield* attempts.of(first)
      const done = { execution_id: first.id, status: "cancelled" as const }
      if (before.isPending && (yield* attempts.forbid(before.run))) return done
      // It may have been sent again just now.
      const { isCancelled, run } = before.isPending ? yield* attempts.of(first) : before
      const ended = (what: string, { status }: { readonly status: ExecutionStatus }) =>
        new Conflict({ code: "invalid_state", detail: `The execution has ended${what}: it is ${status}.` })
      if (run.status === "ended") {
        return yield* ended("", { status: isCancelled ? "cancelled" : statusOf(run) })
      }
      const session = yield* sessions.get(owner, run.session_id)
      // When this returns, its end is durable: its own, if it was quicker than the stop.
      yield* hub.cancel(session, run.id)
      const now = yield* mine(owner, run.id)
      // It has failed just then, and would be sent again.
      if ((yield* attempts.of(now)).isPending && (yield* attempts.forbid(now))) return done
      return statusOf(now) === "cancelled"
        ? done
        : yield* ended(" before it could be cancelled", { status: statusOf(now) })
    })
  }
})
