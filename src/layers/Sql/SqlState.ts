/** PostgreSQL's error codes, as far as they are answers. */
import type { SqlError } from "@effect/sql"
import { Effect } from "effect"

export const uniqueViolation = "23505"
export const foreignKeyViolation = "23503"

/** The other one was let through; asked again, it goes well. */
const deadlock = "40P01"

const maxDeadlocks = 5

export const stateOf = ({ cause }: SqlError.SqlError): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** Removing a session and writing into it can wait for each other. For single statements outside of transactions. */
export const retryDeadlock = <A, R>(
  statement: Effect.Effect<A, SqlError.SqlError, R>
): Effect.Effect<A, SqlError.SqlError, R> =>
  Effect.retry(statement, { while: (error) => stateOf(error) === deadlock, times: maxDeadlocks })
