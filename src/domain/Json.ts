import { Schema } from "effect"

/** Any JSON object, kept as it came. */
export const JsonObject = Schema.Record({ key: Schema.String, value: Schema.Unknown })
export type JsonObject = typeof JsonObject.Type
