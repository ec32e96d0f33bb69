/** One message of the model in the making, piece by piece. */
import type { AgentEvent } from "../../../../domain/Event.ts"
import { answerId, callId } from "./Messages.ts"

type Piece = Extract<
  AgentEvent,
  { readonly type: "TEXT_BLOCK_DELTA" | "THINKING_BLOCK_DELTA" | "TOOL_CALL_START" | "TOOL_CALL_DELTA" }
>

/** A message is told again when it has grown by so much of itself: all that is sent of a long one stays within a multiple of it. */
const growth = 16

export class Answer {
  readonly id: string
  readonly #reply: string
  readonly #place: number
  isOpen = false
  #text = ""
  #thoughts = ""
  /** Places of the calls, by their ids. */
  readonly #calls = new Map<string, number>()
  #toldAt = 0

  /** `place`: how many messages of the model come before it in the reply. */
  constructor(reply: string, place: number) {
    this.#reply = reply
    this.#place = place
    this.id = answerId(reply, place)
  }

  opened(): Answer {
    this.isOpen = true
    return this
  }

  /** What comes after a result is another message. */
  next(): Answer {
    return this.isOpen ? new Answer(this.#reply, this.#place + 1) : this
  }

  #chunk = (fields: object) => ({
    type: "AIMessageChunk",
    id: this.id,
    content: "",
    tool_call_chunks: [],
    additional_kwargs: {},
    response_metadata: {},
    ...fields
  })

  take(event: Piece): object {
    switch (event.type) {
      case "TEXT_BLOCK_DELTA":
        this.#text += event.delta
        return this.#chunk({ content: event.delta })
      case "THINKING_BLOCK_DELTA":
        this.#thoughts += event.delta
        return this.#chunk({ additional_kwargs: { reasoning_content: event.delta } })
      case "TOOL_CALL_START": {
        const index = this.#calls.size
        this.#calls.set(event.tool_call_id, index)
        const id = callId(this.#reply, event.tool_call_id)
        return this.#chunk({
          tool_call_chunks: [{ id, index, name: event.tool_call_name, args: "", type: "tool_call_chunk" }]
        })
      }
      case "TOOL_CALL_DELTA": {
        const index = this.#calls.get(event.tool_call_id) ?? 0
        return this.#chunk({ tool_call_chunks: [{ index, args: event.delta, type: "tool_call_chunk" }] })
      }
    }
  }

  /** Whether there is enough that is new to tell the message again. */
  isGrown(): boolean {
    const length = this.#text.length + this.#thoughts.length
    if (length === this.#toldAt || (length - this.#toldAt) * growth < length) return false
    this.#toldAt = length
    return true
  }

  partial(): object {
    return {
      type: "ai",
      id: this.id,
      content: this.#text,
      tool_calls: [],
      additional_kwargs: this.#thoughts === "" ? {} : { reasoning_content: this.#thoughts },
      response_metadata: {}
    }
  }

  usage(usage_metadata: object): object {
    return this.#chunk({ usage_metadata })
  }
}
