/** Sums over the ledger: which calls, grouped how, and what comes back. */
import { DateTime, Either, Encoding, ParseResult, Schema } from "effect"
import { Malformed } from "./Errors.ts"
import { Timestamp, UserId } from "./Ids.ts"
import { Tokens } from "./Ledger.ts"
import { PageRequest } from "./Page.ts"

const Count = Schema.NonNegativeInt

/** What sums can be grouped by, in the order in which groups are sorted. */
export const GroupBy = Schema.Literal("day", "provider", "model", "credential", "agent", "session", "run")
export type GroupBy = typeof GroupBy.Type

/** The same for sums over all tenants. */
export const AdminGroupBy = Schema.Literal("user", ...GroupBy.literals)
export type AdminGroupBy = typeof AdminGroupBy.Type

/** Kinds of groups that can be combined. */
const maxGroupBy = 3

/** Longest range that is summed, and the one that is when the client names none, in days. */
const maxDays = 366
const defaultDays = 30

/** The sums of some calls. */
export const UsageSum = Schema.Struct({
  calls: Count,
  /** Calls that failed or were lost; an interrupted one has not failed. */
  errors: Count,
  ...Tokens.fields,
  /** US dollars of the calls whose price is known; null when none is. */
  cost: Schema.NullOr(Schema.Number),
  /** Calls whose price is not known. */
  unpriced_calls: Count
}).annotations({ identifier: "UsageSum" })
export type UsageSum = typeof UsageSum.Type

export const noSum: UsageSum = {
  calls: 0,
  errors: 0,
  input_tokens: 0,
  output_tokens: 0,
  cache_input_tokens: 0,
  cache_creation_input_tokens: 0,
  reasoning_tokens: 0,
  cost: null,
  unpriced_calls: 0
}

/** Whether the outcome of a call counts as an error. */
export const isError = (outcome: string): boolean => outcome !== "completed" && outcome !== "interrupted"

/** Which calls are summed, and how. */
export interface UsageQuery<By = GroupBy> {
  /** The beginning, and the end that is not included. */
  readonly from: Timestamp
  readonly to: Timestamp
  /** No key appears twice; they are in the order of `GroupBy`. */
  readonly group_by: ReadonlyArray<By>
  readonly limit: number
  /** Groups after the one with these keys. */
  readonly after: ReadonlyArray<string> | undefined
}

/** The same query over all tenants, or only over these. */
export interface HostUsageQuery extends UsageQuery<AdminGroupBy> {
  readonly users?: ReadonlyArray<UserId>
}

/** A group's keys, in the order of `group_by`; empty where a call has none. Days are UTC: `2026-01-31`. */
export interface UsageGroup {
  readonly keys: ReadonlyArray<string>
  readonly sum: UsageSum
}

/** `day,model`: up to three, each once; in the query of a request. */
const groupsOf = <By extends string>(kinds: Schema.Literal<[By, ...Array<By>]>, byDefault: By) => {
  const isKind = Schema.is(kinds)
  const inOrder = Schema.Array(kinds).annotations({
    arbitrary: () => (fc) => fc.subarray([...kinds.literals], { minLength: 1, maxLength: maxGroupBy })
  })
  const groups = Schema.String.pipe(
    Schema.maxLength(64),
    Schema.transformOrFail(inOrder, {
      strict: true,
      decode: (text, _, ast) => {
        const names = text.split(",").map((name) => name.trim())
        const known = names.filter(isKind)
        return known.length === names.length && new Set(names).size === names.length && names.length <= maxGroupBy
          ? ParseResult.succeed(kinds.literals.filter((one) => known.includes(one)))
          : ParseResult.fail(
            new ParseResult.Type(
              ast,
              text,
              `Expected 1 to ${maxGroupBy} different ones of ${kinds.literals.join(", ")}`
            )
          )
      },
      encode: (groups) => ParseResult.succeed(groups.join(","))
    })
  ).annotations({ jsonSchema: { type: "string", maxLength: 64, default: byDefault } })
  return Schema.optionalWith(groups, { default: () => [byDefault] })
}

const momentShape = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/

/** A UTC time, or a day for its beginning. */
export const Moment = Schema.String.pipe(
  Schema.filter((text) => momentShape.test(text) && !Number.isNaN(Date.parse(text)), {
    message: () => "Expected a day such as 2026-01-31, or a UTC time such as 2026-01-31T09:30:00Z",
    arbitrary: () => (fc) =>
      fc.integer({ min: 0, max: 4_102_444_800_000 }).map((millis) => DateTime.formatIso(DateTime.unsafeMake(millis)))
  })
)

