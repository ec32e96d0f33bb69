/** Asks a model about what is remembered, and reads the list that it answers with. */
import { Effect } from "effect"
import { BlockId, MessageId, type UserId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import { type CallFor, DirectCalls } from "../../services/DirectCalls.ts"
import { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"

/** Most characters of an answer. */
const maxAnswer = 64 * 1024

export interface Question {
  readonly owner: UserId
  readonly config: ChatModelConfig
  readonly system: string
  readonly text: string
  readonly session?: CallFor | undefined
}

/** The JSON list in an answer, whatever stands around it; undefined where there is none. */
export const listIn = (answer: string): ReadonlyArray<unknown> | undefined => {
  const begin = answer.indexOf("[")
  const end = answer.lastIndexOf("]")
  if (begin < 0 || end < begin) return undefined
  try {
    const value: unknown = JSON.parse(answer.slice(begin, end + 1))
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** What it takes is in the ledger, whatever comes of it. */
export const make = Effect.gen(function*() {
  const calls = yield* DirectCalls
  const newId = yield* NewId
  return Effect.fnUntraced(function*({ config, owner, session, system, text }: Question) {
    const created_at = yield* now
    let answer = ""
    const message: Message = {
      id: MessageId.make(newId.short()),
      name: owner,
      role: "user",
      content: [{ type: "text", id: BlockId.make(newId.short()), text }],
      metadata: {},
      created_at,
      finished_at: created_at,
      usage: null
    }
    yield* calls.stream(
      { owner, config, fallbacks: [], system, messages: [message], tools: [] },
      (part) => {
        if (part.type === "text" && answer.length < maxAnswer) answer += part.delta
        return undefined
      },
      session
    )
    return listIn(answer)
  })
})
