/**
 * Blocks of text and thinking of one answer. They get numbers of their own,
 * because the SDK uses a name again. The end of a text waits for its sources.
 */
import type { JsonObject } from "../../../domain/Json.ts"
import type { ModelPart } from "../../../services/Models.ts"
import { asField, type Dialect, isWorthABlock, joined, kept } from "./Dialect.ts"
import * as Sources from "./Sources.ts"

export type Give = (part: ModelPart) => void

export type Metadata = Readonly<Record<string, unknown>> | undefined

type BlockEnd = Extract<ModelPart, { readonly type: "block_end" }>

/** A block of the answer: text, thinking, or a call that stands for the answer's JSON. */
export interface Block {
  readonly block: string
  readonly kind: "text" | "thinking"
  /** Whether anything of it was given. */
  begun: boolean
  metadata: JsonObject | undefined
}

export interface Options {
  /** The model as the session names it, and its credential. */
  readonly author: string
  readonly dialect: Dialect
  /** The field in which the answer's thoughts came, where it matters. */
  readonly thoughtField: () => string | undefined
}

export const make = ({ author, dialect, thoughtField }: Options) => {
  /** By the SDK's name, with `t` or `r` before it. */
  const blocks = new Map<string, Block>()
  /** The text that the last delta belongs to, by the SDK's name: nearly all go on with the one before. */
  let current: { readonly id: string; readonly block: Block } | undefined
  const sources = Sources.make()
  let numbers = 0
  let isEmpty = true
  /** The end of a text, for which sources may still come. */
  let held: BlockEnd | undefined

  const make = (kind: Block["kind"]): Block => ({ block: `${++numbers}`, kind, begun: false, metadata: undefined })

  const note = (noted: { metadata: JsonObject | undefined }, metadata: Metadata) => {
    noted.metadata = joined(dialect, noted.metadata, kept(dialect, author, metadata))
  }

  const open = (name: string, kind: Block["kind"], metadata: Metadata) => {
    const block = make(kind)
    blocks.set(name, block)
    current = undefined
    if (metadata !== undefined) note(block, metadata)
    return block
  }

  const say = (block: Block, delta: string, metadata: Metadata, give: Give) => {
    if (metadata !== undefined) note(block, metadata)
    if (delta === "") return
    block.begun = true
    isEmpty = false
    give({ type: block.kind, block: block.block, delta })
  }

  const release = (give: Give) => {
    if (held === undefined) return
    const part = held
    held = undefined
    give(sources.isEmpty() ? part : { ...part, annotations: sources.take() })
  }

  const end = (ended: Block, give: Give) => {
    const field = thoughtField()
    if (ended.kind === "thinking" && field) note(ended, { [dialect.namespace]: { field } })
    const { begun, block, kind, metadata } = ended
    const part: BlockEnd = { type: "block_end", block, ...asField(metadata) }
    if (begun && kind === "text") held = part
    else if (begun) give(part)
    else if (metadata !== undefined && isWorthABlock(dialect, metadata)) give({ ...part, empty: kind })
  }

  return {
    make,
    note,
    open,
    say,
    end,
    release,
    sources,
    /** Whether no block has shown anything. */
    isEmpty: () => isEmpty,
    /** The block of this name, which is opened if it is not there. */
    of: (name: string, kind: Block["kind"]) => blocks.get(name) ?? open(name, kind, undefined),
    sayText: (id: string, delta: string, metadata: Metadata, give: Give) => {
      if (current?.id !== id) {
        const name = `t${id}`
        current = { id, block: blocks.get(name) ?? open(name, "text", undefined) }
      }
      say(current.block, delta, metadata, give)
    },
    /** Ends the block of this name, if there is one. */
    endOf: (name: string, metadata: Metadata, give: Give) => {
      const block = blocks.get(name)
      if (block === undefined) return
      blocks.delete(name)
      current = undefined
      if (metadata !== undefined) {
        note(block, metadata)
        const own = metadata[dialect.namespace]
        const { annotations, citations } = (typeof own === "object" && own !== null ? own : {}) as JsonObject
        sources.add(Sources.annotationsIn(annotations ?? citations))
      }
      end(block, give)
    },
    /** Gives the sources that came without a text a block of their own, and what was held. */
    finish: (give: Give) => {
      if (held === undefined && !sources.isEmpty()) held = { type: "block_end", block: `${++numbers}`, empty: "text" }
      release(give)
    }
  }
}

export type Blocks = ReturnType<typeof make>
