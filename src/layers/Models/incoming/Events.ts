/**
 * Server-sent events on their way to the package that reads them: each is looked
 * at as JSON, and passed on, put right, or left out. Only their data is passed on;
 * nothing else of them is read.
 */
import * as Failure from "../aisdk/Failure.ts"
import * as Alike from "./Alike.ts"
import * as Dense from "./Dense.ts"
import * as Kinds from "./Kinds.ts"
import { dropped, type Fields, isFields, type Seen } from "./Seen.ts"

/** Longest line, and longest data of an event, in characters. What is longer holds more than an answer may have, escaped or not. */
const maxLength = 8 * 1024 * 1024

/** Most lines of one event: a server that leaves no line free between two events sends all of them as one. */
const maxLines = 10_000

/** Lines that are looked at to see whether each is an event of its own. */
const triedLines = 16

/** Most events of one answer that cannot be read. */
const maxSkipped = 10_000

/** Data that is longer than this is passed on as it is: reading it twice would hold up others. */
const maxLooked = 1024 * 1024

/** Takes bytes as they come, and gives those that may be passed on now. */
export interface Filter {
  readonly take: (bytes: Uint8Array) => Uint8Array | undefined
  /** What is left when no more bytes come. */
  readonly end: () => Uint8Array | undefined
}

/** Whether a text is a page for people. */
export const isPage = (line: string): boolean => /^\s*<(!doctype|html|head|body|\?xml)/i.test(line.slice(0, 256))

/** The JSON in a text; undefined for what cannot be an object, without the cost of an error. */
const parsed = (data: string): unknown => {
  if (!/^\s*\{/.test(data) || Dense.isDense(data)) return undefined
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

const done = "[DONE]"

const newline = 10

/** Where the next event begins, if this is seen here; else the end. */
const endOfEvent = (bytes: Uint8Array, start: number): number => {
  for (let at = bytes.indexOf(newline, start); at >= 0; at = bytes.indexOf(newline, at + 1)) {
    if (bytes[at + 1] === newline) return at + 2
  }
  return bytes.length
}

export const make = (seen: Seen): Filter => {
  const decoder = new TextDecoder()
  const look = Kinds.look(seen)
  /** The beginning of a line whose end has not come, and how long it is. */
  let begun = ""
  /** The data of an event whose end has not come: a line each. */
  let data: Array<string> = []
  let length = 0
  /** All lines of that event, as they came. */
  let frame = ""
  let out = ""
  const alike = Alike.make(seen)

  const pass = (text: string) => {
    out += `data: ${text}\n\n`
  }

  const passAll = (values: ReadonlyArray<unknown>) => {
    for (const value of values) {
      if (isFields(value)) passOne(value)
      else seen.skipped++
    }
  }

  const passOne = (value: Fields, text?: string, lines?: string) => {
    const right = look(value)
    const isSame = right === value && text !== undefined
    alike.learn(isSame ? lines : undefined)
    if (isSame) pass(text)
    else if (Array.isArray(right)) { for (const one of right) pass(JSON.stringify(one)) }
    else if (right !== dropped) pass(JSON.stringify(right))
  }

  const endAll = (isDone: boolean) => {
    const end = Kinds.endOf(seen, isDone)
    if (end !== undefined) pass(JSON.stringify(end))
    seen.over ||= isDone
  }

  const endEvent = () => {
    const lines = data
    const whole = frame
    data = []
    length = 0
    frame = ""
    if (lines.length === 0 || seen.over) return
    seen.events++
    const text = lines.length === 1 ? lines[0]! : lines.join("\n")
    if (Dense.isDense(text)) return passLines(lines)
    if (text.length > maxLooked) {
      seen.visible = true
      return pass(text)
    }
    const value = parsed(text)
    if (isFields(value)) return passOne(value, lines.length === 1 ? text : undefined, whole)
    passLines(lines)
  }

  const skip = () => {
    if (++seen.skipped > maxSkipped) throw Failure.garbage()
  }

  /** Some servers do not leave a line free between two events. */
  const passLines = (lines: ReadonlyArray<string>) => {
    if (lines.length > 1 && lines.slice(0, triedLines).map(parsed).some(isFields)) return passAll(lines.map(parsed))
    if (lines.some((line) => line.trim() !== "")) skip()
  }

  const takeLine = (line: string) => {
    if (line === "") return endEvent()
    if (frame.length <= Alike.longest) frame += `${line}\n`
    if (line.startsWith("data:")) {
      const own = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5)
      if (own.trimEnd() === done) {
        endEvent()
        return endAll(true)
      }
      length += own.length
      if (length > maxLength) throw Failure.tooLarge()
      if (data.push(own) > maxLines) throw Failure.garbage()
    } else if (seen.events === 0 && isPage(line)) throw Failure.webPage()
  }

  const takeText = (given: string) => {
    let text = given
    if (text.includes("\r")) {
      // What comes next may begin with the other half of the line's end.
      const isHalf = text.endsWith("\r")
      text = (isHalf ? text.slice(0, -1) : text).replaceAll("\r\n", "\n").replaceAll("\r", "\n")
      if (isHalf) half = "\r"
    }
    let from = 0
    for (let at = text.indexOf("\n"); at >= 0 && !seen.over; at = text.indexOf("\n", from)) {
      const line = text.slice(from, at)
      from = at + 1
      if (begun === "") takeLine(line)
      else {
        const whole = begun + line
        begun = ""
        takeLine(whole)
      }
    }
    begun += text.slice(from)
    if (begun.length > maxLength) throw Failure.tooLarge()
  }

  let half = ""

  const given = (): Uint8Array | undefined => {
    if (out === "") return undefined
    const bytes = Buffer.from(out)
    out = ""
    return bytes
  }

  return {
    take: (bytes) => {
      const pieces: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length && !seen.over;) {
        // What is alike is a whole event: nothing of another one may have come before it.
        const alikeTo = begun === "" && frame === "" && half === "" ? alike.endIn(bytes, at) : at
        if (alikeTo - at === bytes.length) return bytes
        if (alikeTo > at) pieces.push(bytes.subarray(at, alikeTo))
        at = alikeTo
        if (at === bytes.length) break
        // After an event that is read as JSON the next ones may be alike again.
        const next = alike.isUsed() ? endOfEvent(bytes, at) : bytes.length
        const text = half + decoder.decode(bytes.subarray(at, next), { stream: true })
        half = ""
        takeText(text)
        at = next
        const right = given()
        if (right !== undefined) pieces.push(right)
      }
      return pieces.length > 1 ? Buffer.concat(pieces) : pieces[0]
    },
    end: () => {
      takeText(`${half}${decoder.decode()}\n\n`)
      endAll(false)
      return given()
    }
  }
}
