/** Messages about runs as this protocol shows them. */
import { Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import type { Delivery } from "../../../domain/Notification.ts"
import { maxLimit } from "../../../domain/Page.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"

interface Query {
  readonly status?: "pending" | "delivered" | "failed" | undefined
  readonly agent_id?: string | undefined
  readonly channel?: string | undefined
  readonly execution_id?: string | undefined
  readonly limit: number
  readonly offset: number
}

/** The protocol's words for what there is to tell, by ours. */
const eventTypes: Readonly<Record<string, string>> = {
  "run.completed": "execution.completed",
  "run.failed": "execution.failed",
  "run.interrupted": "execution.cancelled",
  "run.waiting": "execution.waiting"
}

/** What this server or the receiver has refused for good has failed as well. */
const statusOf = ({ status }: Delivery) => status === "refused" ? "failed" as const : status

export const make = Effect.map(
  Storage,
  ({ deliveries, notifications }) =>
    Effect.fnUntraced(function*(owner: UserId, query: Query) {
      const { agent_id, channel, execution_id, limit, offset, status } = query
      const { items } = yield* Effect.orDie(
        deliveries.list(owner, { limit: maxLimit, cursor: undefined }, {}, "newest")
      )
      const known = yield* Effect.orDie(everything((page) => notifications.list(owner, page)))
      const kinds = new Map(known.map(({ id, kind }) => [id, kind]))
      const found = items.map((delivery) => ({
        id: delivery.id,
        execution_id: delivery.run_id,
        agent_id: delivery.agent_id,
        event_type: eventTypes[delivery.event] ?? delivery.event,
        channel: kinds.get(delivery.notification_id) ?? "webhook",
        target: delivery.target,
        status: statusOf(delivery),
        attempts: delivery.attempts.length,
        last_error: delivery.attempts.findLast(({ error }) => error !== null)?.error ?? null,
        created_at: delivery.created_at,
        delivered_at: delivery.delivered_at
      })).filter((delivery) =>
        (status === undefined || delivery.status === status) &&
        (agent_id === undefined || delivery.agent_id === agent_id) &&
        (channel === undefined || delivery.channel === channel) &&
        (execution_id === undefined || delivery.execution_id === execution_id)
      )
      return { items: found.slice(offset, offset + limit), total: found.length, limit, offset }
    })
)
