/** The check value of the vault's key, kept in the database that the key belongs to. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Schema } from "effect"
import { Claim } from "../../domain/Claim.ts"
import { Credential } from "../../domain/Credential.ts"
import { KeyCheck } from "../../services/KeyCheck.ts"
import { orDie } from "../Sql/SqlState.ts"

const sealedIn = <A, I>(schema: Schema.Schema<A, I>, of: (record: A) => string | null) => {
  const decode = Schema.decodeOption(Schema.parseJson(schema))
  return (row: { readonly data: string } | undefined) => {
    const record = row === undefined ? undefined : decode(row.data)
    return record?._tag === "Some" ? of(record.value) ?? undefined : undefined
  }
}

const ofCredential = sealedIn(Credential, ({ sealed }) => sealed)
const ofClaim = sealedIn(Claim, ({ answer, is_sealed }) => is_sealed ? answer : null)

export const make = Effect.map(SqlClient.SqlClient, (sql) => {
  const kept = Effect.map(
    orDie(sql<{ readonly value: string }>`select value from vault_check`),
    ([row]) => row?.value
  )
  return KeyCheck.of({
    kept,
    keep: (value, before) =>
      Effect.map(
        orDie(
          before === undefined
            ? sql`insert into vault_check (value) values (${value}) on conflict do nothing returning value`
            : sql`update vault_check set value = ${value} where value = ${before} returning value`
        ),
        (rows) => rows.length > 0
      ),
    needs: Effect.gen(function*() {
      const [keys] = yield* sql<{ readonly has: boolean }>`select exists (select from keys) as has`
      const [credential] = yield* sql<{ readonly data: string }>`
        select data from credentials where position('"sealed":"v1.' in data) > 0 limit 1`
      const [claim] = yield* sql<{ readonly data: string }>`
        select data from claims where position('"is_sealed":true' in data) > 0 limit 1`
      return { sealed: ofCredential(credential) ?? ofClaim(claim), hasApiKeys: keys?.has === true }
    }).pipe(orDie)
  })
})

export const layer: Layer.Layer<KeyCheck, never, SqlClient.SqlClient> = Layer.effect(KeyCheck, make)
