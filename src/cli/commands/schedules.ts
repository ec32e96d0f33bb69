import { Args, Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { type Fire, FireStatus } from "../../domain/Fire.ts"
import { AgentId, ScheduleId } from "../../domain/Ids.ts"
import { PermissionMode } from "../../domain/Permission.ts"
import {
  Missed,
  type NextFires,
  Overlap,
  ScheduleDraft,
  SchedulePatch,
  type ScheduleView
} from "../../domain/Schedule.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { confirm, decode, idArgument, idsArgument, optionalText, pathId, readText, yes } from "../Inputs.ts"
import { modelName, resolve } from "../Model.ts"
import { type Column, isText, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { dim, Screen } from "../Screen.ts"
import { tableOf } from "../Table.ts"

/** When it fires, as it was chosen. */
const timing = ({ cron_expression, interval_seconds, once_at, timezone }: ScheduleView["data"]) =>
  once_at !== null
    ? `at ${once_at}`
    : interval_seconds !== null
    ? `every ${interval_seconds} s`
    : `${cron_expression} (${timezone})`

const columns: ReadonlyArray<Column<ScheduleView>> = [
  ["id", ({ id }) => id],
  ["status", ({ status }) => status],
  ["name", ({ data }) => data.name],
  ["fires", ({ data }) => timing(data), 1],
  ["next", ({ next_fire_at }) => next_fire_at, 2],
  ["last", ({ last_fire_at }) => last_fire_at, 3]
]

const details: ReadonlyArray<Column<ScheduleView>> = [
  ...columns,
  ["reason", ({ status_reason }) => status_reason],
  ["count", ({ data, fire_count }) => data.max_fires === null ? fire_count : `${fire_count} of ${data.max_fires}`],
  ["agent", ({ agent_id }) => agent_id],
  ["model", ({ data }) => modelName(data.chat_model_config)],
  ["says", ({ data }) => data.input ?? data.description],
  ["instructions", ({ data }) => data.instructions],
  [
    "sessions",
    ({ data }) => data.stateful ? "one for all fires" : `one for each, the newest ${data.keep_sessions} kept`
  ],
  ["permissions", ({ data }) => data.permission_mode],
  ["overlap", ({ data }) => data.overlap],
  ["missed", ({ data }) => data.missed],
  ["from", ({ data }) => data.started_at],
  ["until", ({ data }) => data.ended_at],
  ["created", ({ created_at }) => created_at]
]

const fireColumns: ReadonlyArray<Column<Fire>> = [
  ["id", ({ id }) => id, 1],
  ["slot", ({ slot_at }) => slot_at],
  ["status", ({ status }) => status],
  ["late", ({ lateness_ms }) => lateness_ms === null ? null : `${lateness_ms} ms`, 3],
  ["took", ({ duration_ms }) => duration_ms === null ? null : `${duration_ms} ms`, 4],
  ["run", ({ run_id }) => run_id, 2],
  ["why", ({ error, reason }) => reason ?? error?.message]
]

const common = { ...output, ...connection }
const scheduleId = idArgument("schedule-id", "The schedule's id")
const path = (id: string) => Effect.map(pathId(ScheduleId, "schedule", id), (schedule_id) => ({ schedule_id }))

const units = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const

const isUnit = (text: string): text is keyof typeof units => text in units

/** Seconds: `90`, `90s`, `15m`, `2h`, `1d`. */
const secondsOf = (option: string, text: string) => {
  const [, count, unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)([smhdw])?$/.exec(text) ?? []
  return count === undefined || !isUnit(unit)
    ? Effect.fail(misused(`${option} takes a time such as 30s, 15m, 2h or 1d.`))
    : Effect.succeed(Number(count) * units[unit])
}

const choice = <A extends string>(name: string, literals: ReadonlyArray<A>, description: string) =>
  Options.choice(name, literals).pipe(Options.withDescription(description), Options.optional)

const times = {
  cron: optionalText("cron", "EXPR", "By a cron expression: five fields, six with seconds, or @daily and the like"),
  every: optionalText("every", "TIME", "Again and again after this: 30s, 15m, 2h, 1d"),
  at: optionalText("at", "TIME", "Once: 2026-12-24T18:00:00, on the clock of the zone, or with Z or an offset"),
  timezone: optionalText("timezone", "ZONE", "On whose clock, such as Europe/Athens (default: UTC)"),
  from: optionalText("from", "TIME", "Not before this time"),
  until: optionalText("until", "TIME", "Not from this time on")
}

const about = {
  model: optionalText("model", "PROVIDER:MODEL", "What its sessions talk to, such as demo:demo-chat"),
  credential: optionalText("credential", "ID", "Through which credential (default: the provider's newest)"),
  ...times,
  input: optionalText(
    "input",
    "TEXT",
    "What the agent is told; {{time}}, {{fire_number}}, {{last_outcome}} are filled in"
  ),
  inputFile: optionalText("input-file", "PATH", "The same from a file; - is standard input"),
  instructions: optionalText("instructions", "TEXT", "What is added to the agent's prompt"),
  permissions: choice("permissions", PermissionMode.literals, "Who is asked before a tool with an effect runs"),
  overlap: choice("overlap", Overlap.literals, "While the fire before goes on: wait, leave it out, or stop the other"),
  missed: choice(
    "missed",
    Missed.literals,
    "Fires that the server could not do in time: leave out, the newest, or all"
  ),
  jitter: optionalText("jitter", "TIME", "Late by up to this on purpose, so that not all fire at once"),
  maxFires: Options.integer("max-fires").pipe(
    Options.withPseudoName("N"),
    Options.withDescription("How often before it ends"),
    Options.optional
  ),
  keep: Options.integer("keep-sessions").pipe(
    Options.withPseudoName("N"),
    Options.withDescription("How many of its sessions are kept"),
    Options.optional
  )
}

type About = {
  readonly [K in keyof typeof about]: (typeof about)[K] extends Options.Options<infer A> ? A : never
}

/** The fields that were given. */
const fieldsOf = Effect.fnUntraced(function*(connected: Connection, options: About) {
  if (Option.isSome(options.credential) && Option.isNone(options.model)) {
    return yield* misused("--credential goes with --model.")
  }
  if (Option.isSome(options.input) && Option.isSome(options.inputFile)) {
    return yield* misused("Give --input or --input-file, not both.")
  }
  if ([options.cron, options.every, options.at].filter(Option.isSome).length > 1) {
    return yield* misused("Give one of --cron, --every and --at.")
  }
  const every = yield* Effect.transposeMapOption(options.every, (text) => secondsOf("--every", text))
  const jitter = yield* Effect.transposeMapOption(options.jitter, (text) => secondsOf("--jitter", text))
  const file = yield* Effect.transposeMapOption(options.inputFile, readText)
  const model = yield* Effect.transposeMapOption(options.model, (text) => resolve(connected, text, options.credential))
  return {
    chat_model_config: Option.getOrUndefined(model),
    cron_expression: Option.getOrUndefined(options.cron),
    interval_seconds: Option.getOrUndefined(every),
    once_at: Option.getOrUndefined(options.at),
    timezone: Option.getOrUndefined(options.timezone),
    started_at: Option.getOrUndefined(options.from),
    ended_at: Option.getOrUndefined(options.until),
    input: Option.getOrUndefined(Option.orElse(options.input, () => file)),
    instructions: Option.getOrUndefined(options.instructions),
    permission_mode: Option.getOrUndefined(options.permissions),
    overlap: Option.getOrUndefined(options.overlap),
    missed: Option.getOrUndefined(options.missed),
    jitter_seconds: Option.getOrUndefined(jitter),
    max_fires: Option.getOrUndefined(options.maxFires),
    keep_sessions: Option.getOrUndefined(options.keep)
  }
})

const list = Command.make(
  "list",
  { ...limit, ...common },
  (options) =>
    Effect.flatMap(connect(options), ({ api }) =>
      printAll(
        options.output,
        columns,
        all(options.limit, (urlParams) =>
          Effect.map(api.schedules.list({ urlParams }), ({ next_cursor, schedules }) => ({
            items: schedules,
            next: next_cursor
          })))
      ))
).pipe(Command.withDescription("List your schedules, oldest first"))

const show = Command.make("show", { id: scheduleId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    yield* printRecord(options.output, details, yield* api.schedules.get({ path: yield* path(options.id) }))
  })).pipe(Command.withDescription("Show a schedule"))

const create = Command.make(
  "create",
  {
    name: Args.text({ name: "name" }).pipe(Args.withDescription("What it is called")),
    agent: Options.text("agent").pipe(Options.withPseudoName("ID"), Options.withDescription("Which agent works")),
    ...about,
    stateful: Options.boolean("stateful").pipe(Options.withDescription("One session for all fires")),
    paused: Options.boolean("paused").pipe(Options.withDescription("It does not fire until it is resumed")),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const agent_id = yield* decode(AgentId, options.agent)
      const fields = yield* fieldsOf(connected, options)
      if ([fields.cron_expression, fields.interval_seconds, fields.once_at].every((value) => value === undefined)) {
        return yield* misused("Give one of --cron, --every and --at.")
      }
      const payload = yield* decode(ScheduleDraft, {
        ...fields,
        name: options.name,
        agent_id,
        stateful: options.stateful,
        enabled: !options.paused
      })
      const made = yield* connected.api.schedules.create({ headers: {}, payload })
      yield* print(options.output, made, `${made.schedule_id}\n`)
    })
).pipe(Command.withDescription("Make a schedule, and print its id"))

