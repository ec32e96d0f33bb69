/** The events of the first version, which every later one has as well. */
import { Schema } from "effect"
import { hint, permissionRule, toolCallBlock, toolResultBlock, toolResultState } from "./Blocks.ts"
import { type Class, classOf, flag, given, list, object, orNull, text, whole } from "./Classes.ts"

const base = { id: given(text), created_at: given(text), metadata: given(object) }

/** An event with these fields, beside those that all have. */
export const event = <Fields extends Schema.Struct.Fields>(type: string, fields: Fields): Class =>
  classOf(Schema.Struct({ ...base, type: Schema.Literal(type), ...fields } as Schema.Struct.Fields) as never)

const reply = { reply_id: text }
const block = { ...reply, block_id: text }
const call = { ...reply, tool_call_id: text }

interface Source {
  readonly data?: string | null | undefined
  readonly url?: string | null | undefined
}

export const hasOneSource = ({ data, url }: Source) =>
  (data == null) !== (url == null) || "Expected exactly one of data and url"

const toolData = Schema.Struct({
  ...base,
  type: Schema.Literal("TOOL_RESULT_DATA_DELTA"),
  ...call,
  block_id: given(text),
  media_type: text,
  data: orNull(text),
  url: orNull(text)
}).pipe(Schema.filter(hasOneSource))

/** By type. */
export const events: Readonly<Record<string, Class>> = {
  REPLY_START: event("REPLY_START", { session_id: text, ...reply, name: text, role: given(text) }),
  REPLY_END: event("REPLY_END", { session_id: text, ...reply }),
  MODEL_CALL_START: event("MODEL_CALL_START", { ...reply, model_name: text }),
  MODEL_CALL_END: event("MODEL_CALL_END", { ...reply, input_tokens: whole, output_tokens: whole }),
  TEXT_BLOCK_START: event("TEXT_BLOCK_START", block),
  TEXT_BLOCK_DELTA: event("TEXT_BLOCK_DELTA", { ...block, delta: text }),
  TEXT_BLOCK_END: event("TEXT_BLOCK_END", block),
  THINKING_BLOCK_START: event("THINKING_BLOCK_START", block),
  THINKING_BLOCK_DELTA: event("THINKING_BLOCK_DELTA", { ...block, delta: text }),
  THINKING_BLOCK_END: event("THINKING_BLOCK_END", block),
  DATA_BLOCK_START: event("DATA_BLOCK_START", { ...block, media_type: text }),
  DATA_BLOCK_DELTA: event("DATA_BLOCK_DELTA", { ...block, data: text, media_type: text }),
  DATA_BLOCK_END: event("DATA_BLOCK_END", block),
  TOOL_CALL_START: event("TOOL_CALL_START", { ...call, tool_call_name: text }),
  TOOL_CALL_DELTA: event("TOOL_CALL_DELTA", { ...call, delta: text }),
  TOOL_CALL_END: event("TOOL_CALL_END", call),
  TOOL_RESULT_START: event("TOOL_RESULT_START", { ...call, tool_call_name: text }),
  TOOL_RESULT_TEXT_DELTA: event("TOOL_RESULT_TEXT_DELTA", { ...call, delta: text }),
  TOOL_RESULT_DATA_DELTA: classOf(toolData),
  TOOL_RESULT_END: event("TOOL_RESULT_END", { ...call, state: toolResultState }),
  EXCEED_MAX_ITERS: event("EXCEED_MAX_ITERS", { ...reply, name: text }),
  REQUIRE_USER_CONFIRM: event("REQUIRE_USER_CONFIRM", { ...reply, tool_calls: list(toolCallBlock) }),
  REQUIRE_EXTERNAL_EXECUTION: event("REQUIRE_EXTERNAL_EXECUTION", { ...reply, tool_calls: list(toolCallBlock) }),
  USER_CONFIRM_RESULT: event("USER_CONFIRM_RESULT", {
    ...reply,
    confirm_results: list(
      Schema.Struct({ confirmed: flag, tool_call: toolCallBlock, rules: orNull(list(permissionRule)) })
    )
  }),
  EXTERNAL_EXECUTION_RESULT: event("EXTERNAL_EXECUTION_RESULT", {
    ...reply,
    execution_results: list(toolResultBlock)
  })
}

/** What later versions add. */
export const laterEvents: Readonly<Record<string, Class>> = {
  HINT_BLOCK: event("HINT_BLOCK", { ...block, source: orNull(text), hint }),
  USER_INTERRUPT: event("USER_INTERRUPT", reply),
  CUSTOM: event("CUSTOM", { name: text, value: given(object) })
}
