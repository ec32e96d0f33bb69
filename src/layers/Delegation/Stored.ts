/** Delegation over runs: each work that is handed over is a run of its own, whose source is the run that has handed it over. */
import { Clock, Deferred, Duration, Effect, Layer, Option } from "effect"
import { maxReturned } from "../../domain/Delegation.ts"
import type { Message } from "../../domain/Message.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import type { Settings } from "../../domain/Settings.ts"
import { Catalog } from "../../services/Catalog.ts"
import { Delegation, type Returned } from "../../services/Delegation.ts"
import { NewId } from "../../services/NewId.ts"
import { OwnAgents } from "../../services/OwnAgents.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import type { ToolCaller } from "../../services/Toolbox.ts"
import * as Delegates from "./Delegates.ts"
import * as Handing from "./Handing.ts"
import { Refused } from "./Refused.ts"

/** The part of a tool's time for which it waits: the rest is for telling what came of it. */
const share = 0.9

/** How often it is looked whether the other agent has a question for a person. */
const lookEvery = Duration.seconds(2)

const failed = (text: string): Returned => ({ text, isFailed: true })
const succeeded = (text: string): Returned => ({ text, isFailed: false })

const cut = (text: string) =>
  text.length <= maxReturned ? text : `${text.slice(0, maxReturned).replace(/[\uD800-\uDBFF]$/, "")}\n[truncated]`

const laterBy = ({ id }: Run) => `Call this tool again with execution_id ${id} to wait on for what comes of it.`

const waiting = (name: string, run: Run, what: string) =>
  succeeded(
    `The agent '${name}' is not done: it waits for ${what}, in its session ${run.session_id}. Tell the user. ${
      laterBy(run)
    }`
  )

const paragraphs = ({ content }: Message) =>
  content.flatMap((block) => block.type === "text" && block.text !== "" ? [block.text] : []).join("\n\n")

const returned = (name: string, run: Run, reply: Message): Returned => {
  if (run.status === "awaiting_permission") return waiting(name, run, "a person's permission")
  if (run.status === "awaiting_external_result") return waiting(name, run, "a result from its client")
  if (run.error !== null) return failed(`Error: Delegation to '${name}' failed: ${run.error.message}`)
  if (run.finished_reason === "interrupted") return failed(`Error: Delegation to '${name}' was cancelled.`)
  const text = cut(paragraphs(reply))
  if (run.finished_reason === "exceed_max_iters") {
    return failed(`${text}\n[The agent '${name}' has come to no end within its rounds.]`.trim())
  }
  return succeeded(text === "" ? `The agent '${name}' is done and has said nothing.` : text)
}

export type Options = Pick<Settings, "delegation_depth" | "tool_seconds">

export const make = Effect.fnUntraced(function*({ delegation_depth, tool_seconds }: Options) {
  const storage = yield* Storage
  const needed = { storage, catalog: yield* Catalog, ownAgents: yield* OwnAgents, newId: yield* NewId }
  const hubLater = yield* Deferred.make<typeof SessionHub.Service>()
  const { delegates, find } = Delegates.make(needed)
  const handOver = Handing.make(needed, delegation_depth)
  const patience = Duration.seconds(tool_seconds * share)

  /** Completes when the session has a question that a person has to answer. */
  const asked = ({ id, user_id }: Session) =>
    Effect.orDie(
      storage.elicitations.list(user_id, { limit: 1, cursor: undefined }, { session_id: id, status: "open" })
    ).pipe(
      Effect.delay(lookEvery),
      Effect.repeat({ until: ({ items }) => items.length > 0 }),
      Effect.as("a person's answer" as const)
    )

  const waitFor = Effect.fnUntraced(function*(run: Run, after: number, time: Duration.Duration) {
    const hub = yield* Deferred.await(hubLater)
    const { user_id: owner } = run
    const session = yield* Effect.option(storage.sessions.get(owner, run.session_id))
    const agent = yield* Effect.option(storage.agents.get(owner, run.agent_id))
    const name = Option.match(agent, { onNone: () => run.agent_id as string, onSome: ({ data }) => data.name })
    if (Option.isNone(session)) return failed(`Error: Delegation to '${name}' failed: its session was deleted.`)
    const came = yield* Effect.raceFirst(hub.reply(session.value, run.id, after), asked(session.value)).pipe(
      Effect.timeoutOption(time)
    )
    const last = Option.getOrElse(yield* Effect.option(storage.runs.get(owner, run.id)), () => run)
    if (Option.isNone(came)) {
      return succeeded(`The agent '${name}' still works, as execution ${run.id}. ${laterBy(last)}`)
    }
    return typeof came.value === "string" ? waiting(name, last, came.value) : returned(name, last, came.value)
  })

  /** The time that is left of a call that has begun at that time. */
  const leftSince = (began: number) =>
    Effect.map(Clock.currentTimeMillis, (millis) => Duration.subtract(patience, Duration.millis(millis - began)))

  const safely = (work: Effect.Effect<Returned, Refused>) =>
    Effect.catchTag(work, "Refused", ({ message }) => Effect.succeed(failed(`Error: ${message}`)))

  /** Another session's work is not there. */
  const mine = Effect.fnUntraced(function*({ session }: ToolCaller, id: string) {
    const gone = new Refused({ message: `There is no execution '${id.slice(0, 64)}' that you have handed over.` })
    const run = yield* Effect.mapError(storage.runs.get(session.user_id, id), () => gone)
    if (run.source !== "agent" || run.source_id === null) return yield* gone
    const parent = yield* Effect.mapError(storage.runs.get(session.user_id, run.source_id), () => gone)
    return parent.session_id === session.id ? run : yield* gone
  })

  return Delegation.of({
    delegates,
    hand: (caller, call, work) =>
      safely(Effect.gen(function*() {
        const { run } = caller
        if (run === undefined) return yield* new Refused({ message: "Work can be handed over by a run alone." })
        const began = yield* Clock.currentTimeMillis
        const target = yield* find(caller, work.agent_id)
        const hub = yield* Deferred.await(hubLater)
        const accepted = yield* handOver(hub, caller, run, call, target, work).pipe(
          Effect.timeoutFail({
            duration: patience,
            onTimeout: () => new Refused({ message: "The server takes no work now. Try again later." })
          }),
          Effect.catchTag("Unavailable", ({ detail }) => new Refused({ message: detail }))
        )
        const handed = yield* Effect.option(storage.runs.get(caller.session.user_id, accepted.run_id))
        if (Option.isNone(handed)) return yield* new Refused({ message: "What was handed over has been deleted." })
        return yield* waitFor(handed.value, accepted.seq, yield* leftSince(began))
      })),
    wait: (caller, execution) =>
      safely(Effect.flatMap(mine(caller, execution), (run) => waitFor(run, (run.first_seq ?? 1) - 1, patience))),
    through: (hub) => Effect.asVoid(Deferred.succeed(hubLater, hub))
  })
})

export const layerWith = (options: Options): Layer.Layer<Delegation, never, Catalog | OwnAgents | Storage> =>
  Layer.effect(Delegation, make(options))

/** Tells it of the hub that stands on it. */
export const bound: Layer.Layer<never, never, Delegation | SessionHub> = Layer.effectDiscard(
  Effect.flatMap(Effect.all([Delegation, SessionHub]), ([{ through }, hub]) => through(hub))
)
