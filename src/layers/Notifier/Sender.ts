/** How messages of one kind are brought to their receivers. */
import type { Duration, Effect } from "effect"
import type { Delivery, Target } from "../../domain/Notification.ts"

/** How one attempt went. */
export interface Sent {
  readonly result: "delivered" | "failed" | "refused"
  /** What the receiver answered: a status of HTTP or of SMTP. */
  readonly status: number | null
  /** Why it is no success, in words of ours: nothing of an answer, which may be anybody's. */
  readonly error: string | null
  /** What the receiver asks for. */
  readonly retryAfter?: Duration.Duration
  /** The receiver wants no more messages. */
  readonly isGone?: boolean
}

export type Sender = (delivery: Delivery, target: Target) => Effect.Effect<Sent>
