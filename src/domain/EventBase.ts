/** What all events have, and the ids that they name. */
import { Schema } from "effect"
import { BlockId, MessageId, RunId, SessionId, Timestamp, ToolCallId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** An event of the catalogue; `identifier` is its name in the API's document. */
export const event = <const Type extends string, Fields extends Schema.Struct.Fields>(
  type: Type,
  fields: Fields,
  identifier: string = type
) =>
  Schema.Struct({
    id: Schema.String,
    created_at: Timestamp,
    type: Schema.Literal(type),
    ...fields,
    metadata: Schema.optional(JsonObject),
    /** Names of the nested agents that this event comes through, outermost first. */
    agent_path: Schema.optional(Schema.Array(Schema.String))
  }).annotations({ identifier })

export const reply = { reply_id: MessageId }
export const block = { ...reply, block_id: BlockId }
export const call = { ...reply, tool_call_id: ToolCallId }
export const run = { session_id: SessionId, run_id: RunId }
