/** What is code in this project: a tool, and a hook that watches over it. Agents, skills and more tools are files beside it. */
import { Effect, Random, Schema } from "effect"
import * as Hook from "stoa/hook"
import { define } from "stoa/tool"

/** More dice than these are not thrown. */
const maxDice = 10

const Throw = Schema.Struct({
  count: Schema.Int.pipe(Schema.positive()).annotations({ description: `How many dice, up to ${maxDice}.` })
})

const dice = define({
  name: "Dice",
  description: "Throws dice with six sides and says what they show.",
  // It changes nothing that anybody keeps, so nobody is asked before it runs.
  effect: "read",
  idempotent: false,
  parameters: Throw,
  run: ({ count }) =>
    Effect.map(
      Effect.all(Array.from({ length: count }, () => Random.nextIntBetween(1, 7))),
      (shown) => shown.join(", ")
    )
})

const watch = Hook.make({
  name: "watch",
  "tool.before": ({ input, tool }) =>
    tool === "Dice" && Schema.is(Throw)(input) && input.count > maxDice
      ? { decision: "deny", why: `Nobody throws more than ${maxDice} dice here.` }
      : undefined,
  "run.after": ({ finished_reason, run_id }) => {
    console.log(`The run ${run_id} has ended: ${finished_reason}`)
  }
})

export const extensions = { tools: [dice], hooks: [watch] }
