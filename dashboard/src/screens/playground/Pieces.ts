/** Markdown in pieces that can be read one by one: of a text that grows, only the last piece is read again. */

/** Longest piece, in characters, that is read as Markdown; more of it is shown as it is. */
const maxPiece = 20_000

/** Most characters of a piece that may mean something in Markdown: readers take the square of their number in the worst case. */
const maxMarks = 1_000

/** Quotes within quotes; readers call themselves for each. */
const maxDepth = 50

const marks = new Set("[]*_`~!<&@\n")

const fence = /^ {0,3}(`{3,}|~{3,})/

/** One block of code and nothing else, closed or not: nothing in it means anything. */
const isCode = (piece: string): boolean => {
  const mark = fence.exec(piece)?.[1]
  if (mark === undefined) return false
  const close = piece.indexOf(`\n${mark}`)
  return close < 0 || piece.slice(close + 1).trim() === mark
}

/** Whether it is read as Markdown in no time. */
export const isReadable = (piece: string): boolean => {
  if (piece.length > maxPiece) return false
  if (isCode(piece)) return true
  let count = 0
  let depth = 0
  for (const letter of piece) {
    if (marks.has(letter) && ++count > maxMarks) return false
    depth = letter === ">" ? depth + 1 : letter === "\n" ? 0 : depth
    if (depth > maxDepth) return false
  }
  return true
}

/** Cuts at empty lines outside of fences. What belongs together stays together: a list's items, a quote. */
export const piecesOf = (text: string): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let from = 0
  let open: string | undefined
  let at = 0
  let wasEmpty = false
  while (at < text.length) {
    const end = text.indexOf("\n", at)
    const next = end < 0 ? text.length : end + 1
    // A fence is at the beginning of its line; no more of a long line is looked at.
    const line = text.slice(at, Math.min(next, at + 200))
    const mark = fence.exec(line)?.[1]
    if (open === undefined && wasEmpty && /^\S/.test(line) && !/^(?:[-*+>]|\d+[.)])/.test(line) && at > from) {
      pieces.push(text.slice(from, at))
      from = at
    }
    if (mark !== undefined) {
      if (open === undefined) open = mark
      else if (mark.startsWith(open)) open = undefined
    }
    wasEmpty = line.trim() === ""
    at = next
  }
  if (from < text.length) pieces.push(text.slice(from))
  return pieces
}
