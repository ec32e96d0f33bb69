/** Schedules as this protocol shows them: those of definitions, which are its workspace, and all that were made by somebody. */
import { Clock, Effect, Option } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Conflict, Malformed, NotFound } from "../../../domain/Errors.ts"
import { partsOf, withInput } from "../../../domain/FireInput.ts"
import type { FireId, UserId } from "../../../domain/Ids.ts"
import { maxLimit } from "../../../domain/Page.ts"
import type { Schedule, ScheduleView } from "../../../domain/Schedule.ts"
import { Scheduler } from "../../../services/Scheduler.ts"
import { Storage } from "../../../services/Storage.ts"
import { noModel } from "../Sessions.ts"
import type { Agents } from "./Agents.ts"
import type { ScheduleRequest } from "./Requests.ts"

/** How long a trigger waits for the execution to begin, and how often it looks. */
const patience = 5_000
const lookEvery = "50 millis"

const notFound = (id: string) => NotFound.of("Schedule", id.slice(0, 128))

const taken = (name: string) =>
  new Conflict({ code: "schedule_conflict", detail: `The agent has a schedule '${name}' already.` })

/** Longest message with its input as JSON, in characters: as long as that of every other schedule. */
const maxInput = 64 * 1024

/** A schedule of a definition is called as there: what it is called elsewhere says nothing. */
const nameOf = ({ data: { definition, name }, id }: Schedule): string =>
  definition === undefined ? id : `${definition.agent}:${name}`

/** What is defined no more is shown elsewhere, where its history is. */
const isThere = ({ data }: Schedule) => data.definition?.is_gone !== true

const infoOf = (schedule: ScheduleView) => {
  const { agent_id, created_at, data, last_fire_at, next_fire_at } = schedule
  return {
    id: nameOf(schedule),
    agent_id,
    name: data.name,
    cron_expr: data.cron_expression,
    enabled: data.enabled,
    timezone: data.timezone,
    source: data.definition === undefined ? "admin" as const : "workspace" as const,
    next_run_at: next_fire_at,
    last_run_at: last_fire_at,
    created_at
  }
}

