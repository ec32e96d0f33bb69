/** What an agent is told by a fire: the schedule's text with its variables. */
import type { Fire } from "./Fire.ts"
import type { JsonObject } from "./Json.ts"
import { isObject } from "./JsonSchema.ts"
import type { Schedule } from "./Schedule.ts"

const mark = "\n\nThe input, as JSON:\n"

/** A message with the input that belongs to it; null where there is none. */
export const withInput = (message: string, input: JsonObject | null | undefined): string | null =>
  input == null || Object.keys(input).length === 0 ? null : `${message}${mark}${JSON.stringify(input)}`

const jsonOf = (text: string): JsonObject => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** The message and the input that it was made of. */
export const partsOf = ({ description, input }: Schedule["data"]) => {
  if (input === null) return { message: description, input: {} }
  const begins = `${description}${mark}`
  return input.startsWith(begins)
    ? { message: description, input: jsonOf(input.slice(begins.length)) }
    : { message: input, input: {} }
}

/** What the variables of a text say. */
export interface Variables {
  /** The time of the slot on the wall clock of the schedule's zone, with its offset. */
  readonly time: string
  /** How many fires there were, this one included; 0 when somebody triggered it. */
  readonly fire_number: string
  /** The status of the fire before, or `none`. */
  readonly last_outcome: string
  /** The slot of the fire before on the wall clock, or `never`. */
  readonly last_time: string
  readonly schedule_name: string
  readonly timezone: string
}

/** The names of the variables, as in `{{time}}`, with or without blanks inside. Other braces stay as they are: an example may need them. */
const pattern = /\{\{ ?(time|fire_number|last_outcome|last_time|schedule_name|timezone) ?\}\}/g

export const textOf = ({ data }: Schedule, variables: Variables): string =>
  (data.input || data.description || data.name).replace(
    pattern,
    (_, name: keyof Variables) => variables[name]
  )

export const variablesOf = (
  { data }: Schedule,
  fire: Fire,
  before: Fire | undefined,
  localText: (at: string) => string
): Variables => ({
  time: localText(fire.slot_at),
  fire_number: String(fire.number ?? 0),
  last_outcome: before?.status ?? "none",
  last_time: before === undefined ? "never" : localText(before.slot_at),
  schedule_name: data.name,
  timezone: data.timezone
})
