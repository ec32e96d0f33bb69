/** An agent's own schedules: it sees those that let this very agent work, and no others. */
import { Effect, Schema } from "effect"
import type { Invalid } from "../../../domain/Errors.ts"
import type { PermissionMode } from "../../../domain/Permission.ts"
import { ScheduleDraft, type ScheduleView } from "../../../domain/Schedule.ts"
import { Schedules } from "../../../services/Schedules.ts"
import { Storage } from "../../../services/Storage.ts"
import type { ToolCaller } from "../../../services/Toolbox.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"

/** Most schedules that an agent may have made and not stopped, so that schedules that make schedules come to an end. */
const maxOwn = 20

/** Schedules that are shown, and looked through for the agent's own. */
const shown = 200

/** Next times that are told. */
const nextTimes = 3

const readOnly = { effect: "read", idempotent: true, onRequest: true } as const
const writing = { effect: "write", idempotent: false, onRequest: true } as const

const refuse = (message: string) => new ToolFailed({ message })

const refused = ({ detail, errors = [] }: Invalid) =>
  refuse(errors.length === 0 ? detail : errors.map(({ message, path }) => `${path}: ${message}`).join("; "))

const gone = (id: string) => refuse(`There is no schedule '${id}' of yours. ScheduleList shows those that there are.`)

/** Nobody watches a fire, so it never goes without asking because a person let this session do so. */
const unattended = (mode: PermissionMode): PermissionMode => mode === "bypass" ? "dont_ask" : mode

const timesOf = ({ data: { cron_expression, interval_seconds, once_at, timezone } }: ScheduleView) =>
  cron_expression !== ""
    ? `${cron_expression} (${timezone})`
    : interval_seconds !== null
    ? `every ${interval_seconds} seconds`
    : `once at ${once_at}`

const line = (view: ScheduleView) =>
  `${view.id} [${view.status}] ${view.data.name}: ${timesOf(view)}${
    view.next_fire_at === null ? "" : `, next ${view.next_fire_at}`
  }`

/** Somebody else's schedule, and that of another agent, is not there. */
const mine = (schedules: typeof Schedules.Service, { agent, session }: ToolCaller, id: string) =>
  schedules.get(session.user_id, id).pipe(
    Effect.filterOrFail(({ agent_id }) => agent_id === agent.id, () => gone(id)),
    Effect.catchTag("NotFound", () => gone(id))
  )

const ofAgent = (schedules: typeof Schedules.Service, { agent, session }: ToolCaller) =>
  Effect.orDie(schedules.list(session.user_id, { limit: shown, cursor: undefined }, { agent_id: agent.id }))

const id = Schema.String.pipe(Schema.maxLength(64))

const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema.annotations({ description }), { exact: true })

const words = (most: number) => Schema.String.pipe(Schema.minLength(1), Schema.maxLength(most))

const draftOf = Schema.decodeUnknown(ScheduleDraft, { errors: "first" })

