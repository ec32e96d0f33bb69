/** What providers refuse in a request, from their documentation and their answers; a wire puts its own rules together from these. */
import type { Json, Received } from "./Wire.ts"
import { listed } from "./Wire.ts"

/** What is wrong with a request, in sentences. */
export type Rule = (body: Json, request: Received) => ReadonlyArray<string>

export const all = (...rules: ReadonlyArray<Rule>): Rule => (body, request) =>
  rules.flatMap((rule) => rule(body, request))

const isBlank = (text: unknown) => typeof text !== "string" || /^[\s\p{White_Space}\u001c-\u001f]*$/u.test(text)

/** Every string in a document, names of fields too. */
function* stringsIn(value: Json): Generator<string> {
  if (typeof value === "string") yield value
  else if (typeof value === "object" && value !== null) {
    for (const [name, one] of Object.entries(value)) {
      yield name
      yield* stringsIn(one)
    }
  }
}

/** Half of a surrogate pair, also in arguments that are JSON within a string. */
const hasHalf = (text: string): boolean => {
  if (!text.isWellFormed()) return true
  if (!/^\s*\{.*\\ud/is.test(text)) return false
  try {
    return [...stringsIn(JSON.parse(text))].some((one) => !one.isWellFormed())
  } catch {
    return false
  }
}

/** Where requests have links, and names of files. */
const links = new Set(["url", "image_url", "file_url", "fileUri", "document_url"])
const names = new Set(["filename", "title", "document_name"])

/** Links that nobody can follow, and names that are blank or far too long. */
function* filesIn(value: Json): Generator<string> {
  if (typeof value !== "object" || value === null) return
  for (const [name, one] of Object.entries<Json>(value)) {
    if (typeof one !== "string") yield* filesIn(one)
    else if (links.has(name) && !/^(https?|data):/.test(one)) {
      yield `${name}: only http, https and data URLs are supported`
    } else if (names.has(name) && (isBlank(one) || one.length > 255)) yield `${name}: must have 1 to 255 characters`
  }
}

/** An answer's schema has a plain object at its root. https://platform.openai.com/docs/guides/structured-outputs */
const outputs = (body: Json): ReadonlyArray<string> => {
  const schema = body.response_format?.json_schema?.schema ?? body.text?.format?.schema ??
    body.output_config?.format?.schema ?? body.generationConfig?.responseJsonSchema
  if (schema === undefined || schema === null) return []
  const isObject = schema.type === "object" && schema.anyOf === undefined && schema.oneOf === undefined &&
    schema.allOf === undefined && schema.enum === undefined && schema.$ref === undefined
  return isObject ? [] : ["schema must have type object at the root"]
}

/** Nor may it have a file whose link or name is none. */
export const wellFormed: Rule = (body, { bytes }) => [
  ...filesIn(body.messages ?? body.contents ?? body.input),
  ...outputs(body),
  ...([...stringsIn(body)].some(hasHalf) ? ["invalid unicode: lone surrogate"] : []),
  ...(Buffer.from(bytes).includes("verbatim-") ? ["a place holder has left"] : [])
]

const unique = (what: string, names: ReadonlyArray<string>) =>
  new Set(names).size === names.length ? [] : [`${what} must be unique: ${names.join(", ")}`]

export interface Called {
  readonly calls: (body: Json) => ReadonlyArray<{ readonly id: string; readonly name: string }>
  readonly results: (body: Json) => ReadonlyArray<string>
  readonly tools: (
    body: Json
  ) => ReadonlyArray<{ readonly name: string; readonly schema: Json; readonly description?: string }>
}

/** Ids of calls are unique, legal, and each is answered; names of tools too. */
export const calls = ({ calls, results, tools }: Called, id: RegExp): Rule => (body) => {
  const called = calls(body)
  const ids = called.map((call) => call.id)
  const known = new Set(ids)
  const answered = results(body)
  return [
    ...unique("ids of calls", ids),
    ...unique("ids of results", answered),
    ...ids.filter((one) => !id.test(one)).map((one) => `the id '${one}' does not match ${id}`),
    ...ids.filter((one) => !answered.includes(one)).map((one) => `the call '${one}' has no result`),
    ...answered.filter((one) => !known.has(one)).map((one) => `the result '${one}' has no call`),
    ...called.filter(({ name }) => !/^[a-zA-Z0-9_-]{1,64}$/.test(name)).map(({ name }) =>
      `the name '${name}' is not legal`
    ),
    ...unique("names of tools", tools(body).map(({ name }) => name))
  ]
}

const combined = ["$ref", "anyOf", "oneOf", "allOf", "enum", "not"]

/** An object with properties and nothing to choose at its root, in the words of draft 2020-12. */
export const objectSchemas = ({ tools }: Called): Rule => (body) =>
  tools(body).flatMap(({ name, schema }) => [
    ...(schema?.type === "object" && typeof schema.properties === "object" ? [] : [`${name}: no object schema`]),
    ...combined.filter((word) => word in (schema ?? {})).map((word) => `${name}: ${word} at the root`),
    ...schemaFaults(schema, schema).map((fault) => `${name}: ${fault}`)
  ])

const types = new Set(["object", "array", "string", "number", "integer", "boolean", "null"])

const schemaFaults = (schema: Json, root: Json): ReadonlyArray<string> => {
  if (typeof schema !== "object" || schema === null) return []
  const { $ref, exclusiveMaximum, exclusiveMinimum, items, required, type } = schema
  return [
    ...(Array.isArray(items) ? ["items is an array"] : []),
    ...([exclusiveMinimum, exclusiveMaximum].some((one) => typeof one === "boolean")
      ? ["an exclusive bound is no number"]
      : []),
    ...(required !== undefined && !Array.isArray(required) ? ["required is no list"] : []),
    ...(listed(type).some((one) => !types.has(one)) ? [`the type ${type}`] : []),
    ...($ref !== undefined && at(root, $ref) === undefined ? [`${$ref} leads nowhere`] : []),
    ...["properties", "$defs", "definitions"].flatMap((word) =>
      Object.values(schema[word] ?? {}).flatMap((one) => schemaFaults(one, root))
    ),
    ...["anyOf", "oneOf", "allOf", "prefixItems"].flatMap((word) =>
      listed(schema[word]).flatMap((one) => schemaFaults(one, root))
    ),
    ...(Array.isArray(items) ? [] : schemaFaults(items, root))
  ]
}

const at = (root: Json, reference: string) =>
  reference.split("/").slice(1).reduce((value, name) => value?.[name.replaceAll("~1", "/")], root)

/** Texts of content blocks show something; roles alternate, and a person begins. */
export const conversation =
  (messagesOf: (body: Json) => ReadonlyArray<Json>, textsOf: (message: Json) => ReadonlyArray<unknown>): Rule =>
  (body) => {
    const messages = messagesOf(body)
    return [
      ...(messages[0]?.role === "user" ? [] : ["the first message is not a user's"]),
      ...messages.flatMap(({ role }, n) => role === messages[n + 1]?.role ? ["roles do not alternate"] : []),
      ...messages.flatMap((message, n) =>
        textsOf(message).some(isBlank) ? [`messages.${n}: text must be non-blank`] : []
      )
    ]
  }

export const notBlank = (textsOf: (body: Json) => ReadonlyArray<unknown>, what: string): Rule => (body) =>
  textsOf(body).some(isBlank) ? [`${what} must be non-blank`] : []

/** The rules of Chat Completions, as its servers differ in them. */
export interface ChatRules {
  /** Fields of an assistant's message beside OpenAI's own. */
  readonly fields?: ReadonlyArray<string>
  readonly callId?: RegExp
  /** Which of the assistant's messages must have `reasoning_content`, for this request. */
  readonly thoughts?: (body: Json) => "all" | "calls" | "none"
  /** Whether a person may speak right after a call's result. */
  readonly userAfterTool?: boolean
}

const chatCalled: Called = {
  calls: (body) =>
    body.messages.flatMap((message: Json) =>
      listed(message.tool_calls).map(({ function: { name }, id }) => ({ id, name }))
    ),
  results: (body) => body.messages.flatMap(({ role, tool_call_id }: Json) => role === "tool" ? [tool_call_id] : []),
  tools: (body) =>
    listed(body.tools).map(({ function: { description, name, parameters } }) => ({
      name,
      description,
      schema: parameters
    }))
}

const usualFields = new Set(["role", "content", "tool_calls", "name", "refusal", "extra_content", "prefix"])

const isObjectText = (text: unknown) => {
  try {
    const value = JSON.parse(String(text))
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

export const chat = ({ callId = /^.{1,64}$/s, fields = [], thoughts, userAfterTool = true }: ChatRules): Rule =>
  all(wellFormed, calls(chatCalled, callId), objectSchemas(chatCalled), (body) => {
    const messages: ReadonlyArray<Json> = body.messages
    const wanted = thoughts?.(body) ?? "none"
    return messages.flatMap((message, n) => {
      if (message.role !== "assistant") {
        const isEmpty = message.role === "user" && (message.content === "" || listed(message.content).length === 0)
        const follows = !userAfterTool && message.role === "user" && messages[n - 1]?.role === "tool"
        return [
          ...(isEmpty ? [`messages.${n}: empty`] : []),
          ...(follows ? ["Unexpected role 'user' after role 'tool'"] : [])
        ]
      }
      const answers = messages.slice(n + 1).findIndex(({ role }) => role !== "tool")
      const followers = messages.slice(n + 1, answers < 0 ? undefined : n + 1 + answers)
      const results = new Set(followers.map((one) => one.tool_call_id))
      const called = listed(message.tool_calls)
      return [
        ...Object.keys(message).filter((name) =>
          message[name] !== undefined && !usualFields.has(name) && !fields.includes(name)
        )
          .map((name) => `property '${name}' is unsupported`),
        ...(called.length === 0 && (message.content === null || message.content === "")
          ? [`messages.${n}: no content`]
          : []),
        ...called.filter(({ id }) => !results.has(id)).map(({ id }) => `the result of '${id}' does not follow it`),
        ...called.filter(({ function: { arguments: text } }) => !isObjectText(text)).map(() =>
          "arguments are no object"
        ),
        ...(wanted !== "none" && (wanted === "all" || called.length > 0) && isBlank(message.reasoning_content)
          ? [`thinking is enabled but reasoning_content is missing in assistant message at index ${n}`]
          : [])
      ]
    })
  })
