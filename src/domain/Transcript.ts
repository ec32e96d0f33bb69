/**
 * The fold from events to a message: the same function for storage, clients
 * and recovery. It never throws: an event of another reply, out of order or
 * unknown leaves the message as it was.
 */
import { Draft } from "./Draft.ts"
import type { AgentEvent } from "./Event.ts"
import type { JsonObject } from "./Json.ts"
import type {
  ContentBlock,
  DataBlock,
  Message,
  TextBlock,
  ThinkingBlock,
  ToolCallBlock,
  ToolResultBlock
} from "./Message.ts"
import { addUsage, noUsage } from "./UsageSum.ts"

type ReplyStart = Extract<AgentEvent, { readonly type: "REPLY_START" }>

/** The empty assistant message that a REPLY_START opens. */
export const openReply = (event: ReplyStart): Message => ({
  id: event.reply_id,
  name: event.name,
  role: "assistant",
  content: [],
  metadata: {},
  created_at: event.created_at,
  finished_at: null,
  usage: null
})

/** Stores the provider's metadata, which the next call returns to it, with the block that just ended. */
const annotate = (
  draft: Draft,
  type: "text" | "thinking" | "data" | "tool_call",
  id: string,
  { provider_metadata }: { readonly provider_metadata?: JsonObject | undefined }
): Draft =>
  provider_metadata === undefined
    ? draft
    : draft.change(type, id, (block): ContentBlock => ({ ...block, provider_metadata }))

const appendText = (result: ToolResultBlock, delta: string): ToolResultBlock => {
  if (typeof result.output === "string") return { ...result, output: result.output + delta }
  const last = result.output.at(-1)
  return last?.type === "text"
    ? { ...result, output: [...result.output.slice(0, -1), { ...last, text: last.text + delta }] }
    : {
      ...result,
      output: [...result.output, { type: "text", id: result.id as string as TextBlock["id"], text: delta }]
    }
}

const appendData = (
  result: ToolResultBlock,
  event: Extract<AgentEvent, { readonly type: "TOOL_RESULT_DATA_DELTA" }>
): ToolResultBlock => {
  const output: ReadonlyArray<TextBlock | DataBlock> = typeof result.output === "string"
    ? (result.output === "" ? [] : [{ type: "text", id: result.id as string as TextBlock["id"], text: result.output }])
    : result.output
  const known = output.findIndex((block) => block.type === "data" && block.id === event.block_id)
  const before = output[known]
  if (before?.type === "data" && before.source.type === "base64" && event.data != null) {
    const source = { ...before.source, data: before.source.data + event.data }
    return { ...result, output: output.map((block, i) => i === known ? { ...before, source } : block) }
  }
  if (known >= 0) return result
  const media_type = event.media_type
  if (event.data != null) {
    return {
      ...result,
      output: [...output, {
        type: "data",
        id: event.block_id,
        source: { type: "base64", data: event.data, media_type }
      }]
    }
  }
  if (event.url != null) {
    return {
      ...result,
      output: [...output, { type: "data", id: event.block_id, source: { type: "url", url: event.url, media_type } }]
    }
  }
  return result
}

const setState = (state: ToolCallBlock["state"]) => (call: ToolCallBlock): ToolCallBlock => ({ ...call, state })

/** The member of a reply's metadata that holds what its agent remembers, where that is code. */
const stateField = "agent_state"

const withState = (metadata: JsonObject, state: unknown): JsonObject => ({ ...metadata, [stateField]: state })

/**
 * What the agent remembers: as the reply in the making says, or the newest of those before it that does. Messages that
 * a client has sent, and whose metadata are its own, have never been ended.
 */
export const agentStateIn = (before: ReadonlyArray<Message>, reply: Message): unknown =>
  (stateField in reply.metadata
    ? reply
    : before.findLast(({ finished_reason, metadata }) => finished_reason !== undefined && stateField in metadata))
    ?.metadata[stateField]

/** Events of our own that change their reply. */
const namesReply = new Set(["tool_result_offloaded", "tool_call_changed", "agent_state"])

