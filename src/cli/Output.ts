/** Answers as people or programs want them: a table, JSON, or a line of JSON for each record. */
import { Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { dim, Screen } from "./Screen.ts"
import { type Column, csvOf, linesOf, tableOf } from "./Table.ts"

export type { Column } from "./Table.ts"

export const output = {
  output: Options.choice("output", ["table", "wide", "json", "ndjson", "csv"]).pipe(
    Options.withAlias("o"),
    Options.withDescription("How to print; wide shows all columns in full, csv has a header"),
    Options.withDefault("table" as const)
  )
}
export type Format = "table" | "wide" | "json" | "ndjson" | "csv"

/** Whether the format is for people and not for programs. */
export const isText = (format: Format) => format === "table" || format === "wide"

const pretty = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`
const compact = (value: unknown) => `${JSON.stringify(value)}\n`

/** `table` is what people get; programs get `value` as JSON. */
export const print = (format: Format, value: unknown, table: string): Effect.Effect<void, never, Screen> =>
  Effect.flatMap(
    Screen,
    (screen) => screen.out(isText(format) ? table : format === "json" ? pretty(value) : compact(value))
  )

export const printRecord = <A>(
  format: Format,
  columns: ReadonlyArray<Column<A>>,
  record: A
): Effect.Effect<void, never, Screen> =>
  format === "csv"
    ? Effect.flatMap(Screen, (screen) => screen.out(csvOf(columns, [record])))
    : print(format, record, linesOf(columns, record))

/** Prints a list. As NDJSON, records are printed while the later pages are still being fetched. */
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
        if (format === "csv") return screen.out(csvOf(columns, all))
        if (all.length === 0 && screen.isTerminal.out) return screen.err("Nothing there.\n")
        const width = format === "wide" ? Option.none<number>() : screen.width
        const { left, text } = tableOf(columns, all, { hasColour: screen.hasColour.out, width })
        const more = left === 1 ? "one more column" : `${left} more columns`
        return Effect.zipRight(
          screen.out(text),
          left === 0 ? Effect.void : screen.err(dim(`(${more} with -o wide)\n`, screen.hasColour.err))
        )
      }))
