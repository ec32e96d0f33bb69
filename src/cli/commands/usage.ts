import { Command, Options } from "@effect/cli"
import { Clock, DateTime, Effect, Option, Stream } from "effect"
import { GroupBy, UsageRequest, type UsageRow, type UsageSum } from "../../domain/UsageReport.ts"
import { connect, connection } from "../Connection.ts"
import { decode, optionalText } from "../Inputs.ts"
import { type Column, output, print, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const dollars = (cost: number | null) => cost === null ? null : `$${cost.toFixed(cost < 1 ? 6 : 2)}`

const sums: ReadonlyArray<Column<UsageSum>> = [
  ["calls", ({ calls }) => calls],
  ["errors", ({ errors }) => errors, 2],
  ["input", ({ input_tokens }) => input_tokens],
  ["cached", ({ cache_input_tokens }) => cache_input_tokens, 3],
  ["output", ({ output_tokens }) => output_tokens],
  ["reasoning", ({ reasoning_tokens }) => reasoning_tokens, 4],
  ["cost", ({ cost }) => dollars(cost)]
]

const keys: Readonly<Record<GroupBy, (row: Partial<UsageRow>) => unknown>> = {
  day: ({ day }) => day,
  provider: ({ provider }) => provider,
  model: ({ model }) => model,
  credential: ({ credential_id }) => credential_id,
  agent: ({ agent_id }) => agent_id,
  session: ({ session_id }) => session_id,
  run: ({ run_id }) => run_id
}

/** `7d`, `12h`, a day or a time, as the API takes it. */
const momentOf = Effect.fnUntraced(function*(text: string) {
  const [, count, unit] = /^(\d{1,4})([dh])$/.exec(text) ?? []
  if (count === undefined) return text
  const millis = (yield* Clock.currentTimeMillis) - Number(count) * (unit === "d" ? 86_400_000 : 3_600_000)
  return DateTime.formatIso(DateTime.unsafeMake(millis))
})

export const usage = Command.make(
  "usage",
  {
    by: Options.text("by").pipe(
      Options.withPseudoName("KINDS"),
      Options.withDescription(`One to three of ${GroupBy.literals.join(", ")}, separated by commas`),
      Options.withDefault("day")
    ),
    since: optionalText("since", "TIME", "From when: 7d, 12h, 2026-01-31 or a UTC time (default: 30 days ago)"),
    until: optionalText("until", "TIME", "To when, itself not included (default: now)"),
    ...limit,
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const from = yield* Effect.transposeMapOption(options.since, momentOf)
      const to = yield* Effect.transposeMapOption(options.until, momentOf)
      const request = yield* decode(UsageRequest, {
        group_by: options.by,
        ...Option.isSome(from) && { from: from.value },
        ...Option.isSome(to) && { to: to.value }
      })
      const { group_by } = request
      const { limit: _, ...first } = request
      const { usage: __, next_cursor: ___, ...report } = yield* api.usage.sum({ urlParams: { ...first, limit: 1 } })
      const rows = all(options.limit, (params) =>
        Effect.map(
          api.usage.sum({ urlParams: { ...first, from: report.from, to: report.to, ...params } }),
          ({ next_cursor, usage }) => ({ items: usage, next: next_cursor })
        ))
      if (options.output === "json") {
        return yield* print("json", { ...report, usage: [...(yield* Stream.runCollect(rows))] }, "")
      }
      if (options.output === "ndjson") return yield* printAll("ndjson", sums, rows)
      const total: Partial<UsageRow> & UsageSum = report.totals
      const columns: ReadonlyArray<Column<Partial<UsageRow> & UsageSum>> = [
        ...group_by.map((by, i): Column<Partial<UsageRow> & UsageSum> => [
          by,
          (row) => row === total ? (i === 0 ? "total" : null) : keys[by](row)
        ]),
        ...sums
      ]
      yield* printAll(options.output, columns, Stream.concat(rows, Stream.make(total)))
    })
).pipe(Command.withDescription("What models were asked, and what it cost"))
