/** Where a context is cut for a compaction: what a summary is to stand for, and what stays as it is beside it. */
import { type Compacted, contextOf, keptOf, shownMessage } from "./Context.ts"
import type { MessageId } from "./Ids.ts"
import type { ContentBlock, Message } from "./Message.ts"
import { tokensInBlocks } from "./Tokens.ts"

export interface Situation {
  /** The messages before the reply, as the room has them. */
  readonly messages: ReadonlyArray<Message>
  readonly reply: Message
  readonly compaction: Compacted | undefined
  /** The ids of the input that the reply answers: they stay as they are. */
  readonly inputs: ReadonlyArray<MessageId>
  /** Tokens that may stay beside the summary; more stay where the newest cannot be divided. */
  readonly reserve: number
  /** Tokens that a model takes. */
  readonly size: number
}

export interface Plan {
  readonly up_to: MessageId
  readonly blocks: number | null
  readonly keeps_from: MessageId
  /** What the summary is to stand for beside the summary before, oldest first, as the model was shown it. */
  readonly replaced: ReadonlyArray<Message>
  /** Tokens of what stays as it is, and of what the summary stands for; about. */
  readonly kept: number
  readonly removed: number
}

/** Only what models are shown of it counts. */
const tokensOfMessage = (message: Message) => tokensInBlocks(shownMessage(message).content)

/**
 * The places at which a reply may be cut: behind the results of a round, so that no call is without its result, no
 * thought without its call. What was told to the reply afterwards stays.
 */
export const cutsIn = (blocks: ReadonlyArray<ContentBlock>): ReadonlyArray<number> => {
  const open = new Set<string>()
  const cuts: Array<number> = []
  blocks.forEach((block, i) => {
    if (block.type === "tool_call" && block.provider_executed !== true) open.add(block.id)
    else if (block.type === "tool_result" && block.provider_executed !== true) {
      if (block.state !== "running") open.delete(block.id)
      if (open.size === 0 && blocks[i + 1]?.type !== "tool_result") cuts.push(i + 1)
    }
  })
  return cuts
}

/** How many of the oldest messages go, so that at most `reserve` tokens stay; a person's message comes first then, if there is one. */
const dividedAt = (sizes: ReadonlyArray<number>, messages: ReadonlyArray<Message>, reserve: number, most: number) => {
  let at = messages.length
  let kept = 0
  while (at > 0 && kept + sizes[at - 1]! <= reserve) kept += sizes[--at]!
  at = Math.min(at, most)
  const asked = messages.findIndex(({ role }, i) => i >= at && role === "user")
  return asked >= 0 && asked <= most ? asked : at
}

/** Undefined when nothing can be replaced. */
export const planOf = ({ compaction, inputs, messages, reply, reserve, size }: Situation): Plan | undefined => {
  const all = keptOf([...messages, reply], compaction)
  const before = all.filter(({ id }) => id !== reply.id)
  const rest = all.find(({ id }) => id === reply.id) ?? reply
  /** How many blocks of the reply a summary stands for already. */
  const gone = reply.content.length - rest.content.length
  const isInput = new Set<string>(inputs)
  const most = before.findIndex(({ id }) => isInput.has(id))
  const end = most < 0 ? before.length : most
  const sizes = before.map(tokensOfMessage)
  const sum = (from: number, to: number) => sizes.slice(from, to).reduce((total, one) => total + one, 0)
  const input = sum(end, before.length)
  const own = tokensOfMessage(rest)
  const cuts = cutsIn(rest.content)

  /** The reply is cut: all before it goes, but what it answers. */
  if (input + own > reserve && cuts.length > 0) {
    const { content } = shownMessage(rest)
    const left = (cut: number) => tokensInBlocks(content.slice(cut))
    const keepsInput = input <= size / 2
    const room = Math.max(0, reserve - (keepsInput ? input : 0))
    const last = cuts.at(-1)!
    // The last round stays where it is not too large by itself: the model goes on from it.
    const lastRound = cuts.at(-2) ?? 0
    const cut = cuts.find((cut) => left(cut) <= room && cut < last) ??
      (left(lastRound) <= size / 2 && lastRound > 0 ? lastRound : left(lastRound) > size / 2 ? last : undefined)
    if (cut !== undefined) {
      const from = keepsInput ? end : before.length
      return {
        up_to: reply.id,
        blocks: gone + cut,
        keeps_from: before[from]?.id ?? reply.id,
        replaced: contextOf([...before, { ...rest, content: rest.content.slice(0, cut) }], undefined),
        kept: sum(from, before.length) + left(cut),
        removed: sum(0, from) + own - left(cut)
      }
    }
  }
  const at = dividedAt(sizes, before, Math.max(0, reserve - own), end)
  if (at === 0) return undefined
  const last = compaction?.value
  // A reply of which a summary stood for a part, and which stays, stays without that part.
  const parted = last?.blocks != null && [...before.slice(at), rest].some(({ id }) => id === last.up_to)
    ? last
    : undefined
  return {
    up_to: parted?.up_to ?? before[at - 1]!.id,
    blocks: parted?.blocks ?? null,
    keeps_from: before[at]?.id ?? reply.id,
    replaced: contextOf(before.slice(0, at), undefined),
    kept: sum(at, before.length) + own,
    removed: sum(0, at)
  }
}
