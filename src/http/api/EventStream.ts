import * as HttpApiSchema from "@effect/platform/HttpApiSchema"

export const eventStreamType = "text/event-stream"

/** Server-sent events: `id: <seq>` and `data: <AgentEvent as JSON>` a frame, comments in between. */
export const EventStream = HttpApiSchema.Text({ contentType: eventStreamType }).annotations({
  description: "Events as they become durable, one frame each."
})
