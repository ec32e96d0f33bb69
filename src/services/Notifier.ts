import { Context, type Effect } from "effect"
import type { Conflict, Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Delivery, Notification, NotificationDraft, NotificationPatch } from "../domain/Notification.ts"

/** A notification that has been checked and is not stored yet. */
export interface PlannedNotification {
  readonly notification: Notification
  /** What a webhook's messages are signed with; null for other kinds. */
  readonly secret: string | null
  /** Stores it. Part of the caller's transaction. */
  readonly add: Effect.Effect<void, LimitReached>
}

/**
 * Tells people and programs what became of runs and schedules. What there is to tell is written as a job with what
 * it tells of; each message is a delivery, tried again until it is taken or given up. Records are read through `Storage`.
 */
export class Notifier extends Context.Tag("stoa/services/Notifier")<Notifier, {
  /** Checks a draft. `Invalid` names the field: an address that this server may not reach, a foreign agent. */
  readonly plan: (owner: UserId, draft: NotificationDraft) => Effect.Effect<PlannedNotification, Invalid>
  /** Must be called when what was planned is stored: it holds for what happens from now on. */
  readonly added: (owner: UserId) => Effect.Effect<void>
  readonly change: (
    owner: UserId,
    id: string,
    patch: NotificationPatch
  ) => Effect.Effect<Notification, NotFound | Invalid | Conflict>
  /** Removes it with its deliveries. One that a definition says can be neither removed, changed nor tested. */
  readonly remove: (owner: UserId, id: string) => Effect.Effect<void, NotFound | Conflict>
  /** Sends a message that says it is a test, also when the notification is switched off. */
  readonly test: (owner: UserId, id: string) => Effect.Effect<Delivery, NotFound | Conflict>
  /** Sends a message once more, with the same bytes and the same id. `Conflict` while it is being tried. */
  readonly resend: (owner: UserId, id: string, delivery: string) => Effect.Effect<Delivery, NotFound | Conflict>
}>() {}
