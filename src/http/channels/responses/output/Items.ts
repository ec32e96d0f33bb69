/** Items as the protocol writes them: those of answers, and those of requests when they are listed. */
import type { JsonObject } from "../../../../domain/Json.ts"
import * as JsonScan from "../../../../domain/JsonScan.ts"
import type { Annotation, ContentBlock, Message, ToolOutput } from "../../../../domain/Message.ts"
import { textOf } from "../../../../domain/MessageText.ts"
import { itemId } from "./ItemIds.ts"

export type Item = JsonObject & { readonly id: string; readonly type: string }

/** What the server's own tools are called to come from. */
const serverLabel = "stoa"

const annotationOf = ({ cited_text, end_index = 0, file_id, start_index = 0, title, type, url }: Annotation) =>
  type === "file_citation"
    ? { type, file_id: file_id ?? "", filename: title ?? "", index: start_index }
    : { type, url: url ?? "", title: title ?? cited_text ?? "", start_index, end_index }

export const annotationsOf = (annotations: ReadonlyArray<Annotation> | undefined) =>
  (annotations ?? []).map(annotationOf)

export const textPart = (text: string, annotations: ReadonlyArray<object> = []) => ({
  type: "output_text",
  text,
  annotations,
  logprobs: []
})

export const messageItem = (id: string, status: string, content: ReadonlyArray<object>): Item => ({
  id,
  type: "message",
  status,
  role: "assistant",
  content
})

const prefix = "stoa1."

/** What a provider wants back with a thought. It is no secret from whoever may see the thought; only its provider can use it. */
export const encryptedOf = (provider_metadata: JsonObject | undefined): string | undefined =>
  provider_metadata === undefined
    ? undefined
    : prefix + Buffer.from(JSON.stringify(provider_metadata)).toString("base64url")

/** Deepest, and most openings and commas: what is deeper could not be written again. */
const maxDepth = 32
const maxMarks = 1_000

export const readEncrypted = (text: string): JsonObject | undefined => {
  if (!text.startsWith(prefix)) return undefined
  const bytes = Buffer.from(text.slice(prefix.length), "base64url")
  if (JsonScan.make(maxDepth, maxMarks).take(bytes) !== undefined) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined
  } catch {
    return undefined
  }
}

export const reasoningItem = (
  id: string,
  summary: ReadonlyArray<object>,
  encrypted: string | null | undefined,
  status = "completed"
): Item => ({
  id,
  type: "reasoning",
  summary,
  ...(encrypted !== undefined && { encrypted_content: encrypted }),
  status
})

export const summaryPart = (text: string) => ({ type: "summary_text", text })

export const callItem = (
  session: string,
  call: { readonly id: string; readonly name: string; readonly input: string }
) => ({
  id: itemId("fc", session, call.id),
  type: "function_call",
  status: "completed",
  arguments: call.input,
  call_id: call.id,
  name: call.name
})

export const approvalItem = (
  session: string,
  call: { readonly id: string; readonly name: string; readonly input: string }
): Item => ({
  id: itemId("mcpr", session, call.id),
  type: "mcp_approval_request",
  arguments: call.input,
  name: call.name,
  server_label: serverLabel
})

export interface ServerCall {
  readonly id: string
  readonly name: string
  readonly input: string
  readonly output: string | null
  readonly error: string | null
  readonly status: "in_progress" | "completed" | "failed"
}

export const serverCallItem = (session: string, { error, id, input, name, output, status }: ServerCall): Item => ({
  id: itemId("mcp", session, id),
  type: "mcp_call",
  status,
  approval_request_id: null,
  arguments: input,
  error,
  name,
  output,
  server_label: serverLabel
})

export const imageItem = (id: string, result: string | null): Item => ({
  id,
  type: "image_generation_call",
  status: result === null ? "in_progress" : "completed",
  result
})

/** A tool's output as the protocol has it: a text, or parts. */
export const outputOf = (output: ToolOutput): string | ReadonlyArray<object> =>
  typeof output === "string" || output.every(({ type }) => type === "text")
    ? textOf(output)
    : output.map(inputPart)

const inputPart = (block: ContentBlock): object => {
  if (block.type !== "data") return { type: "input_text", text: block.type === "text" ? block.text : "" }
  const { source } = block
  const url = source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`
  return source.media_type.startsWith("image/")
    ? { type: "input_image", image_url: url, detail: "auto" }
    : {
      type: "input_file",
      filename: block.name ?? null,
      ...(source.type === "url" ? { file_url: url } : { file_data: url })
    }
}

/** A message of a session as items. What an answer was streamed as, it is listed as, under the same ids. */
export const itemsOf = (
  session: string,
  { content, id, role }: Message,
  clientTools: ReadonlySet<string>
): ReadonlyArray<Item> => {
  if (role !== "assistant") {
    return [{
      id: itemId("msg", session, id),
      type: "message",
      status: "completed",
      role,
      content: content.map(inputPart)
    }]
  }
  const results = new Map(content.flatMap((block) => block.type === "tool_result" ? [[block.id as string, block]] : []))
  return content.flatMap((block): ReadonlyArray<Item> => {
    switch (block.type) {
      case "text":
        return [messageItem(itemId("msg", session, block.id), "completed", [
          textPart(block.text, annotationsOf(block.annotations))
        ])]
      case "thinking":
        return [reasoningItem(itemId("rs", session, block.id), [summaryPart(block.thinking)], undefined)]
      case "data":
        return block.source.type === "base64"
          ? [imageItem(itemId("ig", session, block.id), block.source.data)]
          : []
      case "tool_call": {
        const result = results.get(block.id)
        if (clientTools.has(block.name)) {
          return result === undefined || result.state === "running" ? [callItem(session, block)] : [
            callItem(session, block),
            {
              id: itemId("fco", session, block.id),
              type: "function_call_output",
              status: "completed",
              call_id: block.id,
              output: outputOf(result.output)
            }
          ]
        }
        if (block.state === "asking") return [approvalItem(session, block)]
        return result === undefined ? [] : [serverCallItem(session, {
          id: block.id,
          name: block.name,
          input: block.input,
          ...endOf(result.state, textOf(result.output))
        })]
      }
      default:
        return []
    }
  })
}

/** How a call of the server's ended, of its state. */
export const endOf = (state: string, text: string): Pick<ServerCall, "error" | "output" | "status"> =>
  state === "success"
    ? { status: "completed", output: text, error: null }
    : { status: "failed", output: null, error: text === "" ? state : text }
