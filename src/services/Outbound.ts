import { Context, Data } from "effect"

/** Why a request was not sent, or its answer not taken. */
export type OutboundProblem = "address_not_allowed" | "redirect_not_followed" | "response_too_large"

/** The `cause` of what `Outbound.fetch` rejects with. It says nothing of what a name or an address leads to. */
export class OutboundRefused extends Data.TaggedError("OutboundRefused")<{
  readonly code: OutboundProblem
  /** Where a redirect leads, for who follows it with a request of its own. */
  readonly location?: string
}> {
  override get message() {
    return this.code
  }
}

/** HTTP to addresses that a tenant names. */
export class Outbound extends Context.Tag("stoa/services/Outbound")<Outbound, {
  /**
   * Like the global one, for requests given by address. Redirects are not
   * followed, and what is not an event stream is bounded.
   */
  readonly fetch: typeof globalThis.fetch
  /** Whether an address is refused as it is written. One that is not may still be refused for what its name leads to. */
  readonly forbids: (url: string) => boolean
}>() {}
