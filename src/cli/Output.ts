/** Answers as people or programs want them: a table, JSON, or a line of JSON for each record. */
import { Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { bold, Screen } from "./Screen.ts"

export const output = {
  output: Options.choice("output", ["table", "json", "ndjson"]).pipe(
    Options.withAlias("o"),
    Options.withDescription("How to print"),
    Options.withDefault("table" as const)
  )
}
export type Format = "table" | "json" | "ndjson"

/** A column of a table, or a line of a single record. */
export type Column<A> = readonly [title: string, of: (record: A) => unknown]

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

/** The last column is cut where the terminal ends; elsewhere nothing is. */
const tableOf = <A>(
  columns: ReadonlyArray<Column<A>>,
  records: ReadonlyArray<A>,
  style: { readonly hasColour: boolean; readonly width: Option.Option<number> }
): string => {
  const titles = columns.map(([title]) => title.toUpperCase())
  const rows = records.map((record) => columns.map(([, of]) => cell(of(record))))
  const widths = titles.map((title, i) =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[i]!)), widthOf(title))
  )
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + gap, 0)
  const left = Option.match(style.width, {
    onNone: () => Infinity,
    onSome: (width) => Math.max(width - before, widthOf(titles.at(-1) ?? ""))
  })
  const lineOf = (row: ReadonlyArray<string>) =>
    row.map((text, i) => i === row.length - 1 ? cut(text, left) : pad(text, widths[i]! + gap)).join("")
  return [bold(lineOf(titles), style.hasColour), ...rows.map(lineOf)].join("\n") + "\n"
}

const linesOf = <A>(columns: ReadonlyArray<Column<A>>, record: A): string => {
  const width = Math.max(...columns.map(([title]) => widthOf(title)))
  return columns.map(([title, of]) => `${pad(title, width + gap)}${cell(of(record))}\n`).join("")
}

const pretty = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`
const compact = (value: unknown) => `${JSON.stringify(value)}\n`

/** `table` is what people get; programs get `value` as JSON. */
export const print = (format: Format, value: unknown, table: string): Effect.Effect<void, never, Screen> =>
  Effect.flatMap(
    Screen,
    (screen) => screen.out(format === "table" ? table : format === "json" ? pretty(value) : compact(value))
  )

export const printRecord = <A>(
  format: Format,
  columns: ReadonlyArray<Column<A>>,
  record: A
): Effect.Effect<void, never, Screen> => print(format, record, linesOf(columns, record))

/** As NDJSON, records are printed while the later pages are still fetched. */
export const printAll = <A, E, R>(
  format: Format,
  columns: ReadonlyArray<Column<A>>,
  records: Stream.Stream<A, E, R>
): Effect.Effect<void, E, R | Screen> =>
  Effect.flatMap(Screen, (screen) =>
    format === "ndjson"
      ? Stream.runForEach(records, (record) => screen.out(compact(record)))
      : Effect.flatMap(Stream.runCollect(records), (chunk) => {
        const all = [...chunk]
        if (format === "json") return screen.out(pretty(all))
        return all.length === 0 && screen.isTerminal.out
          ? screen.err("Nothing there.\n")
          : screen.out(tableOf(columns, all, { hasColour: screen.hasColour.out, width: screen.width }))
      }))
