/** Our parts of the AI SDK's, part after part, for one answer. */
import type { LanguageModelV3FinishReason, LanguageModelV3StreamPart, LanguageModelV3Usage } from "@ai-sdk/provider"
import { countOf, type Usage } from "../../../domain/Usage.ts"
import { ModelFailed } from "../../../services/Models.ts"
import * as ChatDetails from "../families/ChatDetails.ts"
import * as Blocks from "./Blocks.ts"
import { asField, type Dialect, kept } from "./Dialect.ts"
import { categoryIn, endOf } from "./Finish.ts"
import type { Overheard } from "./Overheard.ts"
import * as Sources from "./Sources.ts"
import { fieldIn } from "./ThoughtField.ts"
import * as ToolParts from "./ToolParts.ts"

type Give = Blocks.Give
type Metadata = Blocks.Metadata

const usageOf = ({ inputTokens, outputTokens }: LanguageModelV3Usage): Usage => ({
  input_tokens: countOf(inputTokens.total),
  output_tokens: countOf(outputTokens.total),
  ...(countOf(inputTokens.cacheRead) > 0 && { cache_input_tokens: countOf(inputTokens.cacheRead) }),
  ...(countOf(inputTokens.cacheWrite) > 0 && { cache_creation_input_tokens: countOf(inputTokens.cacheWrite) }),
  ...(countOf(outputTokens.reasoning) > 0 && { reasoning_tokens: countOf(outputTokens.reasoning) })
})

export interface Options {
  /** The model as the session names it, and its credential. */
  readonly author: string
  readonly dialect: Dialect
  /** The tool whose arguments are the answer. */
  readonly output?: string | undefined
}

type Finish = Extract<LanguageModelV3StreamPart, { readonly type: "finish" }>

/** A finish that tells of a failure is returned as one. */
export const make = ({ author, dialect, output }: Options, newId: () => string) => {
  /** The field in which the answer's thoughts come, once it is known; "" when it does not matter, or none come. */
  let field = dialect.reasoning === "as it came" ? undefined : ""
  const blocks = Blocks.make({ author, dialect, thoughtField: () => field })
  const tools = ToolParts.make(blocks, output, newId)
  const { sources } = blocks
  let refused = false
  let hasFiles = false
  let findings: unknown

  const hear = ({ executed, findings: found, refusal, sources: named, thinking }: Overheard, give: Give) => {
    if (found !== undefined) findings = found
    for (const tool of executed ?? []) tools.hear(tool, give)
    if (named !== undefined) sources.add(Sources.annotationsIn(named))
    if (thinking !== undefined) {
      blocks.say(blocks.of(`r${thinking.block}`, "thinking"), thinking.delta, undefined, give)
    }
    if (refusal === undefined || (refusal.isWhole === true && refused)) return
    refused = true
    blocks.say(blocks.of(`t${refusal.block}`, "text"), refusal.delta, undefined, give)
  }

  /** What a provider says of the whole answer goes into a block of its own. */
  const endLate = (metadata: Metadata, give: Give) => {
    const { filesOf, namespace } = dialect
    const own = metadata?.[namespace]
    if (typeof own !== "object" || own === null) return
    for (const file of filesOf?.({ ...own }) ?? []) give({ type: "data", ...file })
    blocks.end({ ...blocks.make("thinking"), metadata: kept(dialect, author, metadata) }, give)
  }

  /** What came beside the protocol; the word of the provider behind a router says more than the router's. */
  const hearBeside = (metadata: Metadata, { raw, unified }: LanguageModelV3FinishReason, give: Give) => {
    const own = metadata?.[dialect.namespace]
    const beside: unknown = typeof own === "object" && own !== null && ChatDetails.key in own
      ? own[ChatDetails.key]
      : undefined
    if (!ChatDetails.isDetails(beside)) return { raw, unified }
    if (beside.refusal !== "") hear({ refusal: { block: "beside", delta: beside.refusal } }, give)
    findings ??= beside.findings
    sources.add([...Sources.annotationsIn(beside.annotations), ...Sources.annotationsIn(beside.citations)])
    return { raw: unified === "content-filter" ? beside.native_reason ?? raw : raw, unified }
  }

  const finish = ({ finishReason, providerMetadata, usage }: Finish, give: Give): ModelFailed | undefined => {
    const told = hearBeside(providerMetadata, finishReason, give)
    blocks.finish(give)
    if (dialect.late === true) endLate(providerMetadata, give)
    const ended = endOf(told, {
      called: tools.asked() > 0,
      empty: !hasFiles && blocks.isEmpty() && tools.isEmpty(),
      refused,
      category: categoryIn(findings) ?? categoryIn(providerMetadata)
    })
    if (ended instanceof ModelFailed) return ended
    give({ type: "finish", ...ended, usage: usageOf(usage) })
    return undefined
  }

  const translateContent = (part: LanguageModelV3StreamPart, give: Give): void => {
    switch (part.type) {
      case "text-start":
        blocks.open(`t${part.id}`, "text", part.providerMetadata)
        return
      case "reasoning-start":
        blocks.open(`r${part.id}`, "thinking", part.providerMetadata)
        return
      case "text-delta":
        return blocks.sayText(part.id, part.delta, part.providerMetadata, give)
      case "reasoning-delta":
        return blocks.say(blocks.of(`r${part.id}`, "thinking"), part.delta, part.providerMetadata, give)
      case "text-end":
      case "reasoning-end":
        return blocks.endOf(`${part.type[0]}${part.id}`, part.providerMetadata, give)
      case "tool-input-start":
        return tools.start(part.id, part.toolName, part.providerExecuted === true, part.providerMetadata, give)
      case "tool-input-delta":
        return tools.extend(part.id, part.delta, give)
      case "tool-call":
        return tools.end(part, give)
      case "tool-result":
        return tools.takeResult(part, give)
      case "file": {
        hasFiles = true
        const data = typeof part.data === "string" ? part.data : Buffer.from(part.data).toString("base64")
        const metadata = kept(dialect, author, part.providerMetadata)
        return give({ type: "data", media_type: part.mediaType, data, ...asField(metadata) })
      }
    }
  }

  const translate = (part: LanguageModelV3StreamPart, give: Give): ModelFailed | undefined => {
    switch (part.type) {
      case "raw": {
        field ??= fieldIn(part.rawValue)
        const overheard = dialect.overheard?.(part.rawValue)
        if (overheard === undefined) return undefined
        if ((overheard.refusal ?? overheard.thinking ?? overheard.executed) !== undefined) blocks.release(give)
        hear(overheard, give)
        return undefined
      }
      case "source": {
        const annotation = Sources.sourceOf(part)
        if (annotation !== undefined) sources.add([annotation])
        return undefined
      }
      case "finish":
        return finish(part, give)
      default:
        blocks.release(give)
        translateContent(part, give)
        return undefined
    }
  }

  return {
    translate,
    /** Whether something is still to be learned from chunks as they came. */
    wantsRaw: () => dialect.overheard !== undefined || field === undefined
  }
}
