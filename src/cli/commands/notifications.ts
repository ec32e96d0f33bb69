import { Args, Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { DeliveryId, NotificationId } from "../../domain/Ids.ts"
import {
  type DeliveryRecord,
  DeliveryStatus,
  NotificationDraft,
  NotificationEvent,
  NotificationKind,
  NotificationPatch,
  type NotificationRecord
} from "../../domain/Notification.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { confirm, decode, idArgument, idsArgument, optionalText, pathId, yes } from "../Inputs.ts"
import { type Column, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const columns: ReadonlyArray<Column<NotificationRecord>> = [
  ["id", ({ id }) => id],
  ["kind", ({ kind }) => kind],
  ["name", ({ name }) => name],
  ["to", ({ target }) => target],
  ["on", ({ enabled }) => enabled],
  ["events", ({ events }) => events.join(" "), 1]
]

const details: ReadonlyArray<Column<NotificationRecord>> = [
  ...columns,
  ["off because", ({ disabled_reason }) => disabled_reason],
  ["agent", ({ agent_id }) => agent_id],
  ["schedule", ({ schedule_id }) => schedule_id],
  ["session", ({ session_id }) => session_id],
  ["template", ({ template }) => template],
  ["created", ({ created_at }) => created_at]
]

const deliveryColumns: ReadonlyArray<Column<DeliveryRecord>> = [
  ["id", ({ id }) => id],
  ["event", ({ event }) => event],
  ["status", ({ status }) => status],
  ["attempts", ({ attempts }) => attempts.length],
  ["next", ({ next_attempt_at }) => next_attempt_at, 3],
  ["run", ({ run_id }) => run_id, 2],
  ["why", ({ attempts }) => attempts.at(-1)?.error, 1]
]

const common = { ...output, ...connection }
const id = idArgument("notification-id", "The notification's id")
const path = (id: string) =>
  Effect.map(pathId(NotificationId, "notification", id), (notification_id) => ({ notification_id }))

const about = {
  url: optionalText("url", "URL", "Where a webhook or Slack is told"),
  to: optionalText("to", "ADDRESS", "Who gets the e-mail"),
  secret: optionalText("secret", "SECRET", "What a webhook is signed with: whsec_… (default: a fresh one)"),
  events: Options.choice("event", NotificationEvent.literals).pipe(
    Options.withDescription("What is told of, several times for several (default: all but what somebody stopped)"),
    Options.repeated
  ),
  agent: optionalText("agent", "ID", "Only runs of this agent"),
  schedule: optionalText("schedule", "ID", "Only runs of this schedule"),
  session: optionalText("session", "ID", "Only runs of this session"),
  template: optionalText("template", "TEXT", "What it says, such as '{{agent_name}} {{outcome}}: {{reply}}'")
}

type About = {
  readonly [K in keyof typeof about]: (typeof about)[K] extends Options.Options<infer A> ? A : never
}

const fieldsOf = (options: About) => ({
  url: Option.getOrUndefined(options.url),
  to: Option.getOrUndefined(options.to),
  secret: Option.getOrUndefined(options.secret),
  events: options.events.length === 0 ? undefined : options.events,
  agent_id: Option.getOrUndefined(options.agent),
  schedule_id: Option.getOrUndefined(options.schedule),
  session_id: Option.getOrUndefined(options.session),
  template: Option.getOrUndefined(options.template)
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
          Effect.map(api.notifications.list({ urlParams }), ({ next_cursor, notifications }) => ({
            items: notifications,
            next: next_cursor
          })))
      ))
).pipe(Command.withDescription("List your notifications, oldest first"))

const show = Command.make("show", { id, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    yield* printRecord(options.output, details, yield* api.notifications.get({ path: yield* path(options.id) }))
  })).pipe(Command.withDescription("Show a notification"))

const create = Command.make(
  "create",
  {
    name: Args.text({ name: "name" }).pipe(Args.withDescription("What it is called")),
    kind: Options.choice("kind", NotificationKind.literals).pipe(Options.withDescription("How one is told")),
    ...about,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const payload = yield* decode(NotificationDraft, {
        name: options.name,
        kind: options.kind,
        ...fieldsOf(options)
      })
      const headers = { "idempotency-key": crypto.randomUUID() }
      const made = yield* api.notifications.create({ headers, payload })
      const secret = made.secret === null ? "" : `${made.secret}\n`
      yield* print(options.output, made, `${made.notification_id}\n${secret}`)
    })
).pipe(Command.withDescription("Make a notification; prints its id, and a webhook's fresh secret, which is shown once"))

