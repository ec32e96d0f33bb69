import { Context, type Effect } from "effect"
import type { UserId } from "../domain/Ids.ts"
import type { Holdings } from "../domain/Tenant.ts"

/** Who owns something here. It looks across owners: for admins. */
export class Tenants extends Context.Tag("stoa/services/Tenants")<Tenants, {
  /**
   * The tenants after this one, by name, at most `limit`: everybody who owns an
   * agent, a credential or a key, or has called a model.
   */
  readonly list: (after: UserId | undefined, limit: number) => Effect.Effect<ReadonlyArray<Holdings>>
}>() {}
