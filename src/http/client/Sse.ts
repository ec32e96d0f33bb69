/**
 * Server-sent events, read as the HTML standard says: any line ending, any
 * chunking. Lines and frames are bounded, so a broken server cannot fill the
 * memory.
 */
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect
import { aborted } from "./StoaError.ts"

export interface Frame {
  /** The last id that the stream named. */
  readonly id: string | undefined
  readonly event: string
  readonly data: string
}

/** A line or a frame is longer than the bound. */
export class FrameTooLong extends Error {
  override readonly name = "FrameTooLong"
}

/** Longest line and longest data of one frame, in characters: twice what the longest message takes as JSON. */
const maxLength = 16 * 1024 * 1024

export class Parser {
  private readonly decoder = new TextDecoder()
  private readonly limit: number
  private rest = ""
  /** Where in `rest` no line ending is left. */
  private searched = 0
  private endedWithReturn = false
  private id: string | undefined
  private event = ""
  private data: Array<string> = []
  private length = 0

  constructor(limit: number = maxLength) {
    this.limit = limit
  }

  /** The frames that these bytes complete. Throws `FrameTooLong`. */
  push(bytes: Uint8Array): ReadonlyArray<Frame> {
    let text = this.decoder.decode(bytes, { stream: true })
    if (text === "") return []
    const isOneEnding = this.endedWithReturn && text.startsWith("\n")
    this.endedWithReturn = text.endsWith("\r")
    // A CRLF that was cut in two.
    if (isOneEnding) text = text.slice(1)
    this.rest += text
    const frames: Array<Frame> = []
    const endings = /\r\n|\n|\r/g
    endings.lastIndex = this.searched
    let from = 0
    for (let ending = endings.exec(this.rest); ending !== null; ending = endings.exec(this.rest)) {
      const frame = this.line(this.rest.slice(from, ending.index))
      if (frame !== undefined) frames.push(frame)
      from = endings.lastIndex
    }
    this.rest = this.rest.slice(from)
    this.searched = this.rest.length
    this.bound(this.rest.length)
    return frames
  }

  private line(line: string): Frame | undefined {
    this.bound(line.length)
    if (line === "") return this.dispatch()
    const colon = line.indexOf(":")
    if (colon === 0) return undefined
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
    if (name === "data") {
      this.length += value.length + 1
      this.bound(this.length)
      this.data.push(value)
    } else if (name === "event") this.event = value
    else if (name === "id" && !value.includes("\0")) this.id = value
    return undefined
  }

  private dispatch(): Frame | undefined {
    const frame = this.data.length === 0
      ? undefined
      : { id: this.id, event: this.event === "" ? "message" : this.event, data: this.data.join("\n") }
    this.event = ""
    this.data = []
    this.length = 0
    return frame
  }

  private bound(length: number) {
    if (length > this.limit) {
      throw new FrameTooLong(`The server's stream has a frame of more than ${this.limit} characters.`)
    }
  }
}

class Silent extends Error {}

/** Rejects when nothing comes for so many milliseconds, and when the signal is aborted. */
const within = async <A>(millis: number, signal: AbortSignal | undefined, promise: Promise<A>): Promise<A> => {
  let end = () => {}
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, fail) => {
        const timer = setTimeout(() => fail(new Silent("The stream fell silent.")), millis)
        const leave = () => fail(aborted(signal?.reason))
        if (signal?.aborted) leave()
        else signal?.addEventListener("abort", leave)
        end = () => {
          clearTimeout(timer)
          signal?.removeEventListener("abort", leave)
        }
      })
    ])
  } finally {
    end()
  }
}

/**
 * The frames of a stream of bytes, read as fast as they are taken. A frame that the end cuts off is dropped. Rejects when
 * nothing comes for `silence` milliseconds, and with `FrameTooLong`.
 */
export async function* frames(
  bytes: ReadableStream<Uint8Array>,
  silence: number,
  signal?: AbortSignal
): AsyncGenerator<Frame, void, undefined> {
  const reader = bytes.getReader()
  const parser = new Parser()
  try {
    while (true) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- what comes next is read when this was taken
      const { done, value } = await within(silence, signal, reader.read())
      if (done) return
      yield* parser.push(value)
    }
  } finally {
    // Nobody reads on: the connection is given back. One that has failed has nothing to give.
    reader.cancel().catch(() => {})
  }
}
