/**
 * What servers say that the packages pass over: refusals, thoughts, what a filter found, and sources. It is read
 * from the chunks as they came, so everything here may be of any shape.
 */

/** One chunk's part of it. `block` is the package's name for the text or thought that it belongs to. */
export interface Overheard {
  readonly refusal?: { readonly block: string; readonly delta: string; readonly isWhole?: boolean }
  readonly thinking?: { readonly block: string; readonly delta: string }
  /** What a filter found in the answer. */
  readonly findings?: unknown
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const said = (value: unknown): value is string => typeof value === "string" && value !== ""

const firstOf = (value: unknown): unknown => Array.isArray(value) ? value[0] : undefined

/** Of Chat Completions, through the package of OpenAI: https://platform.openai.com/docs/api-reference/chat-streaming */
export const inChat = (chunk: unknown): Overheard | undefined => {
  if (!isFields(chunk)) return undefined
  const choice = firstOf(chunk["choices"])
  if (!isFields(choice)) return undefined
  const findings = choice["content_filter_results"] ?? choice["content_filter_result"]
  const delta = choice["delta"]
  if (!isFields(delta)) return findings === undefined ? undefined : { findings }
  const { reasoning, reasoning_content = reasoning, refusal } = delta
  if (!said(refusal) && !said(reasoning_content) && findings === undefined) return undefined
  return {
    ...(said(refusal) && { refusal: { block: "0", delta: refusal } }),
    ...(said(reasoning_content) && { thinking: { block: "0", delta: reasoning_content } }),
    ...(findings !== undefined && { findings })
  }
}

/** Of the Responses API: https://platform.openai.com/docs/api-reference/responses-streaming */
export const inResponses = (chunk: unknown): Overheard | undefined => {
  if (!isFields(chunk)) return undefined
  const { delta, item_id, refusal, response, type } = chunk
  switch (type) {
    case "response.refusal.delta":
      return said(delta) && said(item_id) ? { refusal: { block: item_id, delta } } : undefined
    case "response.refusal.done":
      return said(refusal) && said(item_id)
        ? { refusal: { block: item_id, delta: refusal, isWhole: true } }
        : undefined
    case "response.reasoning_text.delta":
      return said(delta) && said(item_id) ? { thinking: { block: `${item_id}:0`, delta } } : undefined
    case "response.incomplete":
    case "response.completed":
      return isFields(response) && response["content_filters"] !== undefined
        ? { findings: response["content_filters"] }
        : undefined
    default:
      return undefined
  }
}
