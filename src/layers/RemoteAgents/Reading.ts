/** Reads what agents elsewhere answer, within bounds: one text of JSON, or a stream of events with one in each. */
// oxlint-disable eslint/no-await-in-loop -- a body is read piece after piece
import * as JsonScan from "../../domain/JsonScan.ts"

/** Longest answer, card and event, and longest stream, in bytes. */
export const maxAnswer = 8 * 1024 * 1024
export const maxCard = 256 * 1024
const maxEvent = 8 * 1024 * 1024
const maxStream = 64 * 1024 * 1024

/** Deepest JSON, and most objects, lists and commas: parsing what has less is quick. */
const maxDepth = 64
const maxMarks = 15_000

/** Events that are handled in one stretch, while others wait. */
const perTurn = 50

const newline = 0x0a

/** What was sent is more than an agent may send, or is no JSON. */
export class Unreadable extends Error {
  override readonly name = "Unreadable"
}

const tooMuch = () => new Unreadable("It has sent more than is read.")

const parsed = (bytes: Uint8Array): unknown => {
  if (JsonScan.make(maxDepth, maxMarks).take(bytes) !== undefined) throw tooMuch()
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new Unreadable("It has not answered with JSON.")
  }
}

/** The whole of a body as JSON; undefined where there is none. */
export const jsonOf = async ({ body }: Response, most: number): Promise<unknown> => {
  const pieces: Array<Uint8Array> = []
  let size = 0
  for await (const piece of body ?? []) {
    size += piece.length
    if (size > most) throw tooMuch()
    pieces.push(piece)
  }
  return size === 0 ? undefined : parsed(Buffer.concat(pieces))
}

const turn = () => new Promise<void>((resume) => setImmediate(resume))

const prefix = Buffer.from("data:")
const isData = (line: Uint8Array) => prefix.compare(line.subarray(0, prefix.length)) === 0

/** Without the end of the line, and one blank behind the colon. */
const valueOf = (line: Uint8Array) => line.subarray(line[prefix.length] === 0x20 ? prefix.length + 1 : prefix.length)

/** The lines of a stream, without their ends. */
const linesOf = async function*({ body }: Response) {
  let rest: Array<Uint8Array> = []
  let size = 0
  let all = 0
  for await (const piece of body ?? []) {
    all += piece.length
    if (all > maxStream) throw tooMuch()
    for (let from = 0; from < piece.length;) {
      const found = piece.indexOf(newline, from)
      const end = found < 0 ? piece.length : found
      rest.push(piece.subarray(from, end))
      size += end - from
      if (size > maxEvent) throw tooMuch()
      from = end + 1
      if (found < 0) break
      const line = rest.length === 1 ? rest[0]! : Buffer.concat(rest)
      yield line.at(-1) === 0x0d ? line.subarray(0, -1) : line
      rest = []
      size = 0
    }
  }
}

/** What the events of a stream say, one after the other. One that was cut off at the end says nothing. */
export const eventsOf = async function*(response: Response): AsyncGenerator<unknown> {
  let data: Array<Uint8Array> = []
  let size = 0
  let lines = 0
  for await (const line of linesOf(response)) {
    if (++lines % perTurn === 0) await turn()
    if (isData(line)) {
      const value = valueOf(line)
      size += value.length
      if (size > maxEvent) throw tooMuch()
      data.push(value)
    } else if (line.length === 0 && data.length > 0) {
      yield parsed(Buffer.concat(data))
      data = []
      size = 0
    }
  }
}
