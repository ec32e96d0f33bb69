/** The environment variables of this process; an empty one counts as not set. */
import { Context, Effect, Option } from "effect"
import { env } from "node:process"

export class Env extends Context.Reference<Env>()("stoa/cli/Env", {
  defaultValue: (): Readonly<Record<string, string | undefined>> => env
}) {}

export const variable = (name: string): Effect.Effect<Option.Option<string>> =>
  Effect.map(Env, (env) => Option.filter(Option.fromNullable(env[name]), (value) => value !== ""))