export const make = (agents: Agents) =>
  Effect.gen(function*() {
    const scheduler = yield* Scheduler
    const { fires, schedules } = yield* Storage

    /** The id of what a path names. */
    const idOf = (owner: UserId, named: string): string => {
      const [, agent, name] = /^([^:]{1,64}):([^:]{1,128})$/.exec(named) ?? []
      return agent === undefined || name === undefined ? named : scheduler.defined(owner, agent, name)
    }

    const mine = (owner: UserId, id: string) =>
      scheduler.get(owner, idOf(owner, id)).pipe(
        Effect.filterOrFail(isThere),
        Effect.mapError(() => notFound(id))
      )

    /** Whether another schedule of the agent is called so. */
    const isTaken = (owner: UserId, agent_id: string, name: string, own?: string) =>
      Effect.map(
        Effect.orDie(schedules.list(owner, { limit: maxLimit, cursor: undefined }, { agent_id })),
        ({ items }) => items.some(({ data, id }) => data.name === name && id !== own)
      )

    /** Names of schedules that this process is making. */
    const making = new Set<string>()

    /** One after the other would wait: the second of two that are made at once is refused. */
    const alone = <A, E, R>(key: string, name: string, work: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | Conflict, R> => {
        if (making.has(key)) return taken(name)
        making.add(key)
        return Effect.ensuring(work, Effect.sync(() => making.delete(key)))
      })

    /** The run of a fire as soon as it has one; none where it waits for another, or is left out because of it. */
    const begun = Effect.fnUntraced(function*(owner: UserId, fire: FireId) {
      const until = (yield* Clock.currentTimeMillis) + patience
      while (true) {
        const now = yield* Effect.option(fires.get(owner, fire))
        const found = Option.getOrUndefined(now)
        if (found === undefined || found.run_id !== null) return found?.run_id ?? null
        if (found.status !== "pending" || (yield* Clock.currentTimeMillis) >= until) return null
        yield* Effect.sleep(lookEvery)
      }
    })

    const created = Effect.fnUntraced(function*(owner: UserId, agent: Agent, request: ScheduleRequest) {
      const { chat_model_config } = agent.data
      if (chat_model_config === null && agent.data.code === undefined) return yield* noModel(agent)
      if (yield* isTaken(owner, agent.id, request.name)) return yield* taken(request.name)
      const input = withInput(request.message, request.input)
      if ((input ?? request.message).length > maxInput) {
        return yield* new Malformed({
          code: "schedule_validation_error",
          detail: `The message and the input have more than ${maxInput} characters together.`
        })
      }
      const planned = scheduler.plan(owner, {
        name: request.name,
        description: request.message,
        agent_id: agent.id,
        enabled: request.enabled,
        cron_expression: request.cron_expr,
        timezone: request.timezone,
        jitter_seconds: 0,
        overlap: "skip",
        missed: "once",
        missed_grace_seconds: 3_600,
        missed_limit: 1,
        chat_model_config,
        stateful: false,
        permission_mode: "dont_ask",
        instructions: request.instructions ?? "",
        input,
        keep_sessions: 100
      })
      const { add, schedule } = yield* Effect.catchTag(planned, "Invalid", ({ detail, errors }) =>
        new Malformed({
          code: "schedule_validation_error",
          detail: [detail, ...errors?.map(({ message }) => message) ?? []].join(" "),
          errors
        }))
      yield* Effect.uninterruptible(
        Effect.gen(function*() {
          yield* add
          // Another process may have made one at the same moment: then neither stays, and whoever asks again has it.
          if (!(yield* isTaken(owner, agent.id, request.name, schedule.id))) return
          yield* Effect.orDie(scheduler.remove(owner, schedule.id))
          return yield* taken(request.name)
        })
      )
      // The loop must not sleep beyond the first time of a schedule that it has not seen.
      yield* scheduler.wake
      return { status: "created" as const, schedule_id: schedule.id }
    })

    const enable = (owner: UserId, id: string, enabled: boolean) =>
      Effect.flatMap(mine(owner, id), (schedule) => scheduler.change(owner, schedule.id, { enabled }))

    return {
      list: (owner: UserId) =>
        Effect.map(
          Effect.orDie(scheduler.list(owner, { limit: maxLimit, cursor: undefined })),
          ({ items }) => items.filter(isThere).map(infoOf)
        ),
      get: (owner: UserId, id: string) =>
        Effect.map(mine(owner, id), (schedule) => ({
          ...infoOf(schedule),
          instructions: schedule.data.instructions === "" ? null : schedule.data.instructions,
          ...partsOf(schedule.data)
        })),
      create: Effect.fnUntraced(function*(owner: UserId, request: ScheduleRequest) {
        const agent = yield* agents.answering(owner, request.agent_id)
        return yield* alone(`${owner} ${agent.id} ${request.name}`, request.name, created(owner, agent, request))
      }),
      remove: (owner: UserId, id: string) =>
        mine(owner, id).pipe(
          Effect.flatMap((schedule) => scheduler.remove(owner, schedule.id)),
          // The protocol's own status.
          Effect.catchTag("Conflict", ({ code, detail }) => new Malformed({ code, detail })),
          Effect.as({ status: "deleted" as const, schedule_id: id })
        ),
      pause: (owner: UserId, id: string) =>
        Effect.as(enable(owner, id, false), { status: "paused" as const, schedule_id: id }),
      resume: (owner: UserId, id: string) =>
        Effect.as(enable(owner, id, true), { status: "resumed" as const, schedule_id: id }),
      trigger: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const fire = yield* scheduler.trigger(owner, (yield* mine(owner, id)).id)
        yield* scheduler.wake
        return {
          status: "triggered" as const,
          schedule_id: id,
          fire_id: fire.id,
          execution_id: yield* begun(owner, fire.id)
        }
      })
    }
  })
