/** What answers that hold a file have in common: the part that is asked for, and the name under which it is kept. */

interface Range {
  readonly from: number
  /** The last byte itself. */
  readonly to: number
}

/**
 * The part that is asked for. Several parts at once, a part that is not there, and
 * what cannot be read count as all of it, as RFC 9110, section 14.2, allows.
 */
export const rangeOf = (header: string | undefined, size: number): Range | "all" => {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? []
  if (first === "" && last === "") return "all"
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== "" && last !== "" && Number(last) < from) return "all"
  return from > to ? "all" : { from, to }
}

/** Half of a surrogate pair alone cannot be encoded. */
const wellFormed = (text: string) =>
  text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")

/** A name in a header: in plain characters for old clients, and whole for the others. */
export const disposition = (name: string | null, isShown: boolean): string => {
  const kind = isShown ? "inline" : "attachment"
  if (name === null || name === "") return kind
  const plain = name.replace(/[^\x20-\x7e]|["\\%/]/g, "_").slice(0, 200)
  const whole = encodeURIComponent(wellFormed(name.slice(0, 200))).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `${kind}; filename="${plain}"; filename*=UTF-8''${whole}`
}
