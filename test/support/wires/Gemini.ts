/** Gemini's API: https://ai.google.dev/api/generate-content, errors: https://google.aip.dev/193 */
import { refuse, type Told } from "./Refusals.ts"
import type { Say, Saying, Stop } from "./Say.ts"
import { all, type Rule, wellFormed } from "./Strict.ts"
import {
  type Asked,
  type AskedChoice,
  type AskedMessage,
  type AskedPart,
  eventStream,
  type Json,
  json,
  listed,
  merged,
  type Received,
  sse,
  type Wire
} from "./Wire.ts"

/** A call comes whole; the signature of a thought comes with the part after it, in its last chunk or with the call. */
const partsOf = (part: Saying, before: Saying | undefined): ReadonlyArray<object> => {
  const thoughtSignature = before?.type === "thinking" ? before.signature : undefined
  const signed = thoughtSignature === undefined ? {} : { thoughtSignature }
  switch (part.type) {
    case "text":
      return part.deltas.map((text, n) => ({ text, ...(n === part.deltas.length - 1 && signed) }))
    case "thinking":
      return part.deltas.map((text) => ({ text, thought: true }))
    case "call":
      return [{ functionCall: { name: part.name, args: JSON.parse(part.pieces.join("") || "{}") }, ...signed }]
    case "file":
      return [{ inlineData: { mimeType: part.media_type, data: part.data } }]
  }
}

/** It stops for calls as for anything. */
const stops: Readonly<Record<Stop, string>> = {
  stop: "STOP",
  tool_calls: "STOP",
  length: "MAX_TOKENS",
  content_filter: "SAFETY"
}

const say = ({ parts, spent, stop, word = stops[stop] }: Say) => {
  const said = parts.flatMap((part, n) => partsOf(part, parts[n - 1]))
  const usageMetadata = {
    promptTokenCount: spent.input,
    cachedContentTokenCount: spent.cached,
    candidatesTokenCount: spent.output - spent.reasoning,
    thoughtsTokenCount: spent.reasoning,
    totalTokenCount: spent.input + spent.output
  }
  const frame = (parts: ReadonlyArray<object>, more: object) =>
    sse({
      candidates: [{ content: { parts, role: "model" }, index: 0, ...more }],
      usageMetadata,
      modelVersion: "fake",
      responseId: "1"
    })
  const chunks = [...said.map((part) => frame([part], {})), frame([{ text: "" }], { finishReason: word })]
  return { content_type: eventStream, chunks, whole: chunks.length }
}

const partOf = (part: Json, n: number): ReadonlyArray<AskedPart> => {
  const signed = part.thoughtSignature === undefined ? {} : { signature: part.thoughtSignature }
  if (part.functionCall !== undefined) {
    const { args, id = `#${n}`, name } = part.functionCall
    return [{ type: "call", id, name, args, ...signed }]
  }
  if (part.functionResponse !== undefined) {
    const { id = `#${n}`, response } = part.functionResponse
    return [{ type: "result", id, text: response.content ?? JSON.stringify(response) }]
  }
  if (part.inlineData !== undefined) {
    return [{ type: "file", media_type: part.inlineData.mimeType, data: part.inlineData.data }]
  }
  if (part.text === undefined) return []
  return [{ type: part.thought === true ? "thinking" : "text", text: part.text, ...signed }]
}

/** Results are parts of a user's message; without ids, calls and results are matched by their order. */
const messagesOf = ({ parts, role }: Json): ReadonlyArray<AskedMessage> => {
  const calls = parts.filter((part: Json) => part.functionCall ?? part.functionResponse)
  return parts.flatMap((part: Json) => partOf(part, calls.indexOf(part))).map((part: AskedPart) => ({
    role: part.type === "result" ? "tool" : role === "model" ? "assistant" : "user",
    parts: [part]
  }))
}

