/**
 * What the messages of a conversation come to together. A session's messages
 * reach a model in a new array for each call, and nearly all of them were there
 * before: only what is new is looked at.
 */
import type { Message } from "./Message.ts"

/** Stands for a message without keeping it in memory: a message may hold large files. */
type Stand = object

interface Counted<Size> {
  readonly self: Stand
  readonly first: Stand
  readonly previous: Stand | undefined
  readonly index: number
  readonly own: Size
  /** Of this message and all before it. */
  readonly total: Size
}

/** Sums up `of` each message. A message never changes, so each is measured once. */
export const make = <Size>(
  nothing: Size,
  of: (message: Message) => Size,
  plus: (before: Size, own: Size) => Size
) => {
  const counted = new WeakMap<Message, Counted<Size>>()

  /** Looks back only as far as to a message that was counted in this place before. */
  return (messages: ReadonlyArray<Message>): Size => {
    const first = messages[0]
    if (first === undefined) return nothing
    let start = messages.length
    let total = nothing
    while (start > 0) {
      const index = start - 1
      const before = counted.get(messages[index]!)
      const previous = messages[index - 1]
      if (
        before?.index === index && before.first === counted.get(first)?.self &&
        before.previous === (previous && counted.get(previous)?.self)
      ) {
        total = before.total
        break
      }
      start--
    }
    let previous = messages[start - 1] && counted.get(messages[start - 1]!)?.self
    for (let index = start; index < messages.length; index++) {
      const message = messages[index]!
      // A message that has moved, because older ones were left out, is counted again and not measured again.
      const before = counted.get(message)
      const own = before?.own ?? of(message)
      const self: Stand = before?.self ?? {}
      total = plus(total, own)
      counted.set(message, { self, first: index === 0 ? self : counted.get(first)!.self, previous, index, own, total })
      previous = self
    }
    return total
  }
}
