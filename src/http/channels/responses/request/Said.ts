/** The decoder: the items of a request as turns of ours, with the results and permissions that earlier runs wait for. */
import { Either } from "effect"
import type { Invalid } from "../../../../domain/Errors.ts"
import type { ToolCallId } from "../../../../domain/Ids.ts"
import type { ToolOutput } from "../../../../domain/Message.ts"
import { isBlank } from "../../../../domain/Text.ts"
import { refuse } from "../../openai/request/Refused.ts"
import { readItemId } from "../output/ItemIds.ts"
import { readEncrypted } from "../output/Items.ts"
import type { InputItem, Part } from "./ItemSchemas.ts"
import * as Parts from "./Parts.ts"
import { Reader, type Referred, type Said } from "./Reading.ts"

/** The ids of earlier items that a request names. */
export const references = (items: ReadonlyArray<InputItem>): ReadonlyArray<string> =>
  items.flatMap((item) => item.type == null || item.type === "item_reference" ? "role" in item ? [] : [item.id] : [])

const summaryPrefix = "stoa1c."

/** A summary as the protocol's opaque content, and back. */
export const sealSummary = (summary: string): string => summaryPrefix + Buffer.from(summary).toString("base64url")
const openSummary = (text: string): string | undefined =>
  text.startsWith(summaryPrefix)
    ? Buffer.from(text.slice(summaryPrefix.length), "base64url").toString()
    : undefined

const summarised = (summary: string) => `This is a summary of what was said before:\n\n${summary}`

const blockOutput = (
  reader: Reader,
  output: string | ReadonlyArray<Part>,
  at: string
): Either.Either<ToolOutput, Invalid> =>
  typeof output === "string"
    ? Either.right(output)
    : Either.map(Parts.readAll(output, at), (blocks): ToolOutput =>
      blocks.every(({ type }) => type === "text")
        ? Parts.textOf(output)
        : blocks.map((block) => ({ ...block, id: reader.id() })))

const fail = (problem: Invalid | undefined): Either.Either<void, Invalid> =>
  problem === undefined ? Either.void : Either.left(problem)

const readItem = (reader: Reader, item: InputItem, at: string): Either.Either<void, Invalid> => {
  if (item.type == null || item.type === "message") {
    if (!("role" in item)) return fail(reader.refer(at, item.id))
    switch (item.role) {
      case "user":
        return Either.map(Parts.contentOf(item.content, `${at}.content`), (content) => reader.user(at, content))
      case "assistant": {
        const text = Parts.textOf(item.content)
        if (!isBlank(text)) reader.assistant(at).push({ type: "text", id: reader.id(), text })
        return Either.void
      }
      default: {
        const text = Parts.textOf(item.content)
        if (!isBlank(text)) reader.instructions.push(text)
        return Either.void
      }
    }
  }
  switch (item.type) {
    case "item_reference":
      return fail(reader.refer(at, item.id))
    case "function_call":
      return fail(reader.call(at, item.call_id, item.name, item.arguments))
    case "custom_tool_call":
      return fail(reader.call(at, item.call_id, item.name, JSON.stringify({ input: item.input })))
    case "function_call_output":
    case "custom_tool_call_output":
      return Either.flatMap(
        blockOutput(reader, item.output, `${at}.output`),
        (output) => fail(reader.result(at, item.call_id, output))
      )
    case "reasoning": {
      const thinking = Parts.textOf([...item.summary ?? [], ...item.content ?? []])
      const provider_metadata = item.encrypted_content == null ? undefined : readEncrypted(item.encrypted_content)
      if (thinking !== "" || provider_metadata !== undefined) {
        reader.assistant(at).push({
          type: "thinking",
          id: reader.id(),
          thinking,
          ...(provider_metadata !== undefined && { provider_metadata })
        })
      }
      return Either.void
    }
    case "mcp_call": {
      const call = readItemId(item.id)?.id ?? item.id
      const failed = item.error != null
      const output = item.output ?? (failed ? JSON.stringify(item.error) : "")
      return fail(
        reader.call(at, call, item.name, item.arguments) ??
          reader.result(at, call, output, failed ? "error" : "success")
      )
    }
    case "mcp_approval_response": {
      const place = readItemId(item.approval_request_id)
      const path = `${at}.approval_request_id`
      if (place === undefined) {
        return Either.left(refuse("approval_not_found", path, "No request for an approval has this id"))
      }
      reader.approvals.push({
        home: place.home,
        call: place.id as ToolCallId,
        approve: item.approve
      })
      return Either.void
    }
    case "compaction":
    case "compaction_summary": {
      const summary = openSummary(item.encrypted_content)
      if (summary === undefined) {
        return Either.left(refuse("invalid", `${at}.encrypted_content`, "This summary was not made here"))
      }
      reader.user(at, summarised(summary))
      return Either.void
    }
    case "mcp_approval_request":
      return Either.void
    default:
      reader.leftOut.add(item.type)
      return Either.void
  }
}

/** A text is one message of the user's. */
export const read = (
  input: string | ReadonlyArray<InputItem>,
  newBlock: () => string,
  referred: Referred,
  root = "input"
): Either.Either<Said, Invalid> =>
  Either.gen(function*() {
    const reader = new Reader(newBlock, referred)
    const items: ReadonlyArray<InputItem> = typeof input === "string" ? [{ role: "user", content: input }] : input
    for (const [i, item] of items.entries()) {
      const at = typeof input === "string" ? root : `${root}.${i}`
      yield* readItem(reader, item, at)
    }
    yield* fail(reader.unanswered())
    return {
      instructions: reader.instructions,
      turns: reader.turns,
      results: reader.results,
      approvals: reader.approvals,
      endsWithApproval: items.at(-1)?.type === "mcp_approval_response",
      leftOut: [...reader.leftOut]
    }
  })
