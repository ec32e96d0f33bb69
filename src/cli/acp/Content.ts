/** What an editor says, as the content of a message; and content as editors show it. */
import type { ContentBlock } from "@agentclientprotocol/sdk"
import type { InputMessage, ToolOutput } from "../../domain/Message.ts"

type Block = Exclude<(typeof InputMessage.Encoded)["content"], string>[number]

/** A file of the editor's, as the words by which a model knows which it is. */
const fileOf = (uri: string, text: string): string => `<file uri="${uri}">\n${text}\n</file>`

const blockOf = (block: ContentBlock): Block => {
  switch (block.type) {
    case "text":
      return { type: "text", text: block.text }
    case "image":
    case "audio":
      return { type: "data", source: { type: "base64", data: block.data, media_type: block.mimeType } }
    case "resource_link":
      return { type: "text", text: `[${block.name}](${block.uri})` }
    case "resource": {
      const { resource } = block
      if ("text" in resource) return { type: "text", text: fileOf(resource.uri, resource.text) }
      const media_type = resource.mimeType ?? "application/octet-stream"
      return { type: "data", source: { type: "base64", data: resource.blob, media_type } }
    }
  }
}

export const contentOf = (prompt: ReadonlyArray<ContentBlock>): ReadonlyArray<Block> =>
  prompt.map(blockOf).filter((block) => block.type !== "text" || block.text.trim() !== "")

export const textOf = (text: string): ContentBlock => ({ type: "text", text })

interface File {
  readonly media_type: string
  readonly data?: string | null | undefined
  readonly url?: string | null | undefined
  readonly name?: string | null | undefined
}

export const shownOf = ({ data, media_type, name, url }: File): ContentBlock => {
  if (url != null) return { type: "resource_link", uri: url, name: name ?? url, mimeType: media_type }
  if (media_type.startsWith("image/")) return { type: "image", data: data ?? "", mimeType: media_type }
  if (media_type.startsWith("audio/")) return { type: "audio", data: data ?? "", mimeType: media_type }
  const uri = `data:${media_type};name=${encodeURIComponent(name ?? "file")}`
  return { type: "resource", resource: { uri, blob: data ?? "", mimeType: media_type } }
}

export const outputOf = (output: ToolOutput): ReadonlyArray<ContentBlock> =>
  typeof output === "string"
    ? output === "" ? [] : [textOf(output)]
    : output.map((block) =>
      block.type === "text"
        ? textOf(block.text)
        : shownOf({
          media_type: block.source.media_type,
          name: block.name,
          ...(block.source.type === "url" ? { url: block.source.url } : { data: block.source.data })
        })
    )
