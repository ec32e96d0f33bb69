/**
 * An answer in the making, as `chat.completion` or as the older `text_completion`:
 * the frames of a stream as it goes on, and the whole of it at the end. What it
 * answers depends on what it was told alone, so that a run rendered again gives the same bytes.
 */
import { Schema } from "effect"
import { Usage } from "../../../../domain/Usage.ts"
import { addUsage, noUsage } from "../../../../domain/UsageSum.ts"

export type Finish = "stop" | "length" | "tool_calls" | "content_filter"

const Call = Schema.Struct({ id: Schema.String, name: Schema.String, input: Schema.String })

const Choice = Schema.Struct({
  text: Schema.String,
  reasoning: Schema.String,
  calls: Schema.Array(Call),
  finish: Schema.Literal("stop", "length", "tool_calls", "content_filter")
})

/** An answer that is over; kept for whoever asks again with the same key. */
export const Answered = Schema.Struct({
  id: Schema.String,
  created: Schema.Int,
  choices: Schema.Array(Choice),
  usage: Usage
})
export type Answered = typeof Answered.Type

interface Open {
  text: string
  reasoning: string
  readonly calls: Array<{ id: string; name: string; input: string }>
  finish: Finish | undefined
  /** Its first frame, which says whose words they are, has gone out. */
  begun: boolean
}

export interface Head {
  readonly id: string
  /** As the client asked for it. */
  readonly model: string
  readonly kind: "chat" | "text"
  /** Answers to the request. */
  readonly choices: number
  /** Whether frames are made. */
  readonly streams: boolean
  /** Whether the last frame tells of the tokens. */
  readonly tellsUsage: boolean
}

const usageOf = (usage: Usage) => ({
  prompt_tokens: usage.input_tokens,
  completion_tokens: usage.output_tokens,
  total_tokens: usage.input_tokens + usage.output_tokens,
  prompt_tokens_details: { cached_tokens: usage.cache_input_tokens ?? 0 },
  completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 }
})

export class Completion {
  readonly #head: Head
  readonly #choices: ReadonlyArray<Open>
  #usage: Usage = noUsage
  #created = 0
  #id: string
  /** What every frame begins with, and what those that have choices end with. */
  #before = ""
  readonly #after: string
  #frames = ""

  constructor(head: Head) {
    this.#head = head
    this.#id = head.id
    this.#choices = Array.from({ length: head.choices }, () => ({
      text: "",
      reasoning: "",
      calls: [],
      finish: undefined,
      begun: false
    }))
    this.#after = head.tellsUsage ? "}],\"usage\":null}\n\n" : "}]}\n\n"
  }

  /** Says when the answer began, in seconds, and what it was called when it was made; the first word counts. */
  begin(created: number, id: string = this.#id) {
    if (this.#created !== 0) return
    this.#created = created
    this.#id = id
    const { kind, model } = this.#head
    const object = kind === "chat" ? "chat.completion.chunk" : "text_completion"
    this.#before = `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${created},"model":${
      JSON.stringify(model)
    },"choices":[`
  }

  text(index: number, delta: string) {
    if (delta === "") return
    this.#choices[index]!.text += delta
    if (this.#head.kind === "text") this.#chunk(index, `"text":${JSON.stringify(delta)}`, null)
    else this.#delta(index, `"content":${JSON.stringify(delta)}`)
  }

  reasoning(index: number, delta: string) {
    if (delta === "" || this.#head.kind === "text") return
    this.#choices[index]!.reasoning += delta
    this.#delta(index, `"reasoning_content":${JSON.stringify(delta)}`)
  }

  /** A call of a tool; its arguments may come later, and in pieces. */
  call(index: number, id: string, name: string, input = "") {
    if (this.#head.kind === "text") return
    const place = this.#choices[index]!.calls.push({ id, name, input }) - 1
    const call = `{"index":${place},"id":${JSON.stringify(id)},"type":"function","function":{"name":${
      JSON.stringify(name)
    },"arguments":${JSON.stringify(input)}}}`
    this.#delta(index, `"tool_calls":[${call}]`)
  }

  extend(index: number, id: string, input: string) {
    const { calls } = this.#choices[index]!
    const place = calls.findLastIndex((call) => call.id === id)
    if (place < 0 || input === "") return
    calls[place]!.input += input
    this.#delta(
      index,
      `"tool_calls":[{"index":${place},"function":{"arguments":${JSON.stringify(input)}}}]`
    )
  }

  used(usage: Usage) {
    this.#usage = addUsage(this.#usage, usage)
  }

  finish(index: number, finish: Finish) {
    const choice = this.#choices[index]!
    if (choice.finish !== undefined) return
    choice.finish = finish
    if (this.#head.kind === "text") this.#chunk(index, "\"text\":\"\"", finish)
    else if (choice.begun) this.#chunk(index, "\"delta\":{}", finish)
    else this.#chunk(index, "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}", finish)
    choice.begun = true
    if (this.#choices.some((one) => one.finish === undefined)) return
    if (this.#head.streams && this.#head.tellsUsage) {
      this.#frames += `${this.#before}],"usage":${JSON.stringify(usageOf(this.#usage))}}\n\n`
    }
  }

  /** The frames since the last time. */
  take(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }

  answered(): Answered {
    return {
      id: this.#id,
      created: this.#created,
      usage: this.#usage,
      choices: this.#choices.map(({ calls, finish = "stop", reasoning, text }) => ({ calls, finish, reasoning, text }))
    }
  }

  #delta(index: number, members: string) {
    const choice = this.#choices[index]!
    const role = choice.begun ? "" : "\"role\":\"assistant\","
    choice.begun = true
    this.#chunk(index, `"delta":{${role}${members}}`, null)
  }

  #chunk(index: number, members: string, finish: Finish | null) {
    if (!this.#head.streams) return
    const reason = finish === null ? "null" : `"${finish}"`
    this.#frames +=
      `${this.#before}{"index":${index},${members},"logprobs":null,"finish_reason":${reason}${this.#after}`
  }
}

/** Tells a completion of an answer that is over, all at once. */
export const replay = (completion: Completion, { choices, created, id, usage }: Answered): void => {
  completion.begin(created, id)
  completion.used(usage)
  for (const [i, { calls, finish, reasoning, text }] of choices.entries()) {
    completion.reasoning(i, reasoning)
    completion.text(i, text)
    for (const { id, input, name } of calls) completion.call(i, id, name, input)
    completion.finish(i, finish)
  }
}

/** The answer to who does not stream. */
export const whole = ({ kind, model }: Pick<Head, "kind" | "model">, { choices, created, id, usage }: Answered) => ({
  id,
  object: kind === "chat" ? "chat.completion" : "text_completion",
  created,
  model,
  choices: choices.map(({ calls, finish, reasoning, text }, index) =>
    kind === "text" ? { index, text, logprobs: null, finish_reason: finish } : {
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        refusal: null,
        ...(reasoning !== "" && { reasoning_content: reasoning }),
        ...(calls.length > 0 && {
          tool_calls: calls.map(({ id, input, name }) => ({
            id,
            type: "function",
            function: { name, arguments: input }
          }))
        })
      },
      logprobs: null,
      finish_reason: finish
    }
  ),
  usage: usageOf(usage)
})
