/** Arithmetic for models. */
import { Effect, Schema } from "effect"
import { define, ToolFailed } from "./BuiltInTool.ts"
import { evaluate } from "./Evaluate.ts"
import { constants, functions } from "./Functions.ts"

/** Longest expression, in characters. */
const maxExpression = 1_000

/** Digits of a double that can be relied on; `0.1 + 0.2` is 0.3 with them. */
const digits = 15

/** From here on plain notation would show digits that are not known. */
const exponential = 1e15

const textOf = (value: number) => {
  if (Number.isSafeInteger(value)) return String(value)
  const reliable = Number(value.toPrecision(digits))
  return Math.abs(reliable) < exponential ? String(reliable) : reliable.toExponential()
}

export const calculate = define({
  name: "Calculate",
  description: `Calculates an arithmetic expression with real numbers to ${digits} digits. ` +
    "Operators: + - * / ^ mod ! and percentages (200 + 5% is 210); 2 pi is a product. " +
    `Functions: ${[...functions.keys()].join(", ")}. Constants: ${[...constants.keys()].join(", ")}.`,
  effect: "none",
  idempotent: true,
  parameters: Schema.Struct({
    expression: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxExpression)).annotations({
      description: "For example `sqrt(2) * (3 + 4)^2`."
    })
  }),
  run: ({ expression }) =>
    Effect.try(() => evaluate(expression)).pipe(
      Effect.mapError(({ error }) => new ToolFailed({ message: sentence(error) })),
      Effect.filterOrFail(
        Number.isFinite,
        () => new ToolFailed({ message: "The result is not a finite real number." })
      ),
      Effect.map(textOf)
    )
})

const sentence = (error: unknown) =>
  `The expression cannot be calculated: ${error instanceof Error ? error.message : String(error)}.`