const edit = Command.make(
  "edit",
  { id: scheduleId, name: optionalText("name", "TEXT", "What it is called"), ...about, ...common },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const fields = { name: Option.getOrUndefined(options.name), ...yield* fieldsOf(connected, options) }
      if (Object.values(fields).every((value) => value === undefined)) {
        return yield* misused("Nothing to change: stoa schedules edit --help tells what can be.")
      }
      const payload = yield* decode(SchedulePatch, fields)
      const changed = yield* connected.api.schedules.update({ path: yield* path(options.id), payload })
      yield* printRecord(options.output, details, changed)
    })
).pipe(Command.withDescription("Change a schedule"))

/** A command that does the same with each of the schedules that are named. */
const withEach = (name: "pause" | "resume", description: string) =>
  Command.make(
    name,
    { ids: idsArgument("schedule-id", "The schedules' ids"), ...connection },
    (options) =>
      Effect.gen(function*() {
        const { api } = yield* connect(options)
        const paths = yield* Effect.forEach(options.ids, path)
        yield* Effect.forEach(paths, (path) => api.schedules[name]({ path }), { discard: true })
      })
  ).pipe(Command.withDescription(description))

const pause = withEach("pause", "Let schedules fire no more until they are resumed; what runs goes on")
const resume = withEach("resume", "Let schedules fire again, from their next time on")