export const UsageRequest = Schema.Struct({
  /** Where the sums begin; 30 days before `to` when absent. */
  from: Schema.optional(Moment),
  /** Where they end, itself not included; tomorrow when absent. At most 366 days after `from`. */
  to: Schema.optional(Moment),
  group_by: groupsOf(GroupBy, "day"),
  ...PageRequest.fields,
  cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(4096)))
})
export type UsageRequest = typeof UsageRequest.Type

export const AdminUsageRequest = Schema.Struct({
  ...UsageRequest.fields,
  /** Only this tenant's calls. */
  user_id: Schema.optional(UserId),
  group_by: groupsOf(AdminGroupBy, "user")
})
export type AdminUsageRequest = typeof AdminUsageRequest.Type

/** The range of a request for tenants. */
export const UsageRange = Schema.Struct({ from: UsageRequest.fields.from, to: UsageRequest.fields.to })

/** A group on the wire: `day` and `…` for the kinds that were asked for, null where the calls have none. */
const key = Schema.optional(Schema.NullOr(Schema.String))
const UsageRow = Schema.Struct({
  day: key,
  provider: key,
  model: key,
  credential_id: key,
  agent_id: key,
  session_id: key,
  run_id: key,
  ...UsageSum.fields
}).annotations({ identifier: "UsageRow" })
export type UsageRow = typeof UsageRow.Type

export const UsageReport = Schema.Struct({
  from: Timestamp,
  to: Timestamp,
  group_by: Schema.Array(GroupBy),
  usage: Schema.Array(UsageRow),
  /** The sums of the whole range, not just of this page. */
  totals: UsageSum,
  next_cursor: Schema.NullOr(Schema.String)
}).annotations({ identifier: "UsageReport" })
export type UsageReport = typeof UsageReport.Type

const AdminUsageRow = Schema.Struct({ user_id: key, ...UsageRow.fields }).annotations({ identifier: "AdminUsageRow" })

export const AdminUsageReport = Schema.Struct({
  ...UsageReport.fields,
  group_by: Schema.Array(AdminGroupBy),
  usage: Schema.Array(AdminUsageRow)
}).annotations({ identifier: "AdminUsageReport" })

const dayMillis = 86_400_000

/** The range that a request names, in milliseconds; a text says what is wrong with it. */
export const rangeOf = (
  { from, to }: Pick<UsageRequest, "from" | "to">,
  now: number
): Either.Either<{ readonly from: number; readonly to: number }, string> => {
  const end = to === undefined ? (Math.floor(now / dayMillis) + 1) * dayMillis : Date.parse(to)
  const begin = from === undefined ? end - defaultDays * dayMillis : Date.parse(from)
  if (begin >= end) return Either.left("Expected a time before `to`.")
  return end - begin > maxDays * dayMillis
    ? Either.left(`Expected at most ${maxDays} days between \`from\` and \`to\`.`)
    : Either.right({ from: begin, to: end })
}

const fieldOf = (by: AdminGroupBy) => by === "day" || by === "provider" || by === "model" ? by : (`${by}_id` as const)

export const rowOf = (
  group_by: ReadonlyArray<AdminGroupBy>,
  { keys, sum }: UsageGroup
): typeof AdminUsageRow.Type => ({
  ...Object.fromEntries(group_by.map((by, i) => [fieldOf(by), keys[i] || null])),
  ...sum
})

const Keys = Schema.parseJson(Schema.Array(Schema.String.pipe(Schema.maxLength(1024))))
const decodeKeys = Schema.decodeEither(Keys)

export const cursorOf = ({ keys }: UsageGroup): string => Encoding.encodeBase64Url(JSON.stringify(keys))

export const keysOf = (
  cursor: string,
  group_by: ReadonlyArray<AdminGroupBy>
): Either.Either<ReadonlyArray<string>, Malformed> =>
  Encoding.decodeBase64UrlString(cursor).pipe(
    Either.flatMap((text) => decodeKeys(text)),
    Either.filterOrLeft((keys) => keys.length === group_by.length, () => null),
    Either.mapLeft(() =>
      new Malformed({
        code: "invalid_cursor",
        detail:
          "The cursor is not one that this server gave for these groups. Use the next_cursor of the page before, or leave it out."
      })
    )
  )
