import { Schema } from "effect"
import { Timestamp, UserId } from "./Ids.ts"
import { UsageSum } from "./UsageReport.ts"

const count = Schema.NonNegativeInt

/** What a tenant has. */
const Holdings = Schema.Struct({
  user_id: UserId,
  agents: count,
  credentials: count,
  sessions: count,
  runs: count,
  /** API keys that speak for the tenant, revoked ones too. */
  keys: count,
  /** When the newest agent, session or run was last changed; null when there is none. */
  last_active_at: Schema.NullOr(Timestamp)
})
export type Holdings = typeof Holdings.Type

/** A tenant as an admin sees it. */
const Tenant = Schema.Struct({
  ...Holdings.fields,
  /** Of the range that was asked for. */
  usage: UsageSum
}).annotations({ identifier: "Tenant" })

export const TenantList = Schema.Struct({
  from: Timestamp,
  to: Timestamp,
  tenants: Schema.Array(Tenant),
  next_cursor: Schema.NullOr(Schema.String)
}).annotations({ identifier: "TenantList" })