const trigger = Command.make("trigger", { id: scheduleId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const headers = { "idempotency-key": crypto.randomUUID() }
    const triggered = yield* api.schedules.trigger({ path: yield* path(options.id), headers })
    yield* print(options.output, triggered, `${triggered.fire_id}\n`)
  })).pipe(Command.withDescription("Let a schedule fire now, and print the fire's id"))

const remove = Command.make(
  "delete",
  { ids: idsArgument("schedule-id", "The schedules' ids"), ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* confirm(`Delete ${options.ids.join(", ")}, with the sessions that they made?`, options.yes)
      yield* Effect.forEach(paths, (path) => api.schedules.remove({ path }), { discard: true })
    })
).pipe(Command.withDescription("Delete schedules, with the sessions that they made"))

const nextColumns: ReadonlyArray<Column<NextFires["next"][number]>> = [
  ["utc", ({ at }) => at],
  ["local", ({ local }) => local]
]

const next = Command.make(
  "next",
  {
    id: Args.text({ name: "schedule-id" }).pipe(
      Args.withDescription("The schedule's id; without one, when these options would fire"),
      Args.optional
    ),
    count: Options.integer("count").pipe(
      Options.withPseudoName("N"),
      Options.withDescription("How many"),
      Options.withDefault(10)
    ),
    ...times,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const screen = yield* Screen
      const given = [options.cron, options.every, options.at, options.timezone, options.from, options.until]
      if (Option.isSome(options.id) && given.some(Option.isSome)) {
        return yield* misused("Give a schedule's id, or the times of a schedule to be: not both.")
      }
      const every = yield* Effect.transposeMapOption(options.every, (text) => secondsOf("--every", text))
      const found = Option.isSome(options.id)
        ? yield* api.schedules.next({ path: yield* path(options.id.value), urlParams: { count: options.count } })
        : yield* api.schedules.preview({
          urlParams: {
            count: options.count,
            timezone: Option.getOrElse(options.timezone, () => "UTC"),
            cron_expression: Option.getOrUndefined(options.cron),
            interval_seconds: Option.getOrUndefined(every),
            once_at: Option.getOrUndefined(options.at),
            started_at: Option.getOrUndefined(options.from),
            ended_at: Option.getOrUndefined(options.until)
          }
        })
      const { text } = tableOf(nextColumns, found.next, { hasColour: screen.hasColour.out, width: Option.none() })
      yield* print(options.output, found, found.next.length === 0 ? "" : text)
      if (!isText(options.output)) return
      if (found.next.length === 0) yield* screen.err("It does not fire any more.\n")
      for (const { text } of found.clock_changes) yield* screen.err(dim(`${text}\n`, screen.hasColour.err))
    })
).pipe(Command.withDescription("Say when a schedule fires next, or would"))

const fires = Command.make(
  "fires",
  {
    id: scheduleId,
    status: choice("status", FireStatus.literals, "Only those that are at this"),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const where = yield* path(options.id)
      const status = Option.isSome(options.status) ? { status: options.status.value } : {}
      yield* printAll(
        options.output,
        fireColumns,
        all(options.limit, (params) =>
          Effect.map(
            api.schedules.fires({ path: where, urlParams: { ...params, ...status } }),
            ({ fires, next_cursor }) => ({ items: fires, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("List what became of a schedule's fires, newest first"))

export const schedules = Command.make("schedules").pipe(
  Command.withDescription("When agents work on their own, and what came of it"),
  Command.withSubcommands([list, show, create, edit, pause, resume, trigger, next, fires, remove])
)
