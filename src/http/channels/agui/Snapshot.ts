/** A transcript as this protocol's messages: the same ones, with the same ids, as its events make at a client. */
import type { DataBlock, Message, TextBlock } from "../../../domain/Message.ts"
import { callerId, callId, resultId, textId } from "./Ids.ts"
import { idAtClient } from "./Metadata.ts"
import { contentOf, partOf } from "./Shapes.ts"

interface Caller {
  readonly id: string
  readonly role: "assistant"
  readonly content?: string
  toolCalls?: Array<object>
}

const ofUser = (message: Message): ReadonlyArray<object> => {
  const blocks = message.content.filter((block): block is TextBlock | DataBlock =>
    block.type === "text" || block.type === "data"
  )
  if (blocks.length === 0) return []
  // Text of one message is one text: a client that has sent a string finds it again.
  const content = contentOf(blocks.map(partOf), false)
  return [{ id: idAtClient(message), role: message.role, content }]
}

const ofAssistant = (message: Message, isOld: boolean): ReadonlyArray<object> => {
  const messages: Array<object> = []
  let caller: Caller | undefined
  const carry = (made: Caller) => {
    caller = made
    messages.push(made)
    return made
  }
  for (const block of message.content) {
    switch (block.type) {
      case "text":
        carry({ id: textId(block.id), role: "assistant", content: block.text })
        break
      case "thinking":
        messages.push({ id: textId(block.id), role: "reasoning", content: block.thinking })
        break
      case "tool_call": {
        const one: Caller = caller ?? carry({ id: callerId(message.id, block.id), role: "assistant" })
        one.toolCalls = [
          ...one.toolCalls ?? [],
          { id: callId(message.id, block.id), type: "function", function: { name: block.name, arguments: block.input } }
        ]
        break
      }
      case "tool_result": {
        caller = undefined
        if (block.state === "running") break
        const parts = typeof block.output === "string"
          ? [{ type: "text" as const, text: block.output }]
          : block.output.map(partOf)
        messages.push({
          id: resultId(message.id, block.id),
          role: "tool",
          toolCallId: callId(message.id, block.id),
          content: contentOf(parts, isOld)
        })
      }
    }
  }
  return messages
}

export const messagesOf = (messages: ReadonlyArray<Message>, isOld: boolean): ReadonlyArray<object> =>
  messages.flatMap((message) => message.role === "assistant" ? ofAssistant(message, isOld) : ofUser(message))