const edit = Command.make(
  "edit",
  { id, name: optionalText("name", "TEXT", "What it is called"), ...about, ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const fields = { name: Option.getOrUndefined(options.name), ...fieldsOf(options) }
      if (Object.values(fields).every((value) => value === undefined)) {
        return yield* misused("Nothing to change: stoa notifications edit --help tells what can be.")
      }
      const payload = yield* decode(NotificationPatch, fields)
      yield* printRecord(
        options.output,
        details,
        yield* api.notifications.update({ path: yield* path(options.id), payload })
      )
    })
).pipe(Command.withDescription("Change a notification"))

/** A command that switches each of the notifications that are named. */
const switching = (name: string, enabled: boolean, description: string) =>
  Command.make(
    name,
    { ids: idsArgument("notification-id", "The notifications' ids"), ...connection },
    (options) =>
      Effect.gen(function*() {
        const { api } = yield* connect(options)
        const paths = yield* Effect.forEach(options.ids, path)
        yield* Effect.forEach(paths, (path) => api.notifications.update({ path, payload: { enabled } }), {
          discard: true
        })
      })
  ).pipe(Command.withDescription(description))

const remove = Command.make(
  "delete",
  { ids: idsArgument("notification-id", "The notifications' ids"), ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* confirm(`Delete ${options.ids.join(", ")}, with the messages that wait?`, options.yes)
      yield* Effect.forEach(paths, (path) => api.notifications.remove({ path }), { discard: true })
    })
).pipe(Command.withDescription("Delete notifications, with their messages"))

/** How often, and how long, a test is looked at. */
const lookEvery = "250 millis"
const maxLooks = 80

const deliveryOf = Effect.fnUntraced(function*(
  { api }: Connection,
  notification: { readonly notification_id: NotificationId },
  id: DeliveryId
) {
  const found = yield* api.notifications.deliveries({ path: notification, urlParams: { limit: 100 } })
  return found.deliveries.find((delivery) => delivery.id === id)
})

const test = Command.make("test", { id, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const notification = yield* path(options.id)
    const { delivery_id } = yield* connected.api.notifications.test({ path: notification })
    let delivery = yield* deliveryOf(connected, notification, delivery_id)
    for (let looks = 0; looks < maxLooks && (delivery?.attempts.length ?? 0) === 0; looks++) {
      yield* Effect.sleep(lookEvery)
      delivery = yield* deliveryOf(connected, notification, delivery_id)
    }
    if (delivery === undefined) return yield* misused("The notification was deleted meanwhile.")
    yield* printRecord(options.output, deliveryColumns, delivery)
  })).pipe(Command.withDescription("Send a test message, and say how it went"))

const deliveries = Command.make(
  "deliveries",
  {
    id,
    status: Options.choice("status", DeliveryStatus.literals).pipe(
      Options.withDescription("Only those that are at this"),
      Options.optional
    ),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const notification = yield* path(options.id)
      const status = Option.getOrUndefined(options.status)
      yield* printAll(
        options.output,
        deliveryColumns,
        all(options.limit, (urlParams) =>
          Effect.map(
            api.notifications.deliveries({ path: notification, urlParams: { ...urlParams, status } }),
            ({ deliveries, next_cursor }) => ({ items: deliveries, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("List the messages of a notification, newest first, and how they went"))

const resend = Command.make(
  "resend",
  {
    id,
    deliveries: Args.text({ name: "delivery-id" }).pipe(
      Args.withDescription("The messages' ids"),
      Args.atLeast(1)
    ),
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const notification = yield* path(options.id)
      const ids = yield* Effect.forEach(options.deliveries, (text) => pathId(DeliveryId, "delivery", text))
      yield* Effect.forEach(
        ids,
        (delivery_id) => api.notifications.resend({ path: { ...notification, delivery_id } }),
        { discard: true }
      )
    })
).pipe(Command.withDescription("Send messages of a notification again"))

export const notifications = Command.make("notifications").pipe(
  Command.withDescription("Who is told what becomes of runs and schedules"),
  Command.withSubcommands([
    list,
    show,
    create,
    edit,
    switching("on", true, "Switch notifications on"),
    switching("off", false, "Switch notifications off; what happens meanwhile is not told later"),
    remove,
    test,
    deliveries,
    resend
  ])
)
