/** What clients of the Open Agent API that were generated from its schema refuse, and one that runs tools of its own. */
import { Either, ParseResult, Schema } from "effect"
import { flag, given, list, number, object, text, whole } from "./agentservice/Classes.ts"

const name = <const Name extends string>(event: Name) => ({ event: Schema.Literal(event), type: Schema.Literal(event) })

const common = {
  run_id: text,
  session_id: text,
  agent_id: text,
  model: text,
  created_at: whole,
  content: text,
  content_type: text
}

const toolCall = {
  role: Schema.Literal("tool"),
  tool_call_id: text,
  tool_name: text,
  tool_args: object,
  tool_call_error: flag
}

const message = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: text,
  reasoning_content: given(text),
  tool_calls: given(list(Schema.Struct({
    id: text,
    type: Schema.Literal("function", "tool"),
    function: Schema.Struct({ name: text, arguments: text })
  }))),
  metrics: given(object),
  created_at: whole
})

const cost = Schema.Struct({ input_tokens: whole, output_tokens: whole, microdollars: whole, unpriced_calls: whole })

const event = Schema.Union(
  Schema.Struct({ ...common, ...name("RunStarted") }),
  Schema.Struct({ ...common, ...name("RunResponse"), reasoning_content: given(text) }),
  Schema.Struct({
    ...common,
    ...name("ToolCallStarted"),
    tools: list(Schema.Struct(toolCall)),
    messages: given(list(message))
  }),
  Schema.Struct({
    ...common,
    ...name("ToolCallCompleted"),
    tools: list(Schema.Struct({ ...toolCall, content: text, created_at: whole }))
  }),
  Schema.Struct({ ...common, ...name("ToolRequest"), tool: text, input: object, tool_call_id: text }),
  Schema.Struct({ ...common, ...name("CostSummary"), cost }),
  Schema.Struct({
    ...common,
    ...name("RunCompleted"),
    runtime: number,
    status: Schema.Literal("succeeded", "failed", "canceled"),
    metrics: given(object),
    finish_reason: given(text),
    messages: given(list(message)),
    error: given(Schema.Struct({ message: text, type: text, code: Schema.NullOr(text), param: Schema.NullOr(text) }))
  })
)

const strictly = { onExcessProperty: "error" } as const

const read = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema, strictly)
  return (value: unknown): A =>
    Either.getOrThrowWith(decode(value), (error) => new Error(ParseResult.TreeFormatter.formatErrorSync(error)))
}

const eventOf = read(event)

export type Event = typeof event.Type

/** The events of a stream; one that a strict client would refuse is an error. */
export const eventsOf = (stream: string): ReadonlyArray<Event> =>
  Array.from(stream.matchAll(/^data: (.*)$/gm), ([, json]) => eventOf(JSON.parse(json!)))

export const answerOf = read(Schema.Struct({
  run_id: text,
  session_id: text,
  agent_id: text,
  model: text,
  created_at: whole,
  messages: list(message),
  message,
  finish_reason: Schema.Literal("stop", "length", "content_filter", "tool_request"),
  usage: object,
  cost,
  warnings: given(list(text))
}))

export const recordOf = read(Schema.Struct({
  id: text,
  agent_id: text,
  name: text,
  model: text,
  description: text,
  instructions: text,
  tools: list(Schema.Struct({
    name: text,
    instructions: text,
    functions: list(Schema.Struct({ name: text, description: text, parameters: object, strict: flag }))
  })),
  created_at: text,
  warnings: given(list(text))
}))

/** The error of its schema, with OpenAI's beside it. */
export const errorOf = read(Schema.Struct({
  loc: list(Schema.Union(text, whole)),
  msg: text,
  type: text,
  code: Schema.NullOr(text),
  error: Schema.Struct({ message: text, type: text, param: Schema.NullOr(text), code: Schema.NullOr(text) }),
  warnings: given(list(text))
}))
