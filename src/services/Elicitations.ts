import { Context, type Effect } from "effect"
import type { ElicitationAnswer, ElicitationQuestion, ElicitationRequest } from "../domain/Elicitation.ts"
import type { Conflict, Invalid, NotFound } from "../domain/Errors.ts"
import type { EventDraft } from "../domain/Event.ts"
import type { ElicitationId, SessionId, ToolCallId, UserId } from "../domain/Ids.ts"

/** The call whose server asks. */
export interface AskingCall {
  readonly owner: UserId
  readonly session: SessionId
  readonly tool_call_id: ToolCallId
  readonly tool_name: string
}

/** Questions to people while tools are under way. A question lives as long as its call, which is in one process. */
export class Elicitations extends Context.Tag("stoa/services/Elicitations")<Elicitations, {
  /**
   * Tells the session of the question and waits for the answer, which fits the form. It is `cancel` when nobody answers in
   * time, or when too many wait already. Interruption withdraws the question.
   */
  readonly ask: (
    call: AskingCall,
    request: ElicitationRequest,
    emit: (event: EventDraft) => void
  ) => Effect.Effect<ElicitationAnswer>
  /** The questions that wait for an answer, in any process, oldest first. */
  readonly open: (owner: UserId, session: SessionId) => Effect.Effect<ReadonlyArray<ElicitationQuestion>>
  /** The first answer counts. `Conflict` when the question does not wait any more. */
  readonly answer: (
    owner: UserId,
    session: SessionId,
    id: ElicitationId,
    answer: ElicitationAnswer
  ) => Effect.Effect<void, Conflict | Invalid | NotFound>
}>() {}
