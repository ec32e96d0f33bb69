/**
 * The body of a provider's answer between the connection and the package that
 * reads it. Every byte is a sign of life; what cannot be read is left out; and the
 * end of the answer is its end, whatever becomes of the connection.
 */
import type { Usage } from "../../../domain/Usage.ts"
import * as Failure from "../aisdk/Failure.ts"
import * as Chunks from "./Chunks.ts"
import * as Dense from "./Dense.ts"
import * as Direct from "./Direct.ts"
import type { End } from "./End.ts"
import * as Events from "./Events.ts"
import * as Frames from "./Frames.ts"
import * as Items from "./Items.ts"
import { isFields, nothingSeen, type Seen } from "./Seen.ts"
import * as Turn from "./Turn.ts"

/** Told while the answer is read. */
export interface Signs {
  /** Bytes have come. */
  readonly alive: () => void
  /** The tokens that the provider has named so far: those before are part of them. */
  readonly charged: (usage: Usage) => void
  /** The answer has come to an end. */
  readonly ended?: (end: End) => void
  /** How many events, or parts of them, were left out since it was told last. */
  readonly skipped: (count: number) => void
}

/**
 * How long an answer that has said why it ends may go on without its end mark,
 * after its last event: the tokens that it cost often come after the reason. In milliseconds.
 */
const grace = 2_000

/** How long, and for how many bytes, a connection may take to end after the end mark; it is used again if it does. */
const drainMillis = 1_000
const drainBytes = 64 * 1024

/** Bytes that are handed over at a time: what the package makes of them takes a few milliseconds. */
const pieceBytes = 16 * 1024

/** Longest answer in one piece, in bytes. */
const maxWhole = 6 * 1024 * 1024

/** Bytes of an error that are read: what it says stands at its beginning. */
const maxError = 64 * 1024

const ended: Direct.Read = { done: true, value: undefined }

type Reader = ReadableStreamDefaultReader<Uint8Array>

const cancel = (reader: Reader) => void reader.cancel().catch(() => undefined)

/** Reads what is left, so that the connection can be kept. Nobody waits for it, and it ends by itself. */
const drain = async (reader: Reader) => {
  // @effect-diagnostics-next-line globalTimers:off -- outside of any fiber: the answer has ended
  const timer = setTimeout(() => cancel(reader), drainMillis)
  timer.unref()
  try {
    let left = drainBytes
    while (left > 0) {
      // oxlint-disable-next-line no-await-in-loop -- a stream is read piece after piece
      const { done, value } = await reader.read()
      if (done) return
      left -= value.byteLength
    }
    cancel(reader)
  } catch {
    // The answer was complete before its connection broke.
  } finally {
    clearTimeout(timer)
  }
}

/** Hands over what the filter lets pass. */
const passing = (reader: Reader, filter: Events.Filter, seen: Seen, signs: Signs): ReadableStream<Uint8Array> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  let events = 0
  let skipped = 0
  let usage: Usage | undefined
  /** What was passed on, but has not been asked for yet. */
  let left: Uint8Array | undefined
  /** Whether nothing more is read. */
  let over = false

  /** Begins or ends the grace, after what has come. */
  const rearm = () => {
    if (timer !== undefined && seen.finished && seen.events === events) return
    events = seen.events
    clearTimeout(timer)
    // Cancelling makes the read that waits end, as if the connection had ended.
    // @effect-diagnostics-next-line globalTimers:off -- a web stream's own reading, outside of any fiber
    timer = seen.finished ? setTimeout(() => cancel(reader), grace) : undefined
  }

  const tell = () => {
    if (seen.usage !== usage && seen.usage !== undefined) signs.charged(seen.usage)
    usage = seen.usage
    if (seen.finished && seen.reason !== undefined) signs.ended?.({ reason: seen.reason, usage })
    if (seen.skipped > skipped) signs.skipped(seen.skipped - skipped)
    skipped = seen.skipped
  }

  /** Ends the answer; nothing of it is read any more. */
  const end = () => {
    over = true
    clearTimeout(timer)
  }

  const fail = (error: unknown): never => {
    end()
    cancel(reader)
    throw error
  }

  /** What may be passed on after this piece, if anything. */
  const take = (piece: Direct.Read): Direct.Read | undefined => {
    const { done, value } = piece
    if (!done) signs.alive()
    try {
      const given = done ? filter.end() : filter.take(value)
      tell()
      if (done || seen.over) {
        end()
        if (!done) void drain(reader)
      } else rearm()
      if (given === undefined) return over ? ended : undefined
      return given === value ? piece : { done: false, value: given }
    } catch (error) {
      return fail(error)
    }
  }

  /** An answer that has said why it ends is complete, even if its connection breaks after that. */
  const broke = (error: unknown) => seen.finished ? first(take(ended) ?? ended) : fail(Failure.brokenOff(error))

  const next = () => reader.read().then(take, broke)

  /** Until there is something to pass on: a loop, because promises that wait for each other would be kept. */
  const more = async (): Promise<Direct.Read> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a stream is read piece after piece
      if (Turn.isLong()) await Turn.next()
      // oxlint-disable-next-line no-await-in-loop
      const given = await next()
      if (given !== undefined) return first(given)
    }
  }

  /** Keeps for the next time what is more than one piece. */
  const first = (given: Direct.Read): Direct.Read => {
    if (given.done || given.value.length <= pieceBytes) return given
    left = given.value.subarray(pieceBytes)
    return { done: false, value: given.value.subarray(0, pieceBytes) }
  }

  const takeFirst = (piece: Direct.Read) => {
    const given = take(piece)
    return given === undefined ? more() : first(given)
  }

  const readNow = (): Promise<Direct.Read> => {
    if (left !== undefined) {
      const value = left
      left = undefined
      return Promise.resolve(first({ done: false, value }))
    }
    return over ? Promise.resolve(ended) : reader.read().then(takeFirst, broke)
  }

  return Direct.make({
    read: () => Turn.isLong() ? Turn.next().then(readNow) : readNow(),
    cancel: (reason) => {
      left = undefined
      // After its end the connection is on its way to be used again.
      if (over) return Promise.resolve()
      end()
      return reader.cancel(reason)
    }
  })
}

