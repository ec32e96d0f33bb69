/** What a run does, as lines for who waits for it. The same events give the same lines. */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { Encoder } from "../Channel.ts"

/** Longest line, in characters. */
const maxLine = 1000

export interface Line {
  /** One more each time: nobody knows how many there will be. */
  readonly progress: number
  readonly message: string
}

const short = (text: string): string => text.length > maxLine ? `${text.slice(0, maxLine)} …` : text

export class Progress implements Encoder {
  readonly #tell: (line: Line) => void
  /** Lines up to here were told before. */
  readonly #told: number
  readonly #texts = new Map<string, string>()
  readonly #calls = new Map<string, string>()
  #count = 0
  /** The last event was the run's, and not one of a pause. */
  hasEnded = false

  constructor(tell: (line: Line) => void, told = 0) {
    this.#tell = tell
    this.#told = told
  }

  readonly step = (event: AgentEvent): string => {
    switch (event.type) {
      case "REPLY_START":
        this.#say(`${event.name} begins.`)
        break
      case "TEXT_BLOCK_START":
        this.#texts.set(event.block_id, "")
        break
      case "TEXT_BLOCK_DELTA": {
        const before = this.#texts.get(event.block_id) ?? ""
        if (before.length <= maxLine) this.#texts.set(event.block_id, before + event.delta)
        break
      }
      case "TEXT_BLOCK_END": {
        const text = this.#texts.get(event.block_id) ?? ""
        this.#texts.delete(event.block_id)
        if (text.trim() !== "") this.#say(text)
        break
      }
      case "TOOL_CALL_START":
        this.#calls.set(event.tool_call_id, event.tool_call_name)
        break
      case "TOOL_RESULT_START":
        this.#say(`Uses ${event.tool_call_name}.`)
        break
      case "TOOL_RESULT_END": {
        const name = this.#calls.get(event.tool_call_id)
        this.#calls.delete(event.tool_call_id)
        if (event.state !== "success" && name !== undefined) this.#say(`${name}: ${event.state}.`)
        break
      }
      case "REPLY_END":
        this.hasEnded = true
        break
      case "REQUIRE_USER_CONFIRM":
        this.#say("Waits for a permission.")
        break
      case "REQUIRE_EXTERNAL_EXECUTION":
        this.#say("Waits for results of the client's tools.")
        break
      default:
        break
    }
    return ""
  }

  readonly failed = (): string => ""

  #say(message: string) {
    this.#count += 1
    if (this.#count > this.#told) this.#tell({ progress: this.#count, message: short(message) })
  }
}
