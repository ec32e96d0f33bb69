/** JSON text without halves of surrogate pairs, which the parsers of providers refuse. */

/** Half of a pair, written as an escape. */
const half = /\\u[dD]([89a-fA-F])[0-9a-fA-F]{2}/g

/** The second half, at the place where the first has ended. */
const second = /\\u[dD][c-fC-F][0-9a-fA-F]{2}/y

/** Whether the backslash there is not itself escaped by the one before it. */
const isEscape = (json: string, at: number): boolean => {
  let before = at
  while (json[before - 1] === "\\") before--
  return (at - before) % 2 === 0
}

/** Replaces each half by U+FFFD. What is well-formed, as almost all is, comes back as it is. */
export const wellFormed = (json: string): string => {
  const text = json.toWellFormed()
  if (!text.includes("\\ud") && !text.includes("\\uD")) return text
  const written: Array<string> = []
  let done = 0
  half.lastIndex = 0
  for (let found = half.exec(text); found !== null; found = half.exec(text)) {
    const at = found.index
    // An escaped backslash and a `u` behind it are text of a JSON within the JSON.
    if (!isEscape(text, at)) {
      half.lastIndex = at + 2
      continue
    }
    second.lastIndex = half.lastIndex
    if (/[89abAB]/.test(found[1]!) && second.test(text)) {
      half.lastIndex = second.lastIndex
      continue
    }
    written.push(text.slice(done, at))
    done = half.lastIndex
  }
  written.push(text.slice(done))
  return written.join("\\ufffd")
}
