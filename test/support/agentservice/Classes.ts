/**
 * The classes that clients of the Agent Service read with, as they treat JSON: a field that is not known is ignored,
 * one without a default must be there, and null is taken only where a class says so.
 */
import { Either, ParseResult, Schema } from "effect"

export const text = Schema.String
export const whole = Schema.Int
export const number = Schema.Number
export const flag = Schema.Boolean

/** Any JSON object: `dict`. */
export const object = Schema.Record({ key: Schema.String, value: Schema.Unknown }).pipe(
  Schema.filter((value) => !Array.isArray(value) || "Expected an object, and not a list")
)

/** A field with a default. */
export const given = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(schema)

/** A field with a default that may be null too. */
export const orNull = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

export const list = Schema.Array

export type Class = Schema.Schema<unknown, unknown>

/** Any schema, to be read with and for nothing else. */
export const classOf = <A, I>(schema: Schema.Schema<A, I>): Class => schema as unknown as Class

/** What a class says against a value; undefined when it takes it. */
export const complaintOf = (schema: Class): (value: unknown) => string | undefined => {
  const decode = Schema.decodeUnknownEither(schema)
  return (value) => {
    const read = decode(value)
    if (Either.isRight(read)) return undefined
    const [first] = ParseResult.ArrayFormatter.formatErrorSync(read.left)
    return `${first?.path.map(String).join(".") ?? ""}: ${first?.message ?? "is not taken"}`
  }
}
