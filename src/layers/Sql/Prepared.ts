/**
 * A fast path to the database for the few statements that run hundreds of
 * times a second: no span, no compilation, and the database has parsed and
 * planned the statement before. Part of the surrounding transaction, if any.
 */
import type { SqlError } from "@effect/sql/SqlError"
import { Context, type Effect } from "effect"

export class Prepared extends Context.Tag("stoa/layers/Sql/Prepared")<Prepared, {
  /**
   * `sql` is constant text with `$1` … `$n`: each distinct text is kept prepared.
   * Name the columns; `*` breaks when a migration adds one. A server that does
   * not answer within about a second is away, unless the statement is a long one.
   */
  readonly execute: <Row extends object>(
    sql: string,
    params: ReadonlyArray<unknown>,
    options?: { readonly isLong?: boolean }
  ) => Effect.Effect<ReadonlyArray<Row>, SqlError>
}>() {}
