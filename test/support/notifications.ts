/** Notifications to put into a host. */
import { Effect } from "effect"
import type { NotificationDraft } from "../../src/domain/Notification.ts"
import type { Session } from "../../src/domain/Session.ts"
import { Notifier } from "../../src/services/Notifier.ts"

/** A webhook of the session's owner, unless the draft says otherwise. */
export const notify = Effect.fnUntraced(function*(session: Session, draft: Partial<NotificationDraft>) {
  const notifier = yield* Notifier
  const { add, notification } = yield* notifier.plan(session.user_id, { name: "N", kind: "webhook", ...draft })
  yield* add
  yield* notifier.added(session.user_id)
  return notification
})
