/** Records as a table that fits the terminal, or as lines of names and values. */
import { Option } from "effect"
import { bold } from "./Screen.ts"

/**
 * A column of a table, or a line of a single record. Where the terminal is too
 * narrow the columns of the highest rank go first; those without one stay.
 */
export type Column<A> = readonly [title: string, of: (record: A) => unknown, rank?: number]

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u
const noWidth = /[\p{Mn}\p{Me}\p{Cf}]/u

const widthOf = (text: string): number => {
  let width = 0
  for (const character of text) width += noWidth.test(character) ? 0 : wide.test(character) ? 2 : 1
  return width
}

/** One line, without anything that could steer the terminal. */
const cell = (value: unknown): string =>
  value === undefined || value === null || value === ""
    ? "-"
    : (typeof value === "string" ? value : Array.isArray(value) ? value.join(" ") : String(value))
      .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")

const pad = (text: string, width: number) => text + " ".repeat(Math.max(0, width - widthOf(text)))

const cut = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  let short = ""
  for (const character of text) {
    if (widthOf(short + character) > width - 1) break
    short += character
  }
  return `${short}…`
}

/** Columns between two columns. */
const gap = 2

/** `2026-01-31T09:30:00.000Z` to the minute; everything else as it is. */
const shortTime = (text: string) => text.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z$/, "$1 $2")

/** The end of an id tells it from others that were made at the same time. */
const shortId = (text: string) => text.replace(/^[\da-f]{24}([\da-f]{8})$/, "…$1")

/** The least that is worth showing of the last column, which is cut where the terminal ends. */
const leastLast = 10

interface Style {
  readonly hasColour: boolean
  /** Columns of the terminal; without a number nothing is shortened, left out or cut. */
  readonly width: Option.Option<number>
}

export interface Table {
  readonly text: string
  /** Columns that there was no room for. */
  readonly left: number
}

interface Drawn {
  readonly rank: number
  readonly title: string
  readonly cells: ReadonlyArray<string>
}

const widthIn = ({ cells, title }: Drawn) =>
  cells.reduce((width, text) => Math.max(width, widthOf(text)), widthOf(title))

const sumOf = (columns: ReadonlyArray<Drawn>) =>
  columns.reduce(
    (sum, column, i) => sum + (i === columns.length - 1 ? Math.min(widthIn(column), leastLast) : widthIn(column) + gap),
    0
  )

/** Shortens step by step until it fits. The first column stays whole: it names the record to other commands. */
const fit = (columns: ReadonlyArray<Drawn>, width: number): ReadonlyArray<Drawn> => {
  const shorten = (how: (text: string) => string, all: ReadonlyArray<Drawn>) =>
    all.map((column, i) => i === 0 ? column : { ...column, cells: column.cells.map(how) })
  let fitting = shorten(shortTime, columns)
  if (sumOf(fitting) > width) fitting = shorten(shortId, fitting)
  while (sumOf(fitting) > width) {
    const rank = Math.max(...fitting.map((column) => column.rank))
    if (rank === 0) break
    fitting = fitting.filter((column) => column.rank !== rank)
  }
  return fitting
}

export const tableOf = <A>(columns: ReadonlyArray<Column<A>>, records: ReadonlyArray<A>, style: Style): Table => {
  const drawn = columns.map(([title, of, rank = 0]): Drawn => ({
    title: title.toUpperCase(),
    rank,
    cells: records.map((record) => cell(of(record)))
  }))
  const shown = Option.match(style.width, { onNone: () => drawn, onSome: (width) => fit(drawn, width) })
  const widths = shown.map(widthIn)
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + gap, 0)
  const left = Option.match(style.width, {
    onNone: () => Infinity,
    onSome: (width) => Math.max(width - before, widthOf(shown.at(-1)?.title ?? ""))
  })
  const lineOf = (row: ReadonlyArray<string>) =>
    row.map((text, i) => i === row.length - 1 ? cut(text, left) : pad(text, widths[i]! + gap)).join("")
  const rows = records.map((_, i) => lineOf(shown.map(({ cells }) => cells[i]!)))
  const head = bold(lineOf(shown.map(({ title }) => title)), style.hasColour)
  return { text: `${[head, ...rows].join("\n")}\n`, left: drawn.length - shown.length }
}

export const linesOf = <A>(columns: ReadonlyArray<Column<A>>, record: A): string => {
  const width = Math.max(...columns.map(([title]) => widthOf(title)))
  return columns.map(([title, of]) => `${pad(title, width + gap)}${cell(of(record))}\n`).join("")
}

/** A field of CSV. What a spreadsheet would take for a formula is marked as text. */
const field = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  const text = typeof value === "string" ? value : Array.isArray(value) ? value.join(" ") : String(value)
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe
}

/** Records as CSV with a header, all columns in full. */
export const csvOf = <A>(columns: ReadonlyArray<Column<A>>, records: ReadonlyArray<A>): string =>
  [columns.map(([title]) => title), ...records.map((record) => columns.map(([, of]) => of(record)))]
    .map((row) => `${row.map(field).join(",")}\r\n`).join("")
