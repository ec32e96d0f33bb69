import type { AgentEvent } from "./Event.ts"

/** Decodes the events inside whole SSE frames of our streams, in order, with their `seq`. Comments may stand before a frame. */
export const eventsOf = (frames: string): ReadonlyArray<{ readonly seq: number; readonly event: AgentEvent }> =>
  frames.split("\n\n").flatMap((frame) => {
    const [id, data] = frame.split("\n").filter((line) => !line.startsWith(":"))
    return id?.startsWith("id: ") && data?.startsWith("data: ")
      ? [{ seq: Number(id.slice(4)), event: JSON.parse(data.slice(6)) as AgentEvent }]
      : []
  })
