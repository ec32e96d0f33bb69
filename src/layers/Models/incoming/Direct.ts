/**
 * A stream whose reader asks the source itself. A stream of its own between the
 * connection and the package would cost more for each piece than all that is done with it.
 */
import type { ReadableStreamGetReaderOptions, ReadableStreamReadResult } from "node:stream/web"

export type Read = ReadableStreamReadResult<Uint8Array>

export interface Source {
  /** The next piece, or the end. It is not asked again before it has answered. */
  readonly read: () => Promise<Read>
  readonly cancel: (reason: unknown) => Promise<void>
}

class Reader extends ReadableStreamDefaultReader<Uint8Array> {
  readonly #source: Source

  constructor(stream: ReadableStream<Uint8Array>, source: Source) {
    super(stream)
    this.#source = source
  }

  override read(): Promise<Read> {
    return this.#source.read()
  }
}

/** Whoever pipes it, or reads it without a reader, gets the same through the stream's own queue. */
class Direct extends ReadableStream<Uint8Array> {
  readonly #source: Source

  constructor(source: Source) {
    super({
      pull: async (controller) => {
        const { done, value } = await source.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => source.cancel(reason)
    }, { highWaterMark: 0 })
    this.#source = source
  }

  override getReader(options: { readonly mode: "byob" }): ReadableStreamBYOBReader
  override getReader(options?: ReadableStreamGetReaderOptions): ReadableStreamDefaultReader<Uint8Array>
  override getReader(
    options?: ReadableStreamGetReaderOptions
  ): ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array> {
    return options?.mode === undefined ? new Reader(this, this.#source) : super.getReader({ mode: options.mode })
  }
}

export const make = (source: Source): ReadableStream<Uint8Array> => new Direct(source)
