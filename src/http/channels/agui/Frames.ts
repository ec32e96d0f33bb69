/** The frames that are to be written next, and what is open: everything that was begun is ended, in the order in which it was begun. */

const frameOf = (event: object) => `data: ${JSON.stringify(event)}\n\n`

export class Frames {
  #frames = ""
  /** What is open, with the frames that end it. */
  readonly #open = new Map<string, string>()

  emit(event: object) {
    this.#frames += frameOf(event)
  }

  /** Begins something unless it is open. */
  start(key: string, begins: ReadonlyArray<object>, ends: ReadonlyArray<object>) {
    if (this.#open.has(key)) return
    for (const event of begins) this.emit(event)
    this.#open.set(key, ends.map(frameOf).join(""))
  }

  isOpen(key: string): boolean {
    return this.#open.has(key)
  }

  end(key: string) {
    this.#frames += this.#open.get(key) ?? ""
    this.#open.delete(key)
  }

  close() {
    for (const key of this.#open.keys()) this.end(key)
  }

  flush(): string {
    const frames = this.#frames
    this.#frames = ""
    return frames
  }
}
