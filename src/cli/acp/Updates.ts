/** A run's events, and a transcript, as what an editor is told of a session. */
import type { SessionUpdate } from "@agentclientprotocol/sdk"
import type { AgentEvent } from "../../domain/Event.ts"
import type { ContentBlock, Message } from "../../domain/Message.ts"
import type { Todo } from "../../domain/Todos.ts"
import * as Calls from "./Calls.ts"
import { shownOf, textOf } from "./Content.ts"

type Updates = ReadonlyArray<SessionUpdate>

const none: Updates = []

const planOf = (tasks: ReadonlyArray<Pick<Todo, "state" | "subject">>): SessionUpdate => ({
  sessionUpdate: "plan",
  entries: tasks.map(({ state, subject }) => ({ content: subject, priority: "medium", status: state }))
})

interface File {
  readonly media_type: string
  data: string
  url: string | undefined
}

/** One of each run: calls and files come piece by piece. */
export class Told {
  /** Arguments of calls that are not whole. */
  readonly #calls = new Map<string, { readonly name: string; input: string }>()
  readonly #outputs = new Map<string, { text: string; readonly files: Map<string, File> }>()
  readonly #files = new Map<string, File>()
  /** The model's context, in tokens, where that is known. */
  readonly #size: number | undefined

  constructor(size: number | undefined) {
    this.#size = size
  }

  step(event: AgentEvent): Updates {
    switch (event.type) {
      case "TEXT_BLOCK_DELTA":
        return this.#say("agent_message_chunk", event.block_id, event.delta)
      case "THINKING_BLOCK_DELTA":
        return this.#say("agent_thought_chunk", event.block_id, event.delta)
      case "DATA_BLOCK_START":
        this.#files.set(event.block_id, { media_type: event.media_type, data: "", url: undefined })
        return none
      case "DATA_BLOCK_DELTA":
        this.#collect(this.#files, event)
        return none
      case "DATA_BLOCK_END": {
        const file = this.#files.get(event.block_id)
        this.#files.delete(event.block_id)
        return file === undefined ? none : [{ sessionUpdate: "agent_message_chunk", content: shownOf(file) }]
      }
      case "MODEL_CALL_END": {
        const used = event.input_tokens + event.output_tokens
        return this.#size === undefined || used === 0
          ? none
          : [{ sessionUpdate: "usage_update", used, size: this.#size }]
      }
      case "TOOL_CALL_START":
        this.#calls.set(event.tool_call_id, { name: event.tool_call_name, input: "" })
        return [{
          sessionUpdate: "tool_call",
          ...Calls.begun(event.reply_id, event.tool_call_id, event.tool_call_name)
        }]
      case "TOOL_CALL_DELTA": {
        const call = this.#calls.get(event.tool_call_id)
        if (call !== undefined) call.input += event.delta
        return none
      }
      case "TOOL_CALL_END": {
        const call = this.#calls.get(event.tool_call_id)
        this.#calls.delete(event.tool_call_id)
        return call === undefined
          ? none
          : [{ sessionUpdate: "tool_call_update", ...Calls.whole(event.reply_id, { id: event.tool_call_id, ...call }) }]
      }
      case "TOOL_RESULT_START":
        this.#outputs.set(event.tool_call_id, { text: "", files: new Map() })
        return [{
          sessionUpdate: "tool_call_update",
          toolCallId: Calls.callId(event.reply_id, event.tool_call_id),
          status: "in_progress"
        }]
      case "TOOL_RESULT_TEXT_DELTA": {
        const output = this.#outputs.get(event.tool_call_id)
        if (output !== undefined) output.text += event.delta
        return none
      }
      case "TOOL_RESULT_DATA_DELTA": {
        const output = this.#outputs.get(event.tool_call_id)
        if (output !== undefined) this.#collect(output.files, event)
        return none
      }
      case "TOOL_RESULT_END":
        return this.#result(event)
      case "EXTERNAL_EXECUTION_RESULT":
        return event.execution_results.map((result) => ({
          sessionUpdate: "tool_call_update",
          ...Calls.ended(event.reply_id, result)
        }))
      case "CUSTOM":
        return event.name === "state_updated" ? [planOf(event.value.tasks_context.tasks)] : none
      default:
        return none
    }
  }

  #say(sessionUpdate: "agent_message_chunk" | "agent_thought_chunk", messageId: string, delta: string): Updates {
    return delta === "" ? none : [{ sessionUpdate, messageId, content: textOf(delta) }]
  }

  #collect(
    files: Map<string, File>,
    event: Extract<AgentEvent, { readonly type: "DATA_BLOCK_DELTA" | "TOOL_RESULT_DATA_DELTA" }>
  ) {
    const file = files.get(event.block_id) ?? { media_type: event.media_type, data: "", url: undefined }
    file.data += event.data ?? ""
    file.url = event.url ?? file.url
    files.set(event.block_id, file)
  }

  #result({ reply_id, state, tool_call_id }: Extract<AgentEvent, { readonly type: "TOOL_RESULT_END" }>): Updates {
    const { files, text } = this.#outputs.get(tool_call_id) ?? { text: "", files: new Map<string, File>() }
    this.#outputs.delete(tool_call_id)
    const told = Calls.ended(reply_id, { id: tool_call_id, output: text, state })
    const shown = [...files.values()].map((file) => ({ type: "content" as const, content: shownOf(file) }))
    return [{ sessionUpdate: "tool_call_update", ...told, content: [...told.content, ...shown] }]
  }
}

const ofBlock = (message: Message, block: ContentBlock): Updates => {
  switch (block.type) {
    case "text": {
      const sessionUpdate = message.role === "assistant" ? "agent_message_chunk" : "user_message_chunk"
      return [{
        sessionUpdate,
        messageId: message.role === "assistant" ? block.id : message.id,
        content: textOf(block.text)
      }]
    }
    case "thinking":
      return [{ sessionUpdate: "agent_thought_chunk", messageId: block.id, content: textOf(block.thinking) }]
    case "data": {
      const sessionUpdate = message.role === "assistant" ? "agent_message_chunk" : "user_message_chunk"
      const { source } = block
      const where = source.type === "url" ? { url: source.url } : { data: source.data }
      return [{ sessionUpdate, content: shownOf({ media_type: source.media_type, name: block.name, ...where }) }]
    }
    case "tool_call":
      return [{ sessionUpdate: "tool_call", status: "pending", ...Calls.whole(message.id, block) }]
    case "tool_result":
      return [{ sessionUpdate: "tool_call_update", ...Calls.ended(message.id, block) }]
    case "hint":
      return none
  }
}

/** What was said before, as if it was said now. */
export const replayOf = (message: Message): Updates => message.content.flatMap((block) => ofBlock(message, block))

/** The plan that a session has, if it has one. */
export const planIn = (tasks: ReadonlyArray<Todo> | undefined): Updates =>
  tasks === undefined || tasks.length === 0 ? none : [planOf(tasks)]
