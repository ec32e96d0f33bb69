import { Context, type Effect, type Scope } from "effect"
import type { RunId, SessionId, UserId } from "../domain/Ids.ts"

/** What one process tells the others. A notice may be lost, so a process that needs an effect sends it again. */
export type Notice =
  /** The session's log has new pages. */
  | { readonly type: "pages"; readonly session: SessionId }
  /** An input waits there that `driver` should take up. */
  | { readonly type: "input"; readonly session: SessionId; readonly driver: string }
  /** Asks to stop that run and, with `drop`, the runs that wait behind it. */
  | { readonly type: "interrupt"; readonly session: SessionId; readonly run: RunId; readonly queue: "keep" | "drop" }
  | { readonly type: "cancel"; readonly session: SessionId; readonly run: RunId }
  /** The session is being deleted. */
  | { readonly type: "forget"; readonly session: SessionId }
  /** A task of the session is to be stopped; its row says which. */
  | { readonly type: "tasks"; readonly session: SessionId }
  /** A question of a tool of the session is answered; its row says how. */
  | { readonly type: "answered"; readonly session: SessionId }
  /** The owner has notifications from now on. */
  | { readonly type: "notified"; readonly owner: UserId }

/** What a process receives: another one's notice, or the news that it may have missed some and must look into storage. */
export type Received = Notice | { readonly type: "look" }

/** The other processes that share this one's storage: who they are, and a way to tell them something. */
export class Peers extends Context.Tag("stoa/services/Peers")<Peers, {
  /** Names this process among those that ever drove a run. */
  readonly self: string
  /** No other process can reach the storage. */
  readonly alone: boolean
  /** Tells all other processes. Never blocks; notices made while one is on its way go out together. */
  readonly notify: (notice: Notice) => void
  /** Calls back with each notice of other processes, until the scope closes. */
  readonly listen: (receive: (received: Received) => void) => Effect.Effect<void, never, Scope.Scope>
  /** The processes that are alive now, including this one. */
  readonly living: Effect.Effect<ReadonlySet<string>>
}>() {}
