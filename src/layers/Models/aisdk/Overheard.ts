/**
 * What servers say that the packages pass over: refusals, thoughts, what a filter found, and sources. It is read
 * from the chunks as they came, so everything here may be of any shape.
 */
import type { LanguageModelV3ToolResult } from "@ai-sdk/provider"

/** One chunk's part of it. `block` is the package's name for the text or thought that it belongs to. */
export interface Overheard {
  readonly refusal?: { readonly block: string; readonly delta: string; readonly isWhole?: boolean }
  readonly thinking?: { readonly block: string; readonly delta: string }
  /** What a filter found in the answer. */
  readonly findings?: unknown
  /** Sources of the answer, as its server writes them. */
  readonly sources?: ReadonlyArray<unknown>
  readonly executed?: ReadonlyArray<ExecutedTool>
}

/** A tool that the server has run, or is running. */
export interface ExecutedTool {
  readonly index: number
  readonly name: string
  /** Its arguments, once they are known. */
  readonly input: string | undefined
  /** What came of it, once it has run, and where that comes from. */
  readonly result: LanguageModelV3ToolResult["result"] | undefined
  readonly sources: ReadonlyArray<unknown>
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const said = (value: unknown): value is string => typeof value === "string" && value !== ""

const firstOf = (value: unknown): unknown => Array.isArray(value) ? value[0] : undefined

/** Most tools and most sources that one chunk may name. */
const maxNamed = 256

/** Azure's citations of its own data, some of which have no address: https://learn.microsoft.com/azure/ai-services/openai/references/on-your-data */
const citationsIn = (context: unknown): ReadonlyArray<unknown> | undefined =>
  isFields(context) && Array.isArray(context["citations"])
    ? context["citations"].slice(0, maxNamed).filter(isFields).map(({ content, filepath, title, url }) =>
      said(url) ? { url, title, content } : { filename: filepath, title, content }
    )
    : undefined

/** Of Chat Completions, through the package of OpenAI: https://platform.openai.com/docs/api-reference/chat-streaming */
export const inChat = (chunk: unknown): Overheard | undefined => {
  if (!isFields(chunk)) return undefined
  const choice = firstOf(chunk["choices"])
  if (!isFields(choice)) return undefined
  const findings = choice["content_filter_results"] ?? choice["content_filter_result"]
  const delta = choice["delta"]
  if (!isFields(delta)) return findings === undefined ? undefined : { findings }
  const { context, reasoning, reasoning_content = reasoning, refusal } = delta
  const sources = citationsIn(context)
  if (!said(refusal) && !said(reasoning_content) && findings === undefined && sources === undefined) return undefined
  return {
    ...(said(refusal) && { refusal: { block: "0", delta: refusal } }),
    ...(said(reasoning_content) && { thinking: { block: "0", delta: reasoning_content } }),
    ...(findings !== undefined && { findings }),
    ...(sources !== undefined && { sources })
  }
}

const executedOf = (tool: Fields, n: number): ExecutedTool => {
  const { arguments: input, code_results, index, name, output, search_results, type } = tool
  const found = isFields(search_results) ? search_results["results"] : search_results
  const hasFiles = Array.isArray(code_results) && code_results.length > 0
  return {
    index: typeof index === "number" ? index : n,
    name: [name, type].find(said) ?? "tool",
    input: said(input) ? input : isFields(input) ? JSON.stringify(input) : undefined,
    result: hasFiles ? { ...(said(output) && { output }), code_results } : said(output) ? output : undefined,
    sources: Array.isArray(found) ? found.slice(0, maxNamed) : []
  }
}

/** Tools that Groq's systems of models run, and what they found: https://console.groq.com/docs/compound/built-in-tools */
export const inGroq = (chunk: unknown): Overheard | undefined => {
  const choice = isFields(chunk) ? firstOf(chunk["choices"]) : undefined
  const delta = isFields(choice) ? choice["delta"] : undefined
  const tools = isFields(delta) ? delta["executed_tools"] : undefined
  if (!Array.isArray(tools)) return undefined
  return { executed: tools.slice(0, maxNamed).filter(isFields).map(executedOf) }
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
