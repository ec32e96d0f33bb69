/** Frames, with their sequence numbers, and the output items that they tell of. */
import type { Item } from "./Items.ts"

export class Writer {
  readonly #after: number
  #next = 0
  #frames = ""
  readonly #items: Array<Item> = []

  /** Frames with a number up to `after` are made and not written. */
  constructor(after = -1) {
    this.#after = after
  }

  frame(type: string, members: object) {
    const number = this.#next++
    if (number <= this.#after) return
    const rest = JSON.stringify(members).slice(1)
    this.#frames += `event: ${type}\ndata: {"type":"${type}","sequence_number":${number},${rest}\n\n`
  }

  /** The same for what comes most often: `place` is written as it is. */
  delta(type: string, item: string, index: number, place: string, delta: string) {
    const number = this.#next++
    if (number <= this.#after) return
    this.#frames += `event: ${type}\ndata: {"type":"${type}","sequence_number":${number},"item_id":${
      JSON.stringify(item)
    },"output_index":${index}${place},"delta":${JSON.stringify(delta)}}\n\n`
  }

  /** An item begins; answers with its place in the output. */
  add(item: Item): number {
    const index = this.#items.push(item) - 1
    this.frame("response.output_item.added", { output_index: index, item })
    return index
  }

  done(index: number, item: Item) {
    this.#items[index] = item
    this.frame("response.output_item.done", { output_index: index, item })
  }

  /** An item that has no steps in between. */
  whole(item: Item) {
    this.done(this.add(item), item)
  }

  output(): ReadonlyArray<Item> {
    return [...this.#items]
  }

  take(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }
}
