/** Blocks of text, of thoughts and of pictures, as output items that begin, grow and end. */
import type { JsonObject } from "../../../../domain/Json.ts"
import type { ResponseHead } from "../../../../domain/Response.ts"
import { itemId } from "./ItemIds.ts"
import * as Items from "./Items.ts"
import type { Writer } from "./Writer.ts"

/** A block that has begun. */
interface Open {
  readonly index: number
  readonly id: string
  text: string
}

export class Blocks {
  readonly #home: string
  readonly #tellsEncrypted: boolean
  readonly #out: Writer
  readonly #open = new Map<string, Open>()

  constructor({ home, tells_encrypted }: Pick<ResponseHead, "home" | "tells_encrypted">, out: Writer) {
    this.#home = home
    this.#tellsEncrypted = tells_encrypted
    this.#out = out
  }

  openText(block: string) {
    const id = itemId("msg", this.#home, block)
    const index = this.#out.add(Items.messageItem(id, "in_progress", []))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.content_part.added", {
      item_id: id,
      output_index: index,
      content_index: 0,
      part: Items.textPart("")
    })
  }

  delta(block: string, delta: string, type: string, place: string) {
    const open = this.#open.get(block)
    if (open === undefined || delta === "") return
    open.text += delta
    this.#out.delta(type, open.id, open.index, place, delta)
  }

  closeText(block: string, annotations: ReadonlyArray<object>) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    const place = { item_id, output_index, content_index: 0 }
    for (const [annotation_index, annotation] of annotations.entries()) {
      this.#out.frame("response.output_text.annotation.added", { ...place, annotation_index, annotation })
    }
    const part = Items.textPart(text, annotations)
    this.#out.frame("response.output_text.done", { ...place, text, logprobs: [] })
    this.#out.frame("response.content_part.done", { ...place, part })
    this.#out.done(output_index, Items.messageItem(item_id, "completed", [part]))
  }

  openThought(block: string) {
    const id = itemId("rs", this.#home, block)
    const encrypted = this.#tellsEncrypted ? null : undefined
    const index = this.#out.add(Items.reasoningItem(id, [], encrypted, "in_progress"))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.reasoning_summary_part.added", {
      item_id: id,
      output_index: index,
      summary_index: 0,
      part: Items.summaryPart("")
    })
  }

  closeThought(block: string, metadata: JsonObject | undefined) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    const place = { item_id, output_index, summary_index: 0 }
    const part = Items.summaryPart(text)
    this.#out.frame("response.reasoning_summary_text.done", { ...place, text })
    this.#out.frame("response.reasoning_summary_part.done", { ...place, part })
    const encrypted = this.#tellsEncrypted ? Items.encryptedOf(metadata) ?? null : undefined
    this.#out.done(output_index, Items.reasoningItem(item_id, [part], encrypted))
  }

  openImage(block: string) {
    const id = itemId("ig", this.#home, block)
    const index = this.#out.add(Items.imageItem(id, null))
    this.#open.set(block, { index, id, text: "" })
    this.#out.frame("response.image_generation_call.in_progress", { item_id: id, output_index: index })
  }

  closeImage(block: string) {
    const open = this.#take(block)
    if (open === undefined) return
    const { id: item_id, index: output_index, text } = open
    this.#out.frame("response.image_generation_call.completed", { item_id, output_index })
    this.#out.done(output_index, Items.imageItem(item_id, text))
  }

  #take(block: string) {
    const open = this.#open.get(block)
    this.#open.delete(block)
    return open
  }

  collect(block: string, data: string) {
    const open = this.#open.get(block)
    if (open !== undefined) open.text += data
  }
}
