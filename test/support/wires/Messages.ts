/** Messages of a conversation, and the reply that a model's parts add up to. */
import { assert } from "@effect/vitest"
import type { BlockId, MessageId, ToolCallId } from "../../../src/domain/Ids.ts"
import type { JsonObject } from "../../../src/domain/Json.ts"
import type { ContentBlock, Message, ToolResultBlock } from "../../../src/domain/Message.ts"
import type { ModelPart } from "../../../src/services/Models.ts"
import { time } from "../fixtures.ts"

const message = (role: Message["role"], content: ReadonlyArray<ContentBlock>, finished: boolean): Message => ({
  id: "m" as MessageId,
  name: role,
  role,
  content,
  metadata: {},
  created_at: time,
  finished_at: finished ? time : null,
  usage: null
})

export const user = (...content: ReadonlyArray<ContentBlock>) => message("user", content, true)

export const reply = (...content: ReadonlyArray<ContentBlock>) => message("assistant", content, true)

/** A reply in the making. */
export const making = (...content: ReadonlyArray<ContentBlock>) => message("assistant", content, false)

const id = "b" as BlockId

export const text = (text: string): ContentBlock => ({ type: "text", id, text })

export const file = (media_type: string, data: string): ContentBlock => ({
  type: "data",
  id,
  source: { type: "base64", media_type, data }
})

export const call = (id: string, name: string, input: string): ContentBlock => ({
  type: "tool_call",
  id: id as ToolCallId,
  name,
  input,
  state: "finished",
  suggested_rules: []
})

export const result = (
  id: string,
  name: string,
  output: ToolResultBlock["output"],
  state: ToolResultBlock["state"] = "success"
): ContentBlock => ({ type: "tool_result", id: id as ToolCallId, name, output, state })

interface Growing {
  readonly of: string
  readonly type: "text" | "thinking" | "call"
  readonly name: string
  text: string
  provider_metadata?: JsonObject
}

/** The blocks in the order in which they began, each with what its provider wants back. */
export const blocksOf = (parts: ReadonlyArray<ModelPart>): ReadonlyArray<ContentBlock> => {
  const all = new Map<string, Growing>()
  const grow = (of: string, type: Growing["type"], delta: string, name = "") => {
    const known = all.get(of) ?? { of, type, name, text: "" }
    known.text += delta
    all.set(of, known)
  }
  for (const part of parts) {
    if (part.type === "text" || part.type === "thinking") grow(`block ${part.block}`, part.type, part.delta)
    if (part.type === "tool_call_start") grow(part.id, "call", "", part.name)
    if (part.type === "tool_call_delta") grow(part.id, "call", part.delta)
    if (part.type === "block_end" || part.type === "tool_call_end") {
      const of = part.type === "block_end" ? `block ${part.block}` : part.id
      if (part.type === "block_end" && "empty" in part) grow(of, part.empty === "text" ? "text" : "thinking", "")
      const known = all.get(of)
      if (known !== undefined && "provider_metadata" in part) {
        known.provider_metadata = part.provider_metadata as JsonObject
      }
    }
  }
  return [...all.values()].map(({ name, of, provider_metadata, text: said, type }): ContentBlock => {
    const kept = provider_metadata === undefined ? {} : { provider_metadata }
    switch (type) {
      case "text":
        return { ...text(said), ...kept }
      case "thinking":
        return { type: "thinking", id, thinking: said, ...kept }
      case "call":
        return { ...call(of, name, said), ...kept }
    }
  })
}

const joined = (type: "text" | "thinking") => (parts: ReadonlyArray<ModelPart>): string =>
  parts.map((part) => part.type === type ? part.delta : "").join("")

export const textIn = joined("text")
export const thinkingIn = joined("thinking")

export interface Called {
  readonly id: string
  readonly name: string
  readonly args: string
  readonly deltas: number
}

/** The calls, each begun once and ended once. */
export const callsIn = (parts: ReadonlyArray<ModelPart>): ReadonlyArray<Called> =>
  parts.flatMap((part) => {
    if (part.type !== "tool_call_start") return []
    const own = parts.filter((one) => "id" in one && one.id === part.id)
    const deltas = own.flatMap((one) => one.type === "tool_call_delta" ? [one.delta] : [])
    assert.strictEqual(own.filter(({ type }) => type === "tool_call_end").length, 1)
    assert.strictEqual(own.at(-1)?.type, "tool_call_end")
    return [{ id: part.id, name: part.name, args: deltas.join(""), deltas: deltas.length }]
  })

/** The last part, which says that the answer is whole. */
export const finishOf = (parts: ReadonlyArray<ModelPart>): Extract<ModelPart, { readonly type: "finish" }> => {
  assert.strictEqual(parts.filter(({ type }) => type === "finish").length, 1)
  const last = parts.at(-1)
  return last?.type === "finish" ? last : assert.fail("the answer does not say that it has ended")
}
