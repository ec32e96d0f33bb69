/** Reads by a schema what a channel has put together itself, with the usual sentence where it does not fit. */
import * as HttpApiError from "@effect/platform/HttpApiError"
import { Effect, ParseResult, Schema } from "effect"
import type { Invalid } from "../../domain/Errors.ts"
import { fromDecodeError } from "../middleware/Problems.ts"

export const decode = <A, I>(schema: Schema.Schema<A, I>, value: unknown): Effect.Effect<A, Invalid> =>
  Effect.mapError(Schema.decodeUnknown(schema)(value), (error) =>
    fromDecodeError(
      new HttpApiError.HttpApiDecodeError({
        issues: ParseResult.ArrayFormatter.formatErrorSync(error),
        message: ""
      })
    ))
