/** A message that is still being written. The time to find or change a block does not grow with their number. */
import type { ContentBlock, Message } from "./Message.ts"

/** The blocks of the newest of several drafts, each of which was made from the one before. */
interface Blocks {
  readonly all: Array<ContentBlock>
  /** Where a block is, by its type and id; the newest of several. */
  readonly places: Map<string, number>
  /** Where the last change was: the next one is mostly there too. */
  last: number
}

/** How an older draft differs from the one that was made of it. */
interface Undo {
  readonly next: Draft
  /** The place that changed; -1 when no block did. */
  readonly place: number
  /** What was there; undefined when it was added. */
  readonly before: ContentBlock | undefined
}

type BlockOf<T extends ContentBlock["type"]> = Extract<ContentBlock, { readonly type: T }>

const keyOf = (type: string, id: string) => `${type} ${id}`

const indexed = (all: Array<ContentBlock>): Blocks => ({
  all,
  places: new Map(all.map((block, i) => [keyOf(block.type, block.id), i])),
  last: all.length - 1
})

/**
 * A draft never changes: `add`, `change` and `with` make a newer one. The blocks
 * are handed on to the newer one instead of being copied, and the older one
 * records how it differed. Only reading an older draft afterwards costs a copy.
 */
export class Draft {
  private readonly fields: Message
  private made: Message | undefined
  private blocks: Blocks | undefined
  private undo: Undo | undefined

  private constructor(fields: Message, blocks: Blocks | undefined, made: Message | undefined) {
    this.fields = fields
    this.blocks = blocks
    this.made = made
  }

  static of(message: Message): Draft {
    return new Draft(message, indexed(message.content.slice()), message)
  }

  get id(): Message["id"] {
    return this.fields.id
  }

  get metadata(): Message["metadata"] {
    return this.fields.metadata
  }

  get usage(): Message["usage"] {
    return this.fields.usage
  }

  /** The message is built once, when somebody first asks for it. */
  get message(): Message {
    this.made ??= { ...this.fields, content: this.own().all.slice() }
    return this.made
  }

  has(type: ContentBlock["type"], id: string): boolean {
    return this.placeOf(type, id) >= 0
  }

  /** Returns a draft with one more block, unless a block of its type and id exists. */
  add(block: ContentBlock): Draft {
    const { all, places } = this.own()
    const key = keyOf(block.type, block.id)
    if (places.has(key)) return this
    const place = all.push(block) - 1
    places.set(key, place)
    return this.newer(this.fields, place, undefined)
  }

  /** Returns a draft in which another block replaces the one of that type and id, if there is one. */
  change<T extends ContentBlock["type"]>(type: T, id: string, f: (block: BlockOf<T>) => ContentBlock): Draft {
    const place = this.placeOf(type, id)
    if (place < 0) return this
    const { all } = this.own()
    const before = all[place]!
    const after = f(before as BlockOf<T>)
    if (after === before) return this
    all[place] = after
    return this.newer(this.fields, place, before)
  }

  /** Returns a draft with these fields changed; its content stays. */
  with(fields: Partial<Omit<Message, "content">>): Draft {
    this.own()
    return this.newer({ ...this.fields, ...fields }, -1, undefined)
  }

  private newer(fields: Message, place: number, before: ContentBlock | undefined): Draft {
    const blocks = this.own()
    if (place >= 0) blocks.last = place
    const next = new Draft(fields, blocks, undefined)
    this.blocks = undefined
    this.undo = { next, place, before }
    return next
  }

  private placeOf(type: ContentBlock["type"], id: string): number {
    const { all, last, places } = this.own()
    const block = all[last]
    return block !== undefined && block.id === id && block.type === type ? last : places.get(keyOf(type, id)) ?? -1
  }

  /** The blocks as they are in this draft: its own, or a copy of the newest ones with every later change taken back. */
  private own(): Blocks {
    if (this.blocks !== undefined) return this.blocks
    const later: Array<Undo> = [this.undo!]
    for (let next = this.undo!.next; next.blocks === undefined; next = next.undo!.next) later.push(next.undo!)
    const all = later.at(-1)!.next.blocks!.all.slice()
    for (const { before, place } of later.toReversed()) {
      if (before !== undefined) all[place] = before
      else if (place >= 0) all.pop()
    }
    this.blocks = indexed(all)
    this.undo = undefined
    return this.blocks
  }
}
