/** Sums over the calls of models in PostgreSQL. */
import { Effect, Layer } from "effect"
import { roundCost, tokenNames } from "../../domain/Ledger.ts"
import type { GroupBy, UsageSum } from "../../domain/UsageReport.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie } from "../Sql/SqlState.ts"

const keyOf: Readonly<Record<GroupBy, string>> = {
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

const range = "from usage where owner = $1 and created_at >= $2::timestamptz and created_at < $3::timestamptz"

const totalText = `select ${sums} ${range}`

const groupsText = (by: ReadonlyArray<GroupBy>, isFirst: boolean) => {
  const keys = by.map((one) => keyOf[one])
  const places = keys.map((_, i) => i + 1).join(", ")
  const beyond = isFirst ? "" : `and (${keys.join(", ")}) > (${keys.map((_, i) => `$${i + 5}::text`).join(", ")})`
  return `select ${
    keys.map((key, i) => `${key} as key${i}`).join(", ")
  }, ${sums} ${range} ${beyond} group by ${places} order by ${places} limit $4::int`
}

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

export const make = Effect.map(Prepared, ({ execute }) =>
  Ledger.of({
    groups: (owner, { after, from, group_by, limit, to }) =>
      Effect.map(
        orDie(
          execute<Group>(groupsText(group_by, after === undefined), [
            owner,
            from,
            to,
            limit,
            ...(after ?? []).map(text)
          ])
        ),
        (rows) => rows.map((row) => ({ keys: group_by.map((_, i) => String(row[`key${i}`])), sum: sumOf(row) }))
      ),
    total: (owner, { from, to }) =>
      Effect.map(orDie(execute<UsageSum>(totalText, [owner, from, to])), ([row]) => sumOf(row!))
  }))

export const layer: Layer.Layer<Ledger, never, Prepared> = Layer.effect(Ledger, make)
