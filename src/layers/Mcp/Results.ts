/** What a tool of an MCP server answers, as parts of a tool's output. */
import type { ToolPart } from "../../services/Toolbox.ts"
import type { Veil } from "../Veil.ts"

/** One block of an answer, as far as it is looked at. */
export interface Content {
  readonly type: string
  readonly text?: unknown
  readonly data?: unknown
  readonly mimeType?: unknown
  readonly name?: unknown
  readonly uri?: unknown
  readonly description?: unknown
  readonly resource?: unknown
}

export interface Answer {
  readonly content: ReadonlyArray<Content>
  readonly structuredContent?: unknown
  readonly isError?: boolean | undefined
}

/** Longest address and name that are told of a resource, in characters. */
const maxLine = 2_000

const textOf = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

const line = (value: unknown): string => (textOf(value) ?? "").replace(/\s+/g, " ").slice(0, maxLine)

const mediaType = (value: unknown, otherwise: string): string => {
  const type = textOf(value) ?? ""
  return type.length <= 127 && /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : otherwise
}

/** Tells an answer piece by piece. `newBlock` names a file among the parts. */
export const tell = (
  { content, isError, structuredContent }: Answer,
  veil: Veil,
  newBlock: () => string,
  emit: (part: ToolPart) => void
): "success" | "error" => {
  let isFirst = true
  const say = (text: string) => {
    const clean = veil(text.toWellFormed().replaceAll("\0", "\ufffd"))
    if (clean === "") return
    emit({ type: "text", delta: isFirst ? clean : `\n${clean}` })
    isFirst = false
  }
  const show = (data: unknown, media_type: string) => {
    const base64 = textOf(data)
    if (base64 === undefined || base64 === "") return say("[A file of the answer had no content.]")
    emit({ type: "data", block: newBlock(), media_type, data: base64 })
  }
  for (const block of content) {
    switch (block.type) {
      case "text":
        say(textOf(block.text) ?? "")
        break
      case "image":
        show(block.data, mediaType(block.mimeType, "image/png"))
        break
      case "audio":
        show(block.data, mediaType(block.mimeType, "audio/wav"))
        break
      case "resource_link":
        say(
          `[Resource ${line(block.uri)}${block.name === undefined ? "" : `: ${line(block.name)}`}${
            block.description === undefined ? "" : `, ${line(block.description)}`
          }]`
        )
        break
      case "resource": {
        const resource = (block.resource ?? {}) as Readonly<Record<string, unknown>>
        say(`[Resource ${line(resource["uri"])}]`)
        if (typeof resource["text"] === "string") say(resource["text"])
        else show(resource["blob"], mediaType(resource["mimeType"], "application/octet-stream"))
        break
      }
      default:
        say(`[Content of an unknown kind: ${line(block.type)}]`)
    }
  }
  if (content.length === 0 && structuredContent !== undefined) say(JSON.stringify(structuredContent))
  return isError === true ? "error" : "success"
}
