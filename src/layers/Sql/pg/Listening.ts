/** A separate connection to a PostgreSQL server that receives notifications. */
import type { SqlError } from "@effect/sql/SqlError"
import { Context, type Stream } from "effect"

export class Listening extends Context.Tag("stoa/layers/Sql/pg/Listening")<Listening, {
  /**
   * Runs the statements on the new connection, then listens: null once it does,
   * then each payload. Fails when the connection is lost; what was notified
   * meanwhile is gone. The connection asks something every other second.
   */
  readonly listen: (channel: string, statements: ReadonlyArray<string>) => Stream.Stream<string | null, SqlError>
}>() {}
