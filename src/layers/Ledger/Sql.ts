/** Sums over the calls of models in PostgreSQL. */
import { Effect, Layer } from "effect"
import { type LedgerEntry, roundCost, tokenNames } from "../../domain/Ledger.ts"
import type { AdminGroupBy, HostUsageQuery, UsageGroup, UsageSum } from "../../domain/UsageReport.ts"
import { Ledger } from "../../services/Ledger.ts"
import { timestampOf } from "../../services/Now.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie } from "../Sql/SqlState.ts"

const keyOf: Readonly<Record<AdminGroupBy, string>> = {
  user: "owner",
  day: `to_char(created_at at time zone 'utc', 'YYYY-MM-DD') collate "C"`,
  provider: "coalesce(provider, '')",
  model: "model",
  credential: "coalesce(credential_id, '')",
  agent: "coalesce(agent_id, '')",
  session: "coalesce(session_id, '')",
  run: "coalesce(run_id, '')"
}

/** As numbers that a client of either database reads as numbers. */
const sums = [
  "count(*)::float8 as calls",
  "(count(*) filter (where outcome not in ('completed', 'interrupted')))::float8 as errors",
  ...tokenNames.map((name) => `coalesce(sum(${name}), 0)::float8 as ${name}`),
  "sum(cost)::float8 as cost",
  "(count(*) filter (where cost is null))::float8 as unpriced_calls"
].join(", ")

const inRange = "created_at >= $2::timestamptz and created_at < $3::timestamptz"

/** Whose calls: one owner's; those of owners whose names are joined; everybody's, where the parameter says nothing. */
const whose = {
  owner: "owner = $1",
  owners: "owner = any(string_to_array($1, e'\\x1f'))",
  everybody: "$1::text is null"
} as const

type Whose = keyof typeof whose

const rangeOf = (of: Whose) => `from usage where ${whose[of]} and ${inRange}`

const totalText = (of: Whose) => `select ${sums} ${rangeOf(of)}`

const groupsText = (of: Whose, by: ReadonlyArray<AdminGroupBy>, isFirst: boolean) => {
  const keys = by.map((one) => keyOf[one])
  const places = keys.map((_, i) => i + 1).join(", ")
  const beyond = isFirst ? "" : `and (${keys.join(", ")}) > (${keys.map((_, i) => `$${i + 5}::text`).join(", ")})`
  return `select ${keys.map((key, i) => `${key} as key${i}`).join(", ")}, ${sums} ${
    rangeOf(of)
  } ${beyond} group by ${places} order by ${places} limit $4::int`
}

/** The id of an entry begins with its run's and a slash; a `0` comes after that in the order of bytes. */
const callsText = `select id, kind, owner as user_id, session_id, run_id, agent_id, credential_id, provider, model,
    ${[...tokenNames, "cost", "first_token_ms", "duration_ms"].map((name) => `${name}::float8 as ${name}`).join(", ")},
    outcome, attempts, created_at
  from usage where id > $2 and id < $3 and owner = $1 order by id limit $4::int`

type StoredEntry = Omit<LedgerEntry, "created_at"> & { readonly created_at: Date }

type Group = UsageSum & Readonly<Record<string, string | number | null>>

const sumOf = (row: UsageSum): UsageSum => ({
  calls: row.calls,
  errors: row.errors,
  input_tokens: row.input_tokens,
  output_tokens: row.output_tokens,
  cache_input_tokens: row.cache_input_tokens,
  cache_creation_input_tokens: row.cache_creation_input_tokens,
  reasoning_tokens: row.reasoning_tokens,
  cost: row.cost === null ? null : roundCost(row.cost),
  unpriced_calls: row.unpriced_calls
})

/** `text` cannot hold NUL. */
const text = (value: string) => value.replaceAll("\0", "\ufffd")

export const make = Effect.map(Prepared, ({ execute }) => {
  const groups = (
    of: Whose,
    who: string | null,
    { after, from, group_by, limit, to }: HostUsageQuery
  ): Effect.Effect<ReadonlyArray<UsageGroup>> =>
    Effect.map(
      orDie(
        execute<Group>(groupsText(of, group_by, after === undefined), [
          who,
          from,
          to,
          limit,
          ...(after ?? []).map(text)
        ])
      ),
      (rows) => rows.map((row) => ({ keys: group_by.map((_, i) => String(row[`key${i}`])), sum: sumOf(row) }))
    )

  const total = (of: Whose, who: string | null, { from, to }: Pick<HostUsageQuery, "from" | "to">) =>
    Effect.map(orDie(execute<UsageSum>(totalText(of), [who, from, to])), ([row]) => sumOf(row!))

  const named = (users: HostUsageQuery["users"]): readonly [Whose, string | null] =>
    users === undefined ? ["everybody", null] : ["owners", users.join("\x1f")]

  return Ledger.of({
    groups: (owner, query) => groups("owner", owner, query),
    total: (owner, range) => total("owner", owner, range),
    calls: (owner, run, limit) =>
      Effect.map(
        orDie(execute<StoredEntry>(callsText, [owner, `${run}/`, `${run}0`, limit])),
        (rows) => rows.map((row) => ({ ...row, created_at: timestampOf(row.created_at.getTime()) }))
      ),
    host: {
      groups: (query) => groups(...named(query.users), query),
      total: (range) => total(...named(range.users), range)
    }
  })
})

export const layer: Layer.Layer<Ledger, never, Prepared> = Layer.effect(Ledger, make)
