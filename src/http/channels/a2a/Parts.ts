/** Blocks of our messages as parts, and what a run asks for as a message. */
import type { Message, ToolCallBlock } from "../../../domain/Message.ts"
import type { Head, Part, WireMessage } from "./Shapes.ts"

/** Texts that follow each other are one text, with an empty line between them. */
export const between = "\n\n"

export const json = "application/json"

/** A file: its bytes, or where they are. What this server keeps has an address of its own. */
export const filePart = (
  { base }: Pick<Head, "base">,
  media_type: string,
  place: { readonly data: string } | { readonly url: string },
  name?: string | null
): Part => ({
  ..."url" in place ? { url: place.url.startsWith("/") ? `${base}${place.url}` : place.url } : { raw: place.data },
  mediaType: media_type,
  ...(name != null && { filename: name })
})

/** What a message says, without thoughts and calls of tools. */
export const partsOf = (head: Pick<Head, "base">, content: Message["content"]): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  let text: string | undefined
  const close = () => {
    if (text !== undefined) parts.push({ text })
    text = undefined
  }
  for (const block of content) {
    if (block.type === "text" && block.text !== "") {
      text = text === undefined ? block.text : `${text}${between}${block.text}`
    } else if (block.type === "data") {
      close()
      const { name, source } = block
      parts.push(filePart(head, source.media_type, source.type === "url" ? source : { data: source.data }, name))
    }
  }
  close()
  return parts
}

export const structuredPart = (value: unknown): Part => ({ data: value, mediaType: json })

/** Arguments as they are to be read; what a model wrote and nobody can read is shown as text. */
const argumentsOf = (input: string): unknown => {
  try {
    return JSON.parse(input)
  } catch {
    return input
  }
}

type Waits = "approval" | "tool_results"

const sentences: Readonly<Record<Waits, (names: string) => string>> = {
  approval: (names) =>
    `May the agent use ${names}? Answer with "approve" or "deny", or with data: `
    + `{"approvals": [{"id": "…", "approved": true}]}.`,
  tool_results: (names) =>
    `The agent waits for what ${names} of its client gives. Answer with data: `
    + `{"results": [{"id": "…", "output": "…"}]}; the text of a message is the result of a single call.`
}

/** What a waiting run asks, in words and for programs. */
export const question = (
  { contextId, run_id }: Head,
  waits: Waits,
  calls: ReadonlyArray<Pick<ToolCallBlock, "id" | "input" | "name">>
): WireMessage => ({
  messageId: `${run_id}-asks-${calls[0]?.id ?? ""}`,
  contextId,
  taskId: run_id,
  role: "ROLE_AGENT",
  parts: [
    { text: sentences[waits](calls.map(({ name }) => name).join(", ")) },
    structuredPart({
      type: waits,
      calls: calls.map(({ id, input, name }) => ({ id, name, arguments: argumentsOf(input) }))
    })
  ]
})

/** Why a run has failed, in a sentence. */
export const complaint = ({ contextId, run_id }: Head, text: string): WireMessage => ({
  messageId: `${run_id}-failed`,
  contextId,
  taskId: run_id,
  role: "ROLE_AGENT",
  parts: [{ text }]
})
