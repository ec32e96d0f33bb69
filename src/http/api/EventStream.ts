import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import type * as OpenApi from "@effect/platform/OpenApi"
import type { Context } from "effect"
import { Schema } from "effect"

/** Server-sent events: `id: <seq>` and `data: <AgentEvent as JSON>` a frame, comments in between. */
export const EventStream = HttpApiSchema.Text({ contentType: "text/event-stream" }).annotations({
  description: "A stream of AgentEvent frames"
})

interface Operation {
  readonly responses: Record<string, { content?: Record<string, object> }>
}

const describesFrames = Schema.is(
  Schema.Struct({ responses: Schema.Struct({ "200": Schema.Struct({ content: Schema.Object }) }) })
)

/**
 * Says in the OpenAPI document what the frames of a stream hold. `itemSchema` is
 * the word for it from 3.2 on; `x-item-schema` says the same to strict 3.1 readers.
 */
export const streamsEvents: Context.Tag.Service<typeof OpenApi.Transform> = (operation) => {
  if (!describesFrames(operation)) return operation
  const item = { $ref: "#/components/schemas/AgentEvent" }
  const content = (operation as unknown as Operation).responses["200"]!.content!
  content["text/event-stream"] = { schema: { type: "string" }, itemSchema: item, "x-item-schema": item }
  return operation
}

/** The same for an operation that can also answer with one JSON value. */
export const streamsEventsOr = (schema: string): typeof streamsEvents => (operation) => {
  const described = streamsEvents(operation) as Operation
  described.responses["200"]!.content!["application/json"] = { schema: { $ref: `#/components/schemas/${schema}` } }
  return described
}
