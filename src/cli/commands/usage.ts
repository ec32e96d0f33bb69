import { Command, Options } from "@effect/cli"
import { Clock, DateTime, Effect, Option, Stream } from "effect"
import {
  type AdminGroupBy,
  type AdminUsageReport,
  AdminUsageRequest,
  GroupBy,
  UsageRequest,
  type UsageSum
} from "../../domain/UsageReport.ts"
import { connect, connection } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { decode, optionalText } from "../Inputs.ts"
import { type Column, output, print, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const dollars = (cost: number | null) => cost === null ? null : `$${cost.toFixed(cost < 1 ? 6 : 2)}`

type Report = typeof AdminUsageReport.Type
type Row = Report["usage"][number]

type Page = Partial<Pick<UsageRequest, "limit" | "cursor" | "from" | "to">>

export const sums: ReadonlyArray<Column<UsageSum>> = [
  ["calls", ({ calls }) => calls],
  ["errors", ({ errors }) => errors, 2],
  ["input", ({ input_tokens }) => input_tokens],
  ["cached", ({ cache_input_tokens }) => cache_input_tokens, 3],
  ["output", ({ output_tokens }) => output_tokens],
  ["reasoning", ({ reasoning_tokens }) => reasoning_tokens, 4],
  ["cost", ({ cost }) => dollars(cost)]
]

const keys: Readonly<Record<AdminGroupBy, (row: Partial<Row>) => unknown>> = {
  user: ({ user_id }) => user_id,
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

/** From when, and to when. */
export const range = {
  since: optionalText("since", "TIME", "From when: 7d, 12h, 2026-01-31 or a UTC time (default: 30 days ago)"),
  until: optionalText("until", "TIME", "To when, itself not included (default: now)")
}

export const rangeOf = Effect.fnUntraced(
  function*({ since, until }: { readonly [K in keyof typeof range]: Option.Option<string> }) {
    const from = yield* Effect.transposeMapOption(since, momentOf)
    const to = yield* Effect.transposeMapOption(until, momentOf)
    return {
      ...Option.isSome(from) && { from: from.value },
      ...Option.isSome(to) && { to: to.value }
    }
  }
)

export const usage = Command.make(
  "usage",
  {
    by: Options.text("by").pipe(
      Options.withPseudoName("KINDS"),
      Options.withDescription(
        `One to three of ${GroupBy.literals.join(", ")}, separated by commas (default: day), or user with --all-tenants`
      ),
      Options.optional
    ),
    allTenants: Options.boolean("all-tenants").pipe(
      Options.withDescription("The calls of all tenants, by user unless --by says otherwise (needs the scope admin)")
    ),
    tenant: optionalText("tenant", "USER", "With --all-tenants: those of this one only"),
    ...range,
    ...limit,
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      if (Option.isSome(options.tenant) && !options.allTenants) {
        return yield* misused("--tenant needs --all-tenants.")
      }
      const asked = {
        ...Option.isSome(options.by) && { group_by: options.by.value },
        ...yield* rangeOf(options)
      }
      type Ask = (page: Page) => Effect.Effect<Report, Effect.Effect.Error<ReturnType<typeof api.usage.sum>>>
      const ask: Ask = options.allTenants
        ? yield* Effect.map(
          decode(AdminUsageRequest, {
            ...asked,
            ...Option.isSome(options.tenant) && { user_id: options.tenant.value }
          }),
          (request): Ask => (page) => api.admin.usage({ urlParams: { ...request, ...page } })
        )
        : yield* Effect.map(
          decode(UsageRequest, asked),
          (request): Ask => (page) => api.usage.sum({ urlParams: { ...request, ...page } })
        )
      const { usage: _, next_cursor: __, ...report } = yield* ask({ limit: 1 })
      const { from, group_by, to } = report
      const rows = all(options.limit, (params) =>
        Effect.map(ask({ from, to, ...params }), ({ next_cursor, usage }) => ({ items: usage, next: next_cursor })))
      if (options.output === "json") {
        return yield* print("json", { ...report, usage: [...(yield* Stream.runCollect(rows))] }, "")
      }
      if (options.output === "ndjson") {
        return yield* printAll("ndjson", sums, rows)
      }
      const total: Partial<Row> & UsageSum = report.totals
      const columns: ReadonlyArray<Column<Partial<Row> & UsageSum>> = [
        ...group_by.map((by, i): Column<Partial<Row> & UsageSum> => [
          by,
          (row) =>
            row === total ? (i === 0 ? "total" : null) : keys[by](row)
        ]),
        ...sums
      ]
      yield* printAll(options.output, columns, Stream.concat(rows, Stream.make(total)))
    })
).pipe(Command.withDescription("What models were asked, and what it cost"))
