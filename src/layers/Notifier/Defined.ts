/** Whom the operator's definitions tell of runs. Each of them has a record for the user of the run, so that its messages have a log. */
import { Clock, Effect, Option, Redacted } from "effect"
import type { NotificationTarget, NotificationTargets } from "../../domain/Definition.ts"
import { NotificationId, type UserId } from "../../domain/Ids.ts"
import type { Notification, NotificationEvent, Target } from "../../domain/Notification.ts"
import type { Receivers } from "../../domain/Receivers.ts"
import { Catalog } from "../../services/Catalog.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { sameId } from "../SameId.ts"
import { freshSecret, shownOf } from "./Checking.ts"
import type { Subject, Words } from "./Message.ts"
import * as Sealed from "./Sealed.ts"

/** A notification of a definition, with what it says of its messages. */
export interface Told extends Words {
  readonly notification: Notification
}

/** Which of them are told. What somebody has stopped has not come to its end, as an error has not. */
const listOf = ({ event, run }: Subject): keyof NotificationTargets | undefined => {
  if (event === "run.completed") return "on_complete"
  if (event === "run.interrupted") return "on_error"
  if (event !== "run.failed") return undefined
  return run?.error?.code === "run_timeout" ? "on_timeout" : "on_error"
}

const events: Readonly<Record<keyof NotificationTargets, ReadonlyArray<NotificationEvent>>> = {
  on_complete: ["run.completed"],
  on_error: ["run.failed", "run.interrupted"],
  on_timeout: ["run.failed"]
}

export const make = Effect.fnUntraced(function*(receivers: Receivers) {
  const { notifications } = yield* Storage
  const catalog = yield* Catalog
  const { opened, seal } = yield* Sealed.make
  const known = new Map(receivers.map((receiver) => [receiver.name, receiver]))

  /** Where it leads now; undefined where the settings have no such receiver. */
  const targetOf = ({ channel, target, url }: NotificationTarget): Target | undefined => {
    if (channel === "email") return { to: target ?? "" }
    if (url !== null) return { url }
    const receiver = known.get(target ?? "")
    if (receiver === undefined) return undefined
    return {
      url: Redacted.value(receiver.url),
      ...channel === "webhook" && receiver.secret !== undefined && { secret: Redacted.value(receiver.secret) }
    }
  }

  /** The record, as the definition and the settings are now. */
  const recordOf = Effect.fnUntraced(function*(
    { agent_id, owner }: { readonly agent_id: Notification["agent_id"]; readonly owner: UserId },
    agent: string,
    list: keyof NotificationTargets,
    entry: NotificationTarget,
    target: Target
  ) {
    const id = NotificationId.make(sameId(owner, "definition", agent, "notification", list, JSON.stringify(entry)))
    const before = Option.getOrUndefined(yield* Effect.option(notifications.get(owner, id)))
    const held = before === undefined ? {} : yield* opened(before)
    const isSame = held.url === target.url && held.to === target.to &&
      (target.secret === undefined || held.secret === target.secret)
    if (before !== undefined && isSame) return before
    const wanted = entry.channel === "webhook" && target.secret === undefined
      ? { ...target, secret: yield* freshSecret }
      : target
    const at = timestampOf(yield* Clock.currentTimeMillis)
    const notification: Notification = {
      id,
      user_id: owner,
      created_at: before?.created_at ?? at,
      updated_at: at,
      name: `${agent}: ${list}`,
      kind: entry.channel,
      events: events[list],
      agent_id,
      schedule_id: null,
      session_id: null,
      template: entry.template,
      enabled: true,
      disabled_reason: null,
      target: target.to ?? shownOf(entry.channel, new URL(target.url ?? "")),
      definition: agent,
      sealed: yield* seal({ id, user_id: owner }, wanted)
    }
    if (before !== undefined) {
      return yield* Effect.orElseSucceed(notifications.modify(owner, id, () => notification), () => notification)
    }
    return yield* notifications.insert(notification).pipe(
      // Another process was first.
      Effect.catchTag("Conflict", () => notifications.get(owner, id)),
      Effect.orDie
    )
  })

  return Effect.fnUntraced(function*(owner: UserId, subject: Subject) {
    const list = listOf(subject)
    const name = subject.agent?.data.definition
    if (list === undefined || name === undefined) return []
    const entries = catalog.book().agents.get(name)?.front.notifications?.[list] ?? []
    const told = yield* Effect.forEach(
      entries,
      Effect.fnUntraced(function*(entry): Effect.fn.Return<ReadonlyArray<Told>> {
        const target = targetOf(entry)
        if (target === undefined) return []
        const about = { owner, agent_id: subject.agent?.id ?? null }
        const notification = yield* recordOf(about, name, list, entry, target)
        // One whose receiver wants no more messages is left alone until it leads elsewhere.
        return notification.enabled ? [{ notification, body: entry.payload_template ?? undefined }] : []
      })
    )
    // The same entry may stand there twice.
    return [...new Map(told.flat().map((one) => [one.notification.id, one])).values()]
  })
})
