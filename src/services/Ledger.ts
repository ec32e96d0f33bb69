import { Context, type Effect } from "effect"
import type { RunId, UserId } from "../domain/Ids.ts"
import type { LedgerEntry } from "../domain/Ledger.ts"
import type { HostUsageQuery, UsageGroup, UsageQuery, UsageSum } from "../domain/UsageReport.ts"

/** Sums over the calls of models. Its entries are written by `EventLog.append`, with the events that they tell of. */
export class Ledger extends Context.Tag("stoa/services/Ledger")<Ledger, {
  /** Groups by their keys, at most `limit`. */
  readonly groups: (owner: UserId, query: UsageQuery) => Effect.Effect<ReadonlyArray<UsageGroup>>
  /** The sums over the whole range. */
  readonly total: (owner: UserId, range: Pick<UsageQuery, "from" | "to">) => Effect.Effect<UsageSum>
  /** The calls of one run, at most `limit`, in no order that means something. */
  readonly calls: (owner: UserId, run: RunId, limit: number) => Effect.Effect<ReadonlyArray<LedgerEntry>>
  /** The same sums across owners, for admins. */
  readonly host: {
    readonly groups: (query: HostUsageQuery) => Effect.Effect<ReadonlyArray<UsageGroup>>
    readonly total: (range: Pick<HostUsageQuery, "from" | "to" | "users">) => Effect.Effect<UsageSum>
  }
}>() {}