const choices: Readonly<Record<string, AskedChoice>> = { AUTO: "auto", NONE: "none", ANY: "required" }

const choiceOf = (config: Json): AskedChoice | undefined =>
  config === undefined
    ? undefined
    : config.allowedFunctionNames === undefined
    ? choices[config.mode]
    : { name: config.allowedFunctionNames[0] }

const modelOf = (path: string) => /\/models\/([^:]+):/.exec(path)?.[1] ?? ""

const read = ({ body, path }: Received): Asked => {
  const config = body.generationConfig ?? {}
  return {
    model: modelOf(path),
    system: listed(body.systemInstruction?.parts).map(({ text }) => text).join("\n"),
    messages: merged(body.contents.flatMap(messagesOf)),
    tools: listed(body.tools).flatMap(({ functionDeclarations }) => functionDeclarations).map((
      { description, name, parameters, parametersJsonSchema }
    ) => ({ name, description, parameters: parameters ?? parametersJsonSchema })),
    tool_choice: choiceOf(body.toolConfig?.functionCallingConfig),
    output: config.responseJsonSchema ?? config.responseSchema,
    temperature: config.temperature,
    top_p: config.topP,
    max_tokens: config.maxOutputTokens,
    stop: config.stopSequences,
    seed: config.seed
  }
}

const textOf = ({ parts }: Json): string => parts.map(({ text }: Json) => text).join("")

const detail = (type: string, fields: object) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...fields })

/** Which quota a request would exceed. */
const exceeded = (quotaId: string) => detail("QuotaFailure", { violations: [{ quotaId, quotaValue: "10" }] })

const error = ([code, status, , message]: Told, details: ReadonlyArray<object>) => ({
  error: { code, message, status, ...(details.length > 0 && { details }) }
})

const detailsOf = ([, , reason]: Told): ReadonlyArray<object> =>
  reason === null
    ? []
    : reason.startsWith("Generate")
    ? [exceeded(reason)]
    : [detail("ErrorInfo", { reason, domain: "googleapis.com" })]

const tooMany: Told = [
  429,
  "RESOURCE_EXHAUSTED",
  "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
  "You exceeded your current quota, please check your plan and billing details."
]

/** It says when to come back in the body alone. https://ai.google.dev/gemini-api/docs/rate-limits */
const later: Wire["later"] = (seconds) =>
  json(error(tooMany, [...detailsOf(tooMany), detail("RetryInfo", { retryDelay: `${seconds}s` })]), 429)

const words = new Set([
  "type",
  "format",
  "title",
  "description",
  "nullable",
  "enum",
  "maxItems",
  "minItems",
  "properties",
  "required",
  "minProperties",
  "maxProperties",
  "minLength",
  "maxLength",
  "pattern",
  "example",
  "anyOf",
  "propertyOrdering",
  "default",
  "items",
  "minimum",
  "maximum"
])
const formats: Readonly<Record<string, ReadonlyArray<string>>> = {
  string: ["enum", "date-time"],
  number: ["float", "double"],
  integer: ["int32", "int64"]
}

/** https://ai.google.dev/api/caching#Schema: a part of OpenAPI's words, and nothing else. */
const schemaFaults = (schema: Json): ReadonlyArray<string> => {
  if (typeof schema !== "object" || schema === null) return ["no schema"]
  const { anyOf, enum: values, format, items, properties, required, type } = schema
  const kind = String(type).toLowerCase()
  return [
    ...Object.keys(schema).filter((word) => !words.has(word)).map((word) => `unknown name "${word}"`),
    ...(type === undefined && anyOf === undefined ? ["a schema without a type"] : []),
    ...(anyOf !== undefined && [type, properties, items].some((one) => one !== undefined) ? ["more than any_of"] : []),
    ...(format !== undefined && formats[kind]?.includes(format) !== true ? [`the format ${format} of a ${kind}`] : []),
    ...(values !== undefined && (kind !== "string" || values.some((one: Json) => typeof one !== "string" || one === ""))
      ? ["enum of other values than texts"]
      : []),
    ...(kind === "array" && items === undefined ? ["items: missing field"] : []),
    ...listed(required).filter((name) => properties?.[name] === undefined).map((name) =>
      `required ${name} is not defined`
    ),
    ...Object.values(properties ?? {}).flatMap(schemaFaults),
    ...listed(anyOf).flatMap(schemaFaults),
    ...(items === undefined ? [] : schemaFaults(items))
  ]
}

