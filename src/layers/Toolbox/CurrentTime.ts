/** The time, which models do not know by themselves. */
import { DateTime, Effect, Option, Schema } from "effect"
import { define, ToolFailed } from "./BuiltInTool.ts"

const timezone = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(64)).annotations({
  description: "An IANA time zone such as Europe/Berlin. UTC when left out."
})

export const currentTime = define({
  name: "CurrentTime",
  description: "Tells the current date, time and weekday in a time zone.",
  effect: "read",
  idempotent: true,
  parameters: Schema.Struct({ timezone: Schema.optionalWith(timezone, { exact: true, default: () => "UTC" }) }),
  run: ({ timezone }) =>
    Effect.flatMap(DateTime.now, (now) =>
      Option.match(DateTime.setZoneNamed(now, timezone), {
        onNone: () =>
          Effect.fail(
            new ToolFailed({ message: `Unknown time zone '${timezone}': expected an IANA name such as Europe/Berlin.` })
          ),
        onSome: (there) => {
          const weekday = DateTime.format(there, { locale: "en-US", weekday: "long" })
          return Effect.succeed(`${DateTime.formatIsoZoned(there)} (${weekday})`)
        }
      }))
})
