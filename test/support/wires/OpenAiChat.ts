/**
 * The Chat Completions protocol, as OpenAI describes it and as others speak it:
 * https://platform.openai.com/docs/api-reference/chat-streaming
 */
import { read } from "./OpenAiChatAsked.ts"
import { openAi, openAiShape, type Refusals, refuse, type Told } from "./Refusals.ts"
import { numbered, type Say, type Saying, type Spent, type Stop } from "./Say.ts"
import { chat, type ChatRules } from "./Strict.ts"
import { type Embeddings, eventStream, json, listed, sse, type Wire } from "./Wire.ts"

interface Chunk {
  readonly choices: ReadonlyArray<object>
}

/** How a provider's dialect differs from OpenAI's own. */
export interface Flavour {
  /** The deltas of one thought. */
  readonly thinking?: (delta: string) => object
  /** What comes when a thought with a signature has ended. */
  readonly signature?: (signature: string) => object
  /** Whether arguments come in pieces; else each call comes whole. */
  readonly pieces?: boolean
  /** Whether a call has its `index`. */
  readonly indexed?: boolean
  readonly stops?: Partial<Record<Stop, string>>
  readonly usage?: (spent: Spent) => object
  /** Where the usage is; else in a chunk of its own. */
  readonly usageIn?: (last: Chunk, usage: object) => ReadonlyArray<object>
  readonly image?: (media_type: string, data: string) => object
  readonly refusals?: Partial<Refusals>
  readonly shape?: (told: Told, words: string) => object
  readonly breakOff?: Wire["breakOff"]
  /** Sent before the first chunk. */
  readonly preamble?: ReadonlyArray<Uint8Array>
  readonly models?: Wire["models"]
  readonly embeddings?: Embeddings | undefined
  readonly rules?: ChatRules
}

const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "fake" }

const chunk = (delta: object, finish_reason: string | null = null): Chunk => ({
  ...head,
  choices: [{ index: 0, delta, finish_reason }]
})

export const usage = ({ cached, input, output, reasoning }: Spent) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached },
  completion_tokens_details: { reasoning_tokens: reasoning }
})

const ownChunk = (last: Chunk, usage: object) => [last, { ...head, choices: [], usage }]

export const withFinish = (last: Chunk, usage: object) => [{ ...last, usage }]

export const inChoice = (last: Chunk, usage: object) => [
  { ...last, choices: last.choices.map((choice) => ({ ...choice, usage })) }
]

const deltas = (flavour: Flavour, [part, n]: readonly [Saying, number]): ReadonlyArray<object> => {
  switch (part.type) {
    case "text":
      return part.deltas.map((content) => ({ content }))
    case "thinking":
      return [
        ...part.deltas.map(flavour.thinking ?? (() => ({}))),
        ...(flavour.signature && part.signature !== undefined ? [flavour.signature(part.signature)] : [])
      ]
    case "call": {
      const { indexed = true, pieces = true } = flavour
      const index = indexed ? { index: n } : {}
      const start = (args: string) => ({
        tool_calls: [{ ...index, id: part.id, type: "function", function: { name: part.name, arguments: args } }]
      })
      if (!pieces) return [start(part.pieces.join(""))]
      return [start(""), ...part.pieces.map((args) => ({ tool_calls: [{ ...index, function: { arguments: args } }] }))]
    }
    case "file":
      return flavour.image === undefined ? [] : [flavour.image(part.media_type, part.data)]
  }
}

/** Parallel calls in turns, a piece each: nothing says that one ends before the next begins. */
const interleaved = (parts: ReadonlyArray<ReadonlyArray<object>>): ReadonlyArray<object> =>
  Array.from(
    { length: Math.max(0, ...parts.map(({ length }) => length)) },
    (_, n) => parts.flatMap((part) => part[n] ?? [])
  ).flat()

const ours: Readonly<Record<Stop, string>> = {
  stop: "stop",
  tool_calls: "tool_calls",
  length: "length",
  content_filter: "content_filter"
}

const sayWith = (flavour: Flavour) => ({ parts, spent, stop, word }: Say) => {
  const all = numbered(parts)
  const said = [
    { role: "assistant", content: "" },
    ...all.filter(([{ type }]) => type !== "call").flatMap((part) => deltas(flavour, part)),
    ...interleaved(all.filter(([{ type }]) => type === "call").map((part) => deltas(flavour, part)))
  ].map((delta) => chunk(delta))
  const last = chunk({}, word ?? flavour.stops?.[stop] ?? ours[stop])
  const ending = (flavour.usageIn ?? ownChunk)(last, (flavour.usage ?? usage)(spent))
  const preamble = flavour.preamble ?? []
  return {
    content_type: eventStream,
    chunks: [...preamble, ...[...said, ...ending].map((one) => sse(one)), sse("[DONE]")],
    whole: preamble.length + said.length + 1
  }
}

/** `GET /models` */
export const models: Wire["models"] = (names) =>
  json({ object: "list", data: names.map((id) => ({ id, object: "model", created: 1, owned_by: "fake" })) })

/** `POST /embeddings` */
export const embeddings: Embeddings = {
  answer: (vectors, tokens) =>
    json({
      object: "list",
      model: "fake",
      data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
      usage: { prompt_tokens: tokens, total_tokens: tokens }
    }),
  read: ({ body }) => ({ model: body.model, input: listed(body.input), dimensions: body.dimensions })
}

export const wire = (flavour: Flavour): Wire => {
  const refusals = { ...openAi, ...flavour.refusals }
  const shape = flavour.shape ?? openAiShape
  return {
    say: sayWith(flavour),
    read,
    faults: chat(flavour.rules ?? {}),
    refuse: refuse(refusals, shape),
    breakOff: flavour.breakOff ?? ((words, why) => sse(shape(refusals[why], words))),
    models: flavour.models ?? models,
    ...(flavour.embeddings && { embeddings: flavour.embeddings })
  }
}
