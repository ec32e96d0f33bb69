/** The chunks of the protocol as frames, and words of it. */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { Annotation } from "../../../domain/Message.ts"
import type { Usage } from "../../../domain/Usage.ts"

export type EventOf<Type extends AgentEvent["type"]> = Extract<AgentEvent, { readonly type: Type }>

export const chunk = (type: string, members: object = {}): string => `data: ${JSON.stringify({ type, ...members })}\n\n`

const reasons: Readonly<Record<string, string>> = {
  end_turn: "stop",
  max_tokens: "length",
  content_filter: "content-filter",
  refusal: "content-filter"
}

export const finishOf = ({ finished_reason, stop_reason }: EventOf<"REPLY_END">): string =>
  finished_reason === "exceed_max_iters" ? "other" : reasons[stop_reason ?? "end_turn"] ?? "other"

export const usageOf = ({ cache_input_tokens, input_tokens, output_tokens, reasoning_tokens }: Usage) => ({
  inputTokens: input_tokens,
  outputTokens: output_tokens,
  totalTokens: input_tokens + output_tokens,
  ...(cache_input_tokens !== undefined && { cachedInputTokens: cache_input_tokens }),
  ...(reasoning_tokens !== undefined && { reasoningTokens: reasoning_tokens })
})

/** A source that a text names, as a part of its own. */
export const sourceOf = (id: string, { cited_text, file_id, title, type, url }: Annotation): string =>
  type === "url_citation" && url !== undefined
    ? chunk("source-url", { sourceId: id, url, ...(title !== undefined && { title }) })
    : chunk("source-document", {
      sourceId: id,
      mediaType: "text/plain",
      title: title ?? file_id ?? cited_text ?? "A document"
    })
