/** Reads files of the workspace: text with the numbers of its lines, and pictures. */
import { Effect, Schema } from "effect"
import * as Base64 from "../../../services/Base64.ts"
import { type OpenFile, pieceBytes, readUpTo, Workspace } from "../../../services/Workspace.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"
import { failed, homeOf, opened, resolved } from "./InWorkspace.ts"

/** Lines that are given when no number is said, and at most; characters of a line, and of all. */
const usualLines = 2_000
const maxLines = 10_000
const maxLine = 2_000
const maxShown = 200_000

/** Bytes that are looked through for the first line that is asked for. */
const maxSkipped = 512 * 1024 * 1024

/** Largest picture, in bytes. */
const maxPicture = 5 * 1024 * 1024

/** Bytes by which a text is told from something else. */
const looked = 8_192

const pictureOf = (head: Uint8Array): string | undefined => {
  const hex = Buffer.from(head.subarray(0, 12)).toString("hex")
  if (hex.startsWith("89504e470d0a1a0a")) return "image/png"
  if (hex.startsWith("ffd8ff")) return "image/jpeg"
  if (hex.startsWith("474946383")) return "image/gif"
  return hex.startsWith("52494646") && hex.endsWith("57454250") ? "image/webp" : undefined
}

const newline = 10

/** Gives the lines from `first` on, at most `count`, piece by piece: the whole file is never in memory. */
const lines = Effect.fnUntraced(function*(file: OpenFile, first: number, count: number) {
  const shown: Array<string> = []
  let number = 1
  let size = 0
  let at = 0
  let rest = Buffer.alloc(0)
  /** Bytes of a line that is too long and of which no more is kept. */
  let dropped = 0
  const add = (bytes: Buffer) => {
    const text = bytes.toString("utf8").replace(/\r$/, "")
    const cut = text.length > maxLine || dropped > 0
    const line = `${String(number).padStart(6)}\t${text.slice(0, maxLine)}${cut ? " [the line goes on]" : ""}`
    size += line.length + 1
    shown.push(line)
  }
  const isFull = () => shown.length >= count || size > maxShown
  while (!isFull()) {
    const piece = yield* file.read(at, pieceBytes)
    at += piece.length
    if (at > maxSkipped && shown.length === 0) return { shown, next: number, tooFar: true }
    if (piece.length === 0) {
      if (rest.length > 0 && number >= first) add(rest)
      return { shown, next: undefined, tooFar: false }
    }
    let start = 0
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, start)) {
      if (number >= first) {
        add(Buffer.concat([rest, piece.subarray(start, end)]))
        if (isFull()) return { shown, next: number + 1, tooFar: false }
      }
      rest = Buffer.alloc(0)
      dropped = 0
      number++
      start = end + 1
    }
    const tail = Buffer.concat([rest, piece.subarray(start)])
    rest = tail.subarray(0, maxLine * 4)
    dropped += tail.length - rest.length
  }
  return { shown, next: number, tooFar: false }
})

export const read = Effect.map(Workspace, (service) =>
  define({
    name: "Read",
    description:
      "Reads a file of the workspace. Text comes with the number of each line before it; pictures are shown.",
    folderOf: homeOf(service),
    effect: "read",
    idempotent: true,
    onRequest: true,
    parameters: Schema.Struct({
      file_path: Schema.String.pipe(Schema.minLength(1)),
      offset: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1_000_000_000)), { exact: true, default: () => 1 })
        .annotations({ description: "The first line, from 1." }),
      limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, maxLines)), {
        exact: true,
        default: () => usualLines
      })
        .annotations({ description: `How many lines; ${usualLines} when left out.` })
    }),
    run: Effect.fnUntraced(function*({ file_path, limit, offset }, caller, io) {
      const workspace = yield* opened(service, caller)
      const path = yield* resolved(workspace, caller, file_path)
      const file = yield* failed(workspace.open(path))
      const head = yield* failed(file.read(0, looked))
      const picture = pictureOf(head)
      if (picture !== undefined) {
        if (file.size > maxPicture) {
          return yield* new ToolFailed({
            message: `The picture has ${file.size} bytes; at most ${maxPicture} are shown.`
          })
        }
        const data = Base64.encode(yield* failed(readUpTo(workspace, path, maxPicture)))
        io.emit({ type: "data", block: `picture-${io.call.id}`, media_type: picture, data })
        return `${path} is a picture (${picture}, ${file.size} bytes).`
      }
      if (head.includes(0)) return yield* new ToolFailed({ message: `'${file_path}' is no text (${file.size} bytes).` })
      const { next, shown, tooFar } = yield* failed(lines(file, offset, limit))
      if (tooFar) {
        return yield* new ToolFailed({
          message: `Line ${offset} is too far down in this file: use Bash with sed or tail.`
        })
      }
      if (shown.length === 0) return file.size === 0 ? "The file is empty." : `The file has fewer than ${offset} lines.`
      return `${shown.join("\n")}${next === undefined ? "" : `\n[The file goes on: read from line ${next}.]`}`
    })
  }))
