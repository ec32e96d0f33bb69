/** The PostgreSQL error codes that are expected answers. */
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"
import { Unavailable } from "../../domain/Errors.ts"

export const uniqueViolation = "23505"
export const foreignKeyViolation = "23503"

/** The deadlock was resolved by letting the other transaction through, so a new try succeeds. */
const deadlock = "40P01"

const maxDeadlocks = 5

export const stateOf = ({ cause }: SqlError.SqlError): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** Removing a session and writing into it can wait for each other. For single statements outside of transactions. */
export const retryDeadlock = <A, R>(
  statement: Effect.Effect<A, SqlError.SqlError, R>
): Effect.Effect<A, SqlError.SqlError, R> =>
  Effect.retry(statement, { while: (error) => stateOf(error) === deadlock, times: maxDeadlocks })

/** The system's codes, and PostgreSQL's for a lost connection, no room, a shutdown, and a server that takes no writes. */
const away = /^(E[A-Z]{3,}|08...|53...|57P..|25006)$/

/** node-postgres gives no code where it noticed itself. */
const lost = /terminated|timeout|not queryable|connection/i

const isAway = (error: SqlError.SqlError) => {
  const state = stateOf(error)
  return state === undefined ? error.cause instanceof Error && lost.test(error.cause.message) : away.test(state)
}

/** A database that is away is no bug: whoever asked may ask again. The defect tells both. */
export const dieOf = (error: SqlError.SqlError): Effect.Effect<never> =>
  Effect.die(
    isAway(error)
      ? Object.assign(
        new Unavailable({
          code: "storage_unavailable",
          detail: "Storage cannot be reached, or takes nothing now. Try again.",
          retry_after: 2
        }),
        { cause: error }
      )
      : error
  )

/** Turns a statement's failure into a defect. */
export const orDie = <A, R>(statement: Effect.Effect<A, SqlError.SqlError, R>): Effect.Effect<A, never, R> =>
  Effect.catchAll(statement, dieOf)
