/** Defines a kind of tasks, for `tasks` of a program's extensions. */
import { Duration, type Effect, type Schema } from "effect"
import type { Attempt, OwnTaskKind } from "../../services/OwnTasks.ts"

interface Definition<A, I> {
  /** It is the path too: `POST /<name>`. Small letters, digits, `-` and `_`. */
  readonly name: string
  readonly description?: string
  readonly input: Schema.Schema<A, I>
  /** Longest time of one attempt; ten minutes without it. */
  readonly timeout?: Duration.DurationInput
  /** The pauses before the second, the third … attempt, about. Three attempts without it. */
  readonly pauses?: ReadonlyArray<Duration.DurationInput>
  /** What it answers with is the result: JSON, or something that pieces of JSON come out of. */
  readonly run: (
    input: A,
    attempt: Attempt
  ) => unknown | Promise<unknown> | AsyncIterable<unknown> | Effect.Effect<unknown, unknown>
}

const names = /^[a-z][a-z0-9_-]{0,63}$/

export const make = <A, I>(definition: Definition<A, I>): OwnTaskKind => {
  const { description = "", input, name, pauses = ["1 second", "10 seconds"], run, timeout = "10 minutes" } = definition
  if (!names.test(name)) throw new TypeError(`A task cannot be called '${name}': small letters, digits, - and _.`)
  return {
    name,
    description,
    input: input as unknown as Schema.Schema<unknown, unknown>,
    timeout: Duration.decode(timeout),
    pauses: pauses.map((pause) => Duration.decode(pause)),
    // What is handed over has been read by the schema of the same definition.
    run: run as OwnTaskKind["run"]
  }
}

export { TaskFailed } from "../../services/OwnTasks.ts"