/** https://ai.google.dev/gemini-api/docs/function-calling: as many responses as calls, in the turn after them. */
const turns: Rule = ({ contents }) => {
  const count = (content: Json, field: string) =>
    listed(content?.parts).filter((part) => part[field] !== undefined).length
  return contents.flatMap((content: Json, n: number) => {
    const called = count(content, "functionCall")
    return [
      ...(listed(content.parts).length === 0 ? ["parts must not be empty"] : []),
      ...(called > 0 && count(contents[n + 1], "functionResponse") !== called
        ? ["the number of function response parts is not that of the function call parts"]
        : [])
    ]
  })
}

const begins: Rule = ({ contents }) => contents[0]?.role === "user" ? [] : ["the first turn is not a user's"]

const schemas: Rule = (body) => [
  ...listed(body.tools).flatMap(({ functionDeclarations }) => listed(functionDeclarations)).flatMap((
    { name, parameters }
  ) =>
    parameters === undefined
      ? []
      : [
        ...(Object.keys(parameters.properties ?? {}).length > 0
          ? []
          : ["properties: should be non-empty for OBJECT type"]),
        ...schemaFaults(parameters)
      ].map((fault) => `${name}: ${fault}`)
  ),
  ...(body.generationConfig?.responseSchema === undefined ? [] : schemaFaults(body.generationConfig.responseSchema))
]

export const wire: Wire = {
  say,
  read,
  faults: all(wellFormed, turns, begins, schemas),
  refuse: refuse({
    authentication: [400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid. Please pass a valid API key."],
    permission: [403, "PERMISSION_DENIED", null, "The caller does not have permission"],
    no_model: [404, "NOT_FOUND", null, "models/fake is not found for API version v1beta."],
    too_long: [
      400,
      "INVALID_ARGUMENT",
      null,
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    ],
    bad_request: [400, "INVALID_ARGUMENT", null, "Invalid value at 'generation_config.temperature'."],
    rate_limit: tooMany,
    quota: [429, "RESOURCE_EXHAUSTED", "GenerateRequestsPerDayPerProjectPerModel-FreeTier", tooMany[3]],
    failed: [500, "INTERNAL", null, "An internal error has occurred. Please retry."],
    overloaded: [503, "UNAVAILABLE", null, "The model is overloaded. Please try again later."]
  }, (told, words) => error([told[0], told[1], told[2], `${told[3]} ${words}`], detailsOf(told))),
  later,
  breakOff: (words, why) =>
    sse(
      why === "failed"
        ? error([503, "UNAVAILABLE", null, `The model is overloaded. ${words}`], [])
        : error(tooMany, detailsOf(tooMany))
    ),
  models: (names) =>
    json({
      models: names.map((name) => ({
        name: `models/${name}`,
        displayName: name,
        supportedGenerationMethods: ["generateContent", "embedContent"]
      }))
    }),
  embeddings: {
    answer: (vectors) =>
      json(
        vectors.length === 1
          ? { embedding: { values: vectors[0] } }
          : { embeddings: vectors.map((values) => ({ values })) }
      ),
    read: ({ body, path }) => ({
      model: modelOf(path),
      input: body.requests === undefined
        ? [textOf(body.content)]
        : body.requests.map(({ content }: Json) => textOf(content)),
      dimensions: (body.requests?.[0] ?? body).outputDimensionality
    })
  }
}
