/**
 * A tool of one's own: a schema for its arguments, what it does to the world,
 * and an Effect that answers with a text for the model.
 */
import { Effect, Random, Ref, Schema } from "effect"
import { define, ToolFailed } from "../../src/layers/Toolbox/BuiltInTool.ts"

const maxDice = 100

/** Made once, with the server: all its calls share the count. It could ask for services here, such as `Storage`. */
export const dice = Effect.map(Ref.make(0), (thrown) =>
  define({
    name: "Dice",
    description: "Throws dice and says what they show.",
    // Changes nothing that anybody keeps, so nobody is asked before it runs.
    effect: "read",
    idempotent: false,
    parameters: Schema.Struct({
      count: Schema.Int.pipe(Schema.positive()).annotations({ description: "How many dice, from 1 to 100." }),
      sides: Schema.optionalWith(Schema.Int.pipe(Schema.between(2, 1000)), { exact: true, default: () => 6 })
    }),
    run: Effect.fnUntraced(function*({ count, sides }) {
      if (count > maxDice) return yield* new ToolFailed({ message: `There are only ${maxDice} dice.` })
      const shown = yield* Effect.all(Array.from({ length: count }, () => Random.nextIntBetween(1, sides + 1)))
      const all = yield* Ref.updateAndGet(thrown, (before) => before + count)
      return `${shown.join(", ")} (${all} thrown so far)`
    })
  }))
