/** Reads an answer that must be JSON of a schema from the reply's last text, and checks it. */
import { Effect } from "effect"
import { heldIn } from "../../domain/AnswerObject.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { Message } from "../../domain/Message.ts"
import type { CheckTooExpensive } from "../SchemaCheck.ts"
import * as ValueCheck from "../ValueCheck.ts"
import { placesIn } from "./AnswerText.ts"

/** Longest answer, in characters. */
export const maxAnswer = 1024 * 1024

/** Most values of one answer that are held against the schema. */
const maxTries = 4

export type Checked =
  | { readonly value: unknown }
  /** The problem, in words for the model. */
  | { readonly problems: ReadonlyArray<string> }

const wrong = (problem: string): Effect.Effect<Checked> => Effect.succeed({ problems: [problem] })

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** The value, if it is of the schema. */
export const checkOne = (
  owner: UserId,
  schema: JsonObject,
  text: string,
  found: { readonly value: unknown }
): Effect.Effect<Checked, CheckTooExpensive> =>
  Effect.map(
    ValueCheck.problemsIn(owner, { noun: "the answer", schema, text, value: found.value }),
    (problems) => problems.length === 0 ? found : { problems }
  )

/** The answer's JSON: the first of what may be it that is of the schema; else what is wrong with the likeliest. */
export const check = Effect.fnUntraced(function*(
  owner: UserId,
  schema: JsonObject,
  message: Pick<Message, "content">
): Effect.fn.Return<Checked, CheckTooExpensive> {
  let first: Checked | undefined
  let isTooLong = false
  let tries = 0
  for (const text of placesIn(message)) {
    if (text.length > maxAnswer) {
      isTooLong = true
      continue
    }
    const found = parsed(text)
    if (found === undefined) continue
    for (const value of heldIn(schema, found.value)) {
      const own = value === found.value ? text : JSON.stringify(value)
      const checked = yield* checkOne(owner, schema, own, { value })
      if ("value" in checked) return checked
      first ??= checked
    }
    if (++tries === maxTries) break
  }
  if (first !== undefined) return first
  return yield* wrong(
    isTooLong ? `The answer is longer than ${maxAnswer} characters.` : "The answer is not JSON."
  )
})
