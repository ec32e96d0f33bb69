/** Work that takes its time: `POST /squares` hands it in, `GET /squares/{task_id}` says how far it is. */
import { Schema } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import * as Task from "../../src/layers/OwnTasks/Task.ts"

const Input = Schema.Struct({
  x: Schema.Number,
  /** Milliseconds that it takes. */
  takes: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, 60_000)), { default: () => 0 }),
  /** Attempts that fail first. */
  fails: Schema.optionalWith(Schema.Int, { default: () => 0 })
})

export const squares = Task.make({
  name: "squares",
  description: "Squares a number.",
  input: Input,
  timeout: "1 minute",
  pauses: ["200 millis", "200 millis"],
  run: async ({ fails, takes, x }, { attempt, signal }) => {
    await sleep(takes, undefined, { signal })
    if (Number.isNaN(x ** 2)) throw new Task.TaskFailed({ message: "That is no number.", again: false })
    if (attempt <= fails) throw new Task.TaskFailed({ message: "The abacus was busy." })
    return { result: x ** 2, attempt }
  }
})