/** The reply that an event belongs to; most say it. */
export const replyIdOf = (event: AgentEvent): string | undefined =>
  "reply_id" in event
    ? event.reply_id
    : event.type === "CUSTOM" && namesReply.has(event.name) && "reply_id" in event.value
    ? event.value.reply_id
    : undefined

/** The draft after one more event. */
export const append = (draft: Draft, event: AgentEvent): Draft => {
  if (event.type === "CUSTOM") {
    if (event.name === "agent_state" && event.value.reply_id === draft.id) {
      return draft.with({ metadata: withState(draft.metadata, event.value.state) })
    }
    if (event.name === "tool_call_changed" && event.value.reply_id === draft.id) {
      const { input, tool_call_id } = event.value
      // Whoever has allowed the call has allowed other arguments: a crash right behind this must not let these pass.
      return draft.change("tool_call", tool_call_id, (call): ToolCallBlock => ({
        ...call,
        input,
        ...(call.state === "allowed" && { state: "pending" })
      }))
    }
    if (event.name !== "tool_result_offloaded" || event.value.reply_id !== draft.id) return draft
    const { characters, path, shown, tool_call_id } = event.value
    return draft.change("tool_result", tool_call_id, (result): ToolResultBlock => ({
      ...result,
      offloaded: { shown, characters, path }
    }))
  }
  if (!("reply_id" in event) || event.reply_id !== draft.id) return draft
  switch (event.type) {
    case "TEXT_BLOCK_START":
      return draft.add({ type: "text", id: event.block_id, text: "" })
    case "TEXT_BLOCK_DELTA":
      return draft.change("text", event.block_id, (block): TextBlock => ({ ...block, text: block.text + event.delta }))
    case "THINKING_BLOCK_START":
      return draft.add({ type: "thinking", id: event.block_id, thinking: "" })
    case "THINKING_BLOCK_DELTA":
      return draft.change(
        "thinking",
        event.block_id,
        (block): ThinkingBlock => ({ ...block, thinking: block.thinking + event.delta })
      )
    case "TEXT_BLOCK_END": {
      const { annotations } = event
      return annotate(
        annotations === undefined
          ? draft
          : draft.change("text", event.block_id, (block): TextBlock => ({ ...block, annotations })),
        "text",
        event.block_id,
        event
      )
    }
    case "THINKING_BLOCK_END":
      return annotate(draft, "thinking", event.block_id, event)
    case "DATA_BLOCK_END":
      return annotate(draft, "data", event.block_id, event)
    case "TOOL_CALL_END":
      return annotate(draft, "tool_call", event.tool_call_id, event)
    case "DATA_BLOCK_START":
      return draft.add({
        type: "data",
        id: event.block_id,
        source: { type: "base64", data: "", media_type: event.media_type }
      })
    case "DATA_BLOCK_DELTA":
      return draft.change("data", event.block_id, (block): DataBlock =>
        block.source.type !== "base64"
          ? block
          : event.url != null
          ? { ...block, source: { type: "url", url: event.url, media_type: block.source.media_type } }
          : { ...block, source: { ...block.source, data: block.source.data + event.data } })
    case "HINT_BLOCK":
      return draft.add({
        type: "hint",
        id: event.block_id,
        hint: event.hint,
        ...(event.source !== undefined && { source: event.source }),
        ...(event.shown !== undefined && { shown: event.shown })
      })
    case "TOOL_CALL_START":
      return draft.add({
        type: "tool_call",
        id: event.tool_call_id,
        name: event.tool_call_name,
        input: "",
        state: "pending",
        suggested_rules: [],
        ...(event.provider_executed === true && { provider_executed: true }),
        ...(event.parent_tool_call_id !== undefined && { parent_tool_call_id: event.parent_tool_call_id }),
        ...(event.step !== undefined && { step: event.step })
      })
    case "TOOL_CALL_DELTA":
      return draft.change(
        "tool_call",
        event.tool_call_id,
        (call): ToolCallBlock => ({ ...call, input: call.input + event.delta })
      )
    case "TOOL_RESULT_START":
      return draft.add({
        type: "tool_result",
        id: event.tool_call_id,
        name: event.tool_call_name,
        output: [],
        state: "running",
        ...(event.provider_executed === true && { provider_executed: true }),
        ...(event.parent_tool_call_id !== undefined && { parent_tool_call_id: event.parent_tool_call_id })
      })
    case "TOOL_RESULT_TEXT_DELTA":
      return draft.change("tool_result", event.tool_call_id, (result) => appendText(result, event.delta))
    case "TOOL_RESULT_DATA_DELTA":
      return draft.change("tool_result", event.tool_call_id, (result) => appendData(result, event))
    case "TOOL_RESULT_END":
      return draft
        .change("tool_result", event.tool_call_id, (result): ToolResultBlock => ({ ...result, state: event.state }))
        .change("tool_call", event.tool_call_id, setState("finished"))
    case "REQUIRE_USER_CONFIRM":
      return event.tool_calls.reduce<Draft>(
        (m, call) =>
          m.change(
            "tool_call",
            call.id,
            (old): ToolCallBlock => ({ ...old, state: "asking", suggested_rules: call.suggested_rules })
          ),
        draft
      )
    case "REQUIRE_EXTERNAL_EXECUTION":
      return event.tool_calls.reduce<Draft>(
        (m, call) => m.change("tool_call", call.id, setState("submitted")),
        draft
      )
    case "USER_CONFIRM_RESULT":
      return event.confirm_results.reduce<Draft>(
        (m, { confirmed, tool_call }) =>
          m.change("tool_call", tool_call.id, (old): ToolCallBlock =>
            old.state === "asking"
              ? { ...old, name: tool_call.name, input: tool_call.input, state: confirmed ? "allowed" : "finished" }
              : old),
        draft
      )
    case "EXTERNAL_EXECUTION_RESULT":
      return event.execution_results.reduce<Draft>((m, result) => {
        const finished = m.change("tool_call", result.id, setState("finished"))
        return finished.has("tool_result", result.id)
          ? finished.change("tool_result", result.id, (old) => old.state === "running" ? result : old)
          : finished.add(result)
      }, draft)
    case "MODEL_CALL_END": {
      const { input_tokens, output_tokens, cache_input_tokens, cache_creation_input_tokens, reasoning_tokens } = event
      return draft.with({
        usage: addUsage(draft.usage ?? noUsage, {
          input_tokens,
          output_tokens,
          ...(cache_input_tokens !== undefined && { cache_input_tokens }),
          ...(cache_creation_input_tokens !== undefined && { cache_creation_input_tokens }),
          ...(reasoning_tokens !== undefined && { reasoning_tokens })
        })
      })
    }
    case "REPLY_END":
      return draft.with({
        finished_at: event.created_at,
        finished_reason: event.finished_reason,
        ...(event.stop_reason !== undefined && { stop_reason: event.stop_reason }),
        ...(event.stop_details !== undefined && { stop_details: event.stop_details }),
        error: event.error,
        ...(event.structured_output !== undefined && { structured_output: event.structured_output })
      })
    // These events are about a reply but add nothing to its message.
    case "REPLY_START":
    case "MODEL_CALL_START":
    case "EXCEED_MAX_ITERS":
    case "USER_INTERRUPT":
      return draft
  }
  // A newer version may have written a type that this compiler does not know: the message stays as it was.
  event satisfies never
  return draft
}

/** Returns the message after one more event. For many events a `Draft` is faster. */
export const appendEvent = (message: Message, event: AgentEvent): Message => append(Draft.of(message), event).message

/** Builds the messages from a range of a session's log, oldest first. */
export const messagesOf = (events: Iterable<AgentEvent>): ReadonlyArray<Message> => {
  const drafts = new Map<string, Draft>()
  const put = (message: Message) => {
    if (!drafts.has(message.id)) drafts.set(message.id, Draft.of(message))
  }
  for (const event of events) {
    if (event.type === "CUSTOM" && event.name === "user_message") put(event.value.message)
    else if (event.type === "REPLY_START") put(openReply(event))
    else {
      const id = replyIdOf(event)
      const draft = id === undefined ? undefined : drafts.get(id)
      if (id !== undefined && draft !== undefined) drafts.set(id, append(draft, event))
    }
  }
  return Array.from(drafts.values(), ({ message }) => message)
}
