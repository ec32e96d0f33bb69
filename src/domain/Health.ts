import { Schema } from "effect"
import { Timestamp } from "./Ids.ts"

export const Health = Schema.Struct({
  status: Schema.Literal("ok", "not_ready"),
  version: Schema.String,
  time: Timestamp,
  components: Schema.Record({ key: Schema.String, value: Schema.Literal("ok", "not_ready", "disabled") })
}).annotations({ identifier: "Health" })
export type Health = typeof Health.Type