const create = Effect.map(Effect.all({ schedules: Schedules, storage: Storage }), ({ schedules, storage }) =>
  define({
    ...writing,
    name: "ScheduleCreate",
    description: "Makes a schedule on which you will work by yourself later. Give one of cron_expression, " +
      "interval_seconds and once_at.",
    parameters: Schema.Struct({
      name: words(256).annotations({ description: "A short name that people recognise." }),
      description: words(16 * 1024).annotations({
        description:
          "What you will be told to do then. You will remember nothing of this session, so name all that matters."
      }),
      cron_expression: optional(words(256), "Five fields, or six where the first is seconds: `0 9 * * MON-FRI`."),
      interval_seconds: optional(Schema.Number, "Seconds from one time to the next."),
      once_at: optional(
        words(64),
        "A single time: `2026-12-24T18:00:00Z`, or without Z on the clock of the time zone."
      ),
      timezone: optional(words(64), "An IANA time zone such as Europe/Berlin; UTC when left out."),
      ended_at: optional(words(64), "When it ends."),
      max_fires: optional(Schema.Int, "How many times it fires at most."),
      stateful: optional(
        Schema.Boolean,
        "Whether all its times share one session, so that each remembers those before."
      )
    }),
    run: Effect.fnUntraced(function*(args, caller) {
      const { agent, session } = caller
      const { chat_model_config } = session.config
      if (chat_model_config === null) return yield* refuse("This session has no model that a schedule could use.")
      const draft = yield* draftOf({
        ...args,
        agent_id: agent.id,
        chat_model_config,
        permission_mode: unattended(session.state.permission_context.mode)
      }).pipe(Effect.mapError(({ message }) => refuse(message)))
      const { add, schedule } = yield* schedules.plan(session.user_id, draft, {
        source: "AGENT",
        source_session_id: session.id
      }).pipe(Effect.mapError(refused))
      yield* storage.transaction(Effect.gen(function*() {
        // The agent is locked first: of several calls at once, each counts what those before it have made.
        yield* Effect.catchTag(
          storage.agents.modify(session.user_id, agent.id, (agent) => agent),
          "NotFound",
          () => refuse("The agent is gone.")
        )
        const { items } = yield* ofAgent(schedules, caller)
        const own = items.filter(({ data, status }) => data.source === "AGENT" && status === "active")
        if (own.length >= maxOwn) {
          return yield* refuse(`You have ${own.length} schedules that you made. Stop some with ScheduleStop first.`)
        }
        yield* Effect.mapError(add, ({ detail }) => refuse(detail))
      }))
      const view = yield* mine(schedules, caller, schedule.id)
      return `The schedule is made: ${line(view)}`
    })
  }))

const list = Effect.map(Schedules, (schedules) =>
  define({
    ...readOnly,
    name: "ScheduleList",
    description: "Lists the schedules on which you work by yourself.",
    parameters: Schema.Struct({}),
    run: (_, caller) =>
      Effect.map(ofAgent(schedules, caller), ({ items, total }) =>
        items.length === 0
          ? "There are no schedules."
          : [...items.map(line), ...total > items.length ? [`and ${total - items.length} more`] : []].join("\n"))
  }))

const view = Effect.map(Schedules, (schedules) =>
  define({
    ...readOnly,
    name: "ScheduleView",
    description: "Shows one of your schedules: what it tells you to do, and its next times.",
    parameters: Schema.Struct({ schedule_id: id }),
    run: Effect.fnUntraced(function*({ schedule_id }, caller) {
      const view = yield* mine(schedules, caller, schedule_id)
      const { next } = yield* Effect.catchTag(
        schedules.next(caller.session.user_id, schedule_id, nextTimes),
        "NotFound",
        () => gone(schedule_id)
      )
      return [
        line(view),
        ...view.status_reason === null ? [] : [view.status_reason],
        `Fired ${view.fire_count} times, last ${view.last_fire_at ?? "never"}.`,
        ...next.length === 0 ? [] : [`Next: ${next.map(({ local }) => local).join(", ")}`],
        "",
        view.data.input ?? view.data.description
      ].join("\n")
    })
  }))

const stop = Effect.map(Schedules, (schedules) =>
  define({
    ...writing,
    idempotent: true,
    name: "ScheduleStop",
    description: "Stops one of your schedules. A person can let it go on.",
    parameters: Schema.Struct({ schedule_id: id }),
    run: Effect.fnUntraced(function*({ schedule_id }, caller) {
      yield* mine(schedules, caller, schedule_id)
      const stopped = yield* schedules.change(caller.session.user_id, schedule_id, { enabled: false }).pipe(
        Effect.catchTags({
          NotFound: () => gone(schedule_id),
          Conflict: ({ detail }) => refuse(detail),
          Invalid: refused
        })
      )
      return `The schedule is stopped: ${line(stopped)}`
    })
  }))

/** One effect for each tool. */
export const schedules = [create, list, view, stop] as const
