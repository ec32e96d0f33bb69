/** Earlier items that a request names by their ids alone. */
import { Effect, Option } from "effect"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Message } from "../../../../domain/Message.ts"
import { maxMessages } from "../../../../domain/Page.ts"
import type { Session } from "../../../../domain/Session.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { readItemId, sessionAt } from "../output/ItemIds.ts"
import { type InputItem } from "./ItemSchemas.ts"
import type { Referred } from "./Reading.ts"
import { references } from "./Said.ts"

/** Most sessions and conversations whose items one request may name. */
const maxHomes = 32

type Found = Pick<Message, "role" | "content">

/** The part of a message that an item is; undefined when this message does not hold it. */
const partOf = ({ content, id: message, role }: Message, kind: string, id: string): Found | undefined => {
  if (kind === "msg" && role !== "assistant") return message === id ? { role, content } : undefined
  const blocks = content.filter((block) => {
    if (block.id !== id) return false
    switch (kind) {
      case "fco":
        return block.type === "tool_result"
      case "fc":
        return block.type === "tool_call"
      default:
        return block.type !== "tool_result" || kind === "mcp"
    }
  })
  return blocks.length === 0 ? undefined : { role, content: kind === "mcpr" ? [] : blocks }
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const at = yield* sessionAt

  /** Looks from the newest message back, until all are found. */
  const findIn = Effect.fnUntraced(function*(session: Session, wanted: Map<string, { kind: string; id: string }>) {
    const found = new Map<string, Found>()
    // A session may be long, and many of its items wanted: each message is only asked for what it has.
    const byId = new Map<string, Array<readonly [item: string, kind: string]>>()
    for (const [item, { id, kind }] of wanted) {
      const same = byId.get(id)
      if (same === undefined) byId.set(id, [[item, kind]])
      else same.push([item, kind])
    }
    for (let before: Message["id"] | undefined, more = true; more && found.size < wanted.size;) {
      const page = yield* Effect.orDie(hub.newest(session, { before, limit: maxMessages }))
      for (const message of page.messages) {
        for (const id of new Set<string>([message.id, ...message.content.map((block) => block.id)])) {
          for (const [item, kind] of byId.get(id) ?? []) {
            const part = partOf(message, kind, id)
            if (part !== undefined && !found.has(item)) found.set(item, part)
          }
        }
      }
      const [oldest] = page.messages
      before = oldest?.id
      more = page.has_more && oldest !== undefined
    }
    return found
  })

  /** What of it is the owner's. Somebody else's is not there. */
  return Effect.fnUntraced(function*(owner: UserId, items: ReadonlyArray<InputItem>) {
    const referred = new Map<string, Found>()
    const byHome = new Map<string, Map<string, { kind: string; id: string }>>()
    for (const item of references(items)) {
      const place = readItemId(item)
      if (place === undefined) continue
      const wanted = byHome.get(place.home) ?? new Map<string, { kind: string; id: string }>()
      if (byHome.size < maxHomes || byHome.has(place.home)) {
        byHome.set(place.home, wanted.set(item, place))
      }
    }
    for (const [id, wanted] of byHome) {
      const session = yield* at(owner, id)
      if (Option.isNone(session)) continue
      for (const [item, found] of yield* findIn(session.value, wanted)) referred.set(item, found)
    }
    return referred satisfies Referred as Referred
  })
})
