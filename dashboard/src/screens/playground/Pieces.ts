/** Markdown in pieces that can be read one by one: of a text that grows, only the last piece is read again. */

/** Longest piece, in characters, that is read as Markdown; more of it is shown as it is. */
export const maxPiece = 20_000

const fence = /^ {0,3}(`{3,}|~{3,})/

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
