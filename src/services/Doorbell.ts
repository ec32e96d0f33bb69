import { Context, type Effect, type Scope } from "effect"
import type { RunId, SessionId } from "../domain/Ids.ts"

/** What one process tells the others. It may be lost: whoever needs an answer rings again. */
export type Ring =
  /** The session's log has new pages. */
  | { readonly type: "pages"; readonly session: SessionId }
  /** An input waits there that `driver` should take up. */
  | { readonly type: "input"; readonly session: SessionId; readonly driver: string }
  /** Stop that run; and with `drop`, those that wait behind it. */
  | { readonly type: "interrupt"; readonly session: SessionId; readonly run: RunId; readonly queue: "keep" | "drop" }
  | { readonly type: "cancel"; readonly session: SessionId; readonly run: RunId }
  /** The session is being deleted. */
  | { readonly type: "forget"; readonly session: SessionId }

/** What a process hears: a ring of another one, or that it may have missed some, and had better look. */
export type Heard = Ring | { readonly type: "look" }

/** The other processes that share this one's storage: who they are, and a way to tell them something. */
export class Doorbell extends Context.Tag("stoa/services/Doorbell")<Doorbell, {
  /** Names this process among those that ever drove a run. */
  readonly self: string
  /** No other process can reach the storage. */
  readonly alone: boolean
  /** Tells all other processes. Never blocks; what is rung while a ring is on its way goes out together. */
  readonly ring: (ring: Ring) => void
  /** Calls with what other processes ring, until the scope closes. */
  readonly listen: (hear: (heard: Heard) => void) => Effect.Effect<void, never, Scope.Scope>
  /** The processes that live now, this one too. */
  readonly living: Effect.Effect<ReadonlySet<string>>
}>() {}
