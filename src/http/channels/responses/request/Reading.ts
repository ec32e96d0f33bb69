/** What a request says, as it is read item by item: its turns, and the calls of tools that still want their results. */
import type { Invalid } from "../../../../domain/Errors.ts"
import type { BlockId, ToolCallId } from "../../../../domain/Ids.ts"
import type { ContentBlock, InputMessage, Message, ToolOutput } from "../../../../domain/Message.ts"
import { storedCallId } from "../../openai/output/Encode.ts"
import { refuse } from "../../openai/request/Refused.ts"

/** One turn of an exchange, with the place at which the request has it. */
export type Turn =
  | { readonly role: "user"; readonly at: string; readonly content: InputMessage["content"] }
  | { readonly role: "assistant"; readonly at: string; readonly content: ReadonlyArray<ContentBlock> }

export interface Result {
  readonly call: string
  readonly at: string
  readonly output: ToolOutput
}

export interface Approval {
  readonly home: string
  readonly call: ToolCallId
  readonly approve: boolean
}

export interface Said {
  /** What the system and the developer say. */
  readonly instructions: ReadonlyArray<string>
  readonly turns: ReadonlyArray<Turn>
  /** Of calls that this request does not hold itself. */
  readonly results: ReadonlyArray<Result>
  readonly approvals: ReadonlyArray<Approval>
  /** Nothing comes after them. */
  readonly endsWithApproval: boolean
  /** Types of items that say nothing to anybody here. */
  readonly leftOut: ReadonlyArray<string>
}

/** What an earlier item was, by its id. */
export type Referred = ReadonlyMap<string, Pick<Message, "role" | "content">>

type Assistant = Extract<Turn, { readonly role: "assistant" }>
type Open = Omit<Assistant, "content"> & { readonly content: Array<ContentBlock> }

export class Reader {
  readonly instructions: Array<string> = []
  readonly turns: Array<Turn> = []
  readonly results: Array<Result> = []
  readonly approvals: Array<Approval> = []
  readonly leftOut = new Set<string>()
  readonly #newBlock: () => string
  readonly #referred: Referred
  #open: Open | undefined
  /** Calls that are in this request, and whether they have a result. */
  readonly #calls = new Map<
    string,
    { readonly at: string; readonly turn: Open; readonly name: string; done: boolean }
  >()

  constructor(newBlock: () => string, referred: Referred) {
    this.#newBlock = newBlock
    this.#referred = referred
  }

  id() {
    return this.#newBlock() as BlockId
  }

  assistant(at: string): Array<ContentBlock> {
    return this.#assistant(at).content
  }

  #assistant(at: string): Open {
    if (this.#open === undefined) {
      this.#open = { role: "assistant", at, content: [] }
      this.turns.push(this.#open)
    }
    return this.#open
  }

  user(at: string, content: InputMessage["content"]) {
    this.#open = undefined
    this.turns.push({ role: "user", at, content })
  }

  call(at: string, call_id: string, name: string, input: string): Invalid | undefined {
    if (this.#calls.has(call_id)) return refuse("invalid", `${at}.call_id`, "Another call has this id")
    const turn = this.#assistant(at)
    this.#calls.set(call_id, { at, turn, name, done: false })
    turn.content.push({
      type: "tool_call",
      id: storedCallId(call_id) as ToolCallId,
      name,
      input,
      state: "finished",
      suggested_rules: []
    })
    return undefined
  }

  result(at: string, call_id: string, output: ToolOutput, state: "success" | "error" = "success"): Invalid | undefined {
    const call = this.#calls.get(call_id)
    const twice = refuse("invalid", `${at}.call_id`, "This call is answered twice")
    if (call === undefined) {
      if (this.results.some((result) => result.call === call_id)) return twice
      this.results.push({ call: call_id, at, output })
      return undefined
    }
    if (call.done) return twice
    call.done = true
    call.turn.content.push({
      type: "tool_result",
      id: storedCallId(call_id) as ToolCallId,
      name: call.name,
      output,
      state
    })
    return undefined
  }

  refer(at: string, id: string): Invalid | undefined {
    const found = this.#referred.get(id)
    if (found === undefined) return refuse("item_not_found", at, `Item with id '${id}' not found`)
    if (found.role !== "assistant") {
      const blocks = found.content.flatMap((block): Exclude<InputMessage["content"], string> =>
        block.type === "text" || block.type === "data" ? [block] : []
      )
      this.user(at, blocks)
      return undefined
    }
    for (const block of found.content) {
      if (block.type === "tool_call") {
        const problem = this.call(at, block.id, block.name, block.input)
        if (problem !== undefined) return problem
      } else if (block.type === "tool_result") {
        const problem = this.result(at, block.id, block.output)
        if (problem !== undefined) return problem
      } else this.assistant(at).push(block)
    }
    return undefined
  }

  /** The first call that nothing answers. */
  unanswered(): Invalid | undefined {
    const open = [...this.#calls].find(([, { done }]) => !done)
    return open === undefined
      ? undefined
      : refuse("missing_tool_output", open[1].at, `No tool output found for function call ${open[0]}`)
  }
}
