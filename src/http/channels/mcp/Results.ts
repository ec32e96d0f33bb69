/** A reply as the result of a tool. */
import type { CallToolResult } from "@modelcontextprotocol/server"
import type { RunId, SessionId } from "../../../domain/Ids.ts"
import type { ContentBlock, Message } from "../../../domain/Message.ts"

type Item = CallToolResult["content"][number]

const fileOf = ({ name, source }: Extract<ContentBlock, { readonly type: "data" }>, base: string): Item => {
  const { media_type: mimeType } = source
  if (source.type === "url") {
    const uri = source.url.startsWith("/") ? `${base}${source.url}` : source.url
    return { type: "resource_link", uri, name: name ?? "file", mimeType }
  }
  const { data } = source
  if (mimeType.startsWith("image/")) return { type: "image", data, mimeType }
  if (mimeType.startsWith("audio/")) return { type: "audio", data, mimeType }
  return {
    type: "resource",
    resource: { uri: `stoa://files/${encodeURIComponent(name ?? "file")}`, mimeType, blob: data }
  }
}

const contentOf = ({ content }: Message, base: string): Array<Item> =>
  content.flatMap((block): ReadonlyArray<Item> => {
    if (block.type === "text") return block.text === "" ? [] : [{ type: "text", text: block.text }]
    return block.type === "data" ? [fileOf(block, base)] : []
  })

export interface Head {
  readonly run_id: RunId
  readonly session_id: SessionId
  readonly base: string
}

/** What a client's model does not have to read. */
const metaOf = ({ run_id, session_id }: Head, reply: Message | undefined) => ({
  "stoa/run_id": run_id,
  "stoa/session_id": session_id,
  ...(reply?.usage != null && { "stoa/usage": reply.usage }),
  ...(reply?.stop_reason !== undefined && { "stoa/stop_reason": reply.stop_reason })
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const resultOf = (head: Head, reply: Message): CallToolResult => {
  const { structured_output } = reply
  return {
    content: contentOf(reply, head.base),
    ...(isObject(structured_output) && { structuredContent: structured_output }),
    _meta: metaOf(head, reply)
  }
}

/** The agent did not come to an answer. Its client's model is told why, and what there was until then. */
export const failedResult = (head: Head | undefined, reason: string, reply?: Message): CallToolResult => ({
  content: [
    ...(reply === undefined || head === undefined ? [] : contentOf(reply, head.base)),
    { type: "text", text: reason }
  ],
  isError: true,
  ...(head !== undefined && { _meta: metaOf(head, reply) })
})
