import { Context, type Effect, type Stream } from "effect"
import type { Invalid, Malformed } from "../domain/Errors.ts"
import type { AgentId, UserId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"
import type { PageRequest } from "../domain/Page.ts"
import type { Session } from "../domain/Session.ts"

/** Which sessions are looked for. */
export interface SessionQuery extends PageRequest {
  /** A text in the session's name, or in what was said in it. */
  readonly q: string
  readonly agent_id?: AgentId | undefined
}

/** Sessions as their owner looks through them. */
export class SessionArchive extends Context.Tag("stoa/services/SessionArchive")<SessionArchive, {
  /**
   * The newest sessions whose name holds the text, or one of whose messages does. What one page looks at is bounded, so
   * that it may hold few sessions, or none, and still have a next one.
   */
  readonly search: (
    owner: UserId,
    query: SessionQuery
  ) => Effect.Effect<
    { readonly items: ReadonlyArray<Session>; readonly next_cursor: string | null },
    Invalid | Malformed
  >
  /**
   * The whole transcript, oldest first, in chunks of about `pageBytes` at most, the unfinished reply last. Nothing is read
   * ahead of whoever takes it.
   */
  readonly transcript: (session: Session) => Stream.Stream<ReadonlyArray<Message>>
}>() {}