/** The whole text of an answer that does not stream. */
const textOf = async (reader: Reader, signs: Signs): Promise<string> => {
  const all: Array<Uint8Array> = []
  const look = Dense.whole("event")
  let length = 0
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a stream is read piece after piece
    const { done, value } = await reader.read().catch((error: unknown) => Promise.reject(Failure.brokenOff(error)))
    if (done) return Buffer.concat(all).toString()
    signs.alive()
    all.push(value)
    length += value.byteLength
    try {
      if (length > maxWhole) throw Failure.tooLarge()
      look(value)
    } catch (error) {
      cancel(reader)
      throw error
    }
  }
}

/** A server that does not stream, although it was asked to, has its answer read as one event. */
const ofWhole = (text: string): Uint8Array => {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return Buffer.from(text)
  }
  const event = !isFields(answer)
    ? answer
    : Array.isArray(answer["choices"])
    ? Chunks.ofWhole(answer)
    : answer["object"] === "response"
    ? Items.ofWhole(answer)
    : answer
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}

const typeOf = (response: Response): string => (response.headers.get("content-type") ?? "").toLowerCase()

const isPage = (response: Response) => response.ok && typeOf(response).startsWith("text/html")

type WithBody = Response & { readonly body: ReadableStream<Uint8Array> }

const hasBody = (response: Response): response is WithBody => response.body !== null

type Pass = (piece: Uint8Array, to: TransformStreamDefaultController<Uint8Array>) => void

/** The same answer, of which each piece goes through `pass`. */
const through = ({ body, headers, status, statusText }: WithBody, pass: Pass): Response =>
  new Response(body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>({ transform: pass })), {
    status,
    statusText,
    headers
  })

/** An error up to where it may say something, and no further. */
const beginningOf = (response: WithBody): Response => {
  let left = maxError
  return through(response, (piece, to) => {
    to.enqueue(piece.subarray(0, left))
    left -= piece.byteLength
    if (left <= 0) to.terminate()
  })
}

/** Fails when it is a web page. */
const noPage = (response: Response): Response => {
  if (!isPage(response)) return response
  void response.body?.cancel().catch(() => undefined)
  throw Failure.webPage()
}

/** An answer that is not a stream of events: it may not be a web page, and not take long to read. */
export const plain = (given: Response, what: Dense.Whole): Response => {
  const response = noPage(given)
  if (!hasBody(response)) return response
  if (!response.ok) return beginningOf(response)
  const look = Dense.whole(what)
  return through(response, (piece, to) => {
    look(piece)
    to.enqueue(piece)
  })
}

/** The answer as it may be read. Fails when it is a web page. */
export const streamed = async (given: Response, signs: Signs): Promise<Response> => {
  const response = noPage(given)
  if (!hasBody(response)) return response
  if (!response.ok) return beginningOf(response)
  const { headers, status, statusText } = response
  const type = typeOf(response)
  const seen = nothingSeen()
  const reader = response.body.getReader()
  if (type.startsWith("application/json")) {
    const filter = Events.make(seen)
    const text = await textOf(reader, signs)
    await Turn.next()
    const bytes = ofWhole(text)
    await Turn.next()
    const one = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(bytes)
        controller.close()
      }
    })
    return new Response(passing(one.getReader(), filter, seen, signs), {
      status,
      statusText,
      headers: { "content-type": "text/event-stream" }
    })
  }
  const filter = type.startsWith("application/vnd.amazon.eventstream") ? Frames.make(seen) : Events.make(seen)
  return new Response(passing(reader, filter, seen, signs), { status, statusText, headers })
}
