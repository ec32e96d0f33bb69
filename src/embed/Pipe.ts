/** Two ends of a connection inside of this process: what is written to one is read from the other, no faster. */
import { Duplex } from "node:stream"

const ignore = () => {}

/** With as much of a socket as Node's HTTP asks of one. */
class End extends Duplex {
  other: End | undefined
  /** Called when the other end has read what was written last. */
  #taken: (() => void) | undefined
  readonly remoteAddress = "127.0.0.1"

  constructor() {
    // The other end is read as it is written to: nothing is kept in between.
    super({ allowHalfOpen: true })
    this.on("error", ignore)
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const { other } = this
    if (other === undefined || other.destroyed || chunk.length === 0) return void process.nextTick(done)
    other.#taken = done
    other.push(chunk)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.other?.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { other } = this
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
    // The other end learns of it as a socket does: later, and without a reason.
    const tell = () => process.nextTick(() => other?.destroy())
    // What was written to its end is still there to be read, however late.
    if (error === null && this.writableFinished && other?.readableEnded === false) other.once("end", tell)
    else tell()
    done(error)
  }

  /** Closes when all has been written. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once("finish", () => this.destroy())
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

export const pipe = (): readonly [client: Duplex, server: Duplex] => {
  const client = new End()
  const server = new End()
  client.other = server
  server.other = client
  return [client, server]
}
