import { Schema } from "effect"

/** Any JSON object, kept as it came. */
export const JsonObject = Schema.Record({ key: Schema.String, value: Schema.Unknown })
export type JsonObject = typeof JsonObject.Type

/** Any JSON at all, which is never left out. */
export const JsonValue = Schema.Unknown.pipe(Schema.filter((value): boolean => value !== undefined, { jsonSchema: {} }))
