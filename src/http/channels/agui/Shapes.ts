/** Results of tools, interrupts and usage, as this protocol writes them, and for its clients of before 1.0. */
import type { ToolCallBlock, ToolOutput } from "../../../domain/Message.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { addUsage } from "../../../domain/UsageSum.ts"
import { callId } from "./Ids.ts"

/** The protocol as we speak it. */
export const protocolVersion = "1.0"

type Output = Exclude<ToolOutput, string>[number]

export type Part = { readonly type: "text"; readonly text: string } | {
  readonly type: "image" | "audio" | "video" | "document"
  readonly source: { readonly type: "data" | "url"; readonly value: string; readonly mimeType: string }
}

const kinds = ["image", "audio", "video"] as const

/** The kind of part that a file of this type is. */
const kindOf = (type: string) => kinds.find((kind) => type.startsWith(`${kind}/`)) ?? "document"

interface File {
  readonly media_type: string
  readonly data?: string | null | undefined
  readonly url?: string | null | undefined
}

export const fileOf = ({ data, media_type, url }: File): Part => ({
  type: kindOf(media_type),
  source: url == null
    ? { type: "data", value: data ?? "", mimeType: media_type }
    : { type: "url", value: url, mimeType: media_type }
})

/** Blocks that a person or a tool has said, as parts. */
export const partOf = (block: Pick<Output, "type"> & Partial<Output>): Part => {
  const { source, text } = block as { readonly source?: File & { readonly type: string }; readonly text?: string }
  return source === undefined ? { type: "text", text: text ?? "" } : fileOf(source)
}

/** Text alone is a string; older clients take nothing else, so that files are only named to them. */
export const contentOf = (parts: ReadonlyArray<Part>, isOld: boolean): string | ReadonlyArray<Part> =>
  parts.every(({ type }) => type === "text") || isOld
    ? parts.map((part) => part.type === "text" ? part.text : `[${part.source.mimeType}]`).join("")
    : parts

/** What a person answers to an interrupt. */
const responseSchema = {
  type: "object",
  properties: {
    approved: { type: "boolean" },
    editedArgs: { type: "object", description: "Stands in the place of all arguments of the call." }
  },
  required: ["approved"]
}

/** A call that somebody has to allow. It stays open until it is answered or its run is stopped: nothing expires by itself. */
export const interruptOf = (reply: string, { id, name }: Pick<ToolCallBlock, "id" | "name">) => ({
  id: callId(reply, id),
  reason: "tool_call",
  message: `May the agent use ${name}?`,
  toolCallId: callId(reply, id),
  responseSchema
})
export type Interrupt = ReturnType<typeof interruptOf>

/** Tokens of the run by provider and model, in the order in which these were asked first. */
export class Usages {
  readonly #sums = new Map<string, { readonly model: string; readonly provider: string | undefined; usage: Usage }>()
  #current: { readonly model: string; readonly provider: string | undefined } = { model: "", provider: undefined }

  begin(model: string, provider: string | undefined) {
    this.#current = { model, provider }
  }

  add(usage: Usage) {
    const { model, provider } = this.#current
    const key = `${provider ?? ""} ${model}`
    const known = this.#sums.get(key)
    if (known === undefined) this.#sums.set(key, { model, provider, usage })
    else known.usage = addUsage(known.usage, usage)
  }

  told() {
    return Array.from(this.#sums.values(), ({ model, provider, usage }) => ({
      ...(provider !== undefined && { provider: provider.replace(/_credential$/, "") }),
      ...(model !== "" && { model }),
      inputTokens: usage.input_tokens,
      outputTokens: usage.output_tokens,
      totalTokens: usage.input_tokens + usage.output_tokens,
      ...(usage.reasoning_tokens !== undefined && { reasoningTokens: usage.reasoning_tokens }),
      ...(usage.cache_input_tokens !== undefined && { cachedInputTokens: usage.cache_input_tokens }),
      ...(usage.cache_creation_input_tokens !== undefined && {
        cacheWriteInputTokens: usage.cache_creation_input_tokens
      })
    }))
  }
}
