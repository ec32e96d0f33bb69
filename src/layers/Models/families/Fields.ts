/** The fields that credentials and the parameters that models have in common. */
import { Schema } from "effect"
import { withoutEffect } from "../../../domain/JsonSchema.ts"
import { secret } from "../Provider.ts"

/** Longest key, address and name, in characters. */
const maxKey = 8192
const maxUrl = 2048
const maxName = 256

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** Blanks are a slip of the hand, and reach another address than the one that was meant. */
const isBaseUrl = (text: string): boolean => {
  if (/\s/.test(text) || !URL.canParse(text)) return false
  const { hash, password, protocol, search, username } = new URL(text)
  return (protocol === "http:" || protocol === "https:") && `${username}${password}${search}${hash}` === ""
}

export const address = (title: string, example: string) =>
  Schema.String.pipe(Schema.maxLength(maxUrl), Schema.filter(isBaseUrl)).annotations({
    title,
    description: `an http or https address without user, query and fragment, such as ${example}`,
    jsonSchema: { format: "uri", maxLength: maxUrl }
  })

/** An address that is only given to reach another server than the provider's own. */
export const baseUrl = (usual: string, title = "Base URL") => optional(address(title, usual))

export const key = (title = "API key") =>
  Schema.String.pipe(Schema.maxLength(maxKey), Schema.pattern(/^[\x21-\x7e]+$/)).annotations({
    title,
    description: `printable ASCII without blanks, at most ${maxKey} characters`,
    jsonSchema: { ...secret, maxLength: maxKey }
  })

export const optionalKey = (title?: string) => optional(key(title))

/** A name that goes into a header or an address. */
export const name = (title: string, pattern = /^[A-Za-z0-9._:-]+$/, said = "letters, digits, dots, dashes, colons") =>
  Schema.String.pipe(Schema.maxLength(maxName), Schema.pattern(pattern)).annotations({
    title,
    description: `${said}, at most ${maxName} characters`,
    jsonSchema: { maxLength: maxName, pattern: pattern.source }
  })

export const optionalName = (title: string, pattern?: RegExp, said?: string) => optional(name(title, pattern, said))

export const choice = <const Values extends readonly [string, ...Array<string>]>(title: string, values: Values) =>
  optional(Schema.Literal(...values).annotations({ title, description: `one of ${values.join(", ")}` }))

export const toggle = (title: string) => optional(Schema.Boolean.annotations({ title, description: "true or false" }))

export const number = (least: number, most: number, title: string) =>
  optional(
    Schema.Number.pipe(Schema.between(least, most)).annotations({
      title,
      description: `a number from ${least} to ${most}`
    })
  )

export const integer = (least: number, most: number, title: string) =>
  optional(
    Schema.Number.pipe(Schema.int(), Schema.between(least, most)).annotations({
      title,
      description: `a whole number from ${least} to ${most}`
    })
  )

const stopText = Schema.String.pipe(Schema.length({ min: 1, max: 256 })).annotations({ title: "Text" })

export const temperature = (most = 2) => ({ temperature: number(0, most, "Temperature") })
export const sampling = { top_p: number(0, 1, "Top P") }
export const output = { max_tokens: integer(1, 10_000_000, "Most output tokens") }
export const topK = { top_k: integer(1, 1000, "Top K") }
export const stop = {
  stop: optional(
    Schema.Union(stopText, Schema.Array(stopText).pipe(Schema.maxItems(16)).annotations({ title: "Texts" }))
      .annotations({
        title: "Stop",
        description: "a text, or up to 16 texts, of 1 to 256 characters"
      })
  )
}
export const seed = {
  seed: optional(Schema.Number.pipe(Schema.int()).annotations({ title: "Seed", description: "a whole number" }))
}
export const penalties = {
  frequency_penalty: number(-2, 2, "Frequency penalty"),
  presence_penalty: number(-2, 2, "Presence penalty")
}
export const parallel = { parallel_tool_calls: toggle("Several tool calls at once") }
export const caching = { prompt_caching: toggle("Cache the prompt") }
export const think = { thinking_enable: toggle("Think") }
/** `thinking_budget` is in tokens. */
export const thinking = {
  ...think,
  thinking_budget: integer(1, 1_000_000, "Most tokens to think")
}
export const effort = <const Values extends readonly [string, ...Array<string>]>(...values: Values) => ({
  reasoning_effort: choice("Reasoning effort", values)
})

/** The voice of spoken answers, which clients of the Agent Service may send: there are none here. */
export const voice = {
  voice: optional(
    Schema.String.pipe(Schema.maxLength(maxName)).annotations({
      title: "Voice",
      description: `a text of at most ${maxName} characters`,
      jsonSchema: { maxLength: maxName, [withoutEffect]: true }
    })
  )
}

/** What most models take. */
export const usual = { ...temperature(), ...sampling, ...output, ...stop, ...seed, ...penalties }
