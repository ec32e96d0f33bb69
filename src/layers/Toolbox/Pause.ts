/** A tool that waits. It is declared as a write, so that permissions, parking and recovery can be tried without a real effect. */
import { Effect, Schema } from "effect"
import { define } from "./BuiltInTool.ts"

/** Longest pause, in seconds. */
const maxSeconds = 3_600

export const pause = define({
  name: "Pause",
  description: "Waits for so many seconds and gives the note back.",
  effect: "write",
  idempotent: false,
  parameters: Schema.Struct({
    seconds: Schema.Number.pipe(Schema.between(0, maxSeconds)).annotations({ description: "How long to wait." }),
    note: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(10_000)), { exact: true, default: () => "" })
      .annotations({
        description: "Given back when the wait is over."
      })
  }),
  run: ({ note, seconds }) => Effect.as(Effect.sleep(`${seconds * 1000} millis`), note)
})
