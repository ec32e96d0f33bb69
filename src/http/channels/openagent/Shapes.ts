/** Calls of tools, their results and messages, as this protocol writes them. */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { SessionId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import type { ToolCallBlock } from "../../../domain/Message.ts"
import { clientCallId } from "../openai/output/Encode.ts"
import { type Cost, metricsOf } from "./Cost.ts"

export interface Call {
  readonly name: string
  readonly input: string
}

export const secondsOf = (event: AgentEvent): number => Math.floor(Date.parse(event.created_at) / 1000)

/** Arguments as an object; what a model wrote and nobody can read as one is in `tool_calls` as it is. */
const argumentsOf = (input: string): JsonObject => {
  try {
    const value: unknown = JSON.parse(input)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

export const toolOf = (session: SessionId, id: string, { input, name }: Call) => ({
  role: "tool",
  tool_call_id: clientCallId(session, id),
  tool_name: name,
  tool_args: argumentsOf(input),
  tool_call_error: false
})

export const resultOf = (
  tool: ReturnType<typeof toolOf>,
  event: AgentEvent,
  state: string,
  output: string | ReadonlyArray<{ readonly type: string; readonly text?: string }>
) => ({
  ...tool,
  content: typeof output === "string" ? output : output.map(({ text = "" }) => text).join(""),
  tool_call_error: state !== "success",
  created_at: secondsOf(event)
})

interface Said {
  readonly session: SessionId
  readonly text: string
  readonly reasoning: string
  /** Calls that the client has to make. */
  readonly requested: ReadonlyArray<ToolCallBlock>
  readonly cost?: Cost | undefined
  /** When the run began, in milliseconds. */
  readonly at: number
}

export const messageOf = ({ at, cost, reasoning, requested, session, text }: Said) => ({
  role: "assistant",
  content: text,
  ...(reasoning !== "" && { reasoning_content: reasoning }),
  ...(requested.length > 0 && {
    tool_calls: requested.map(({ id, input, name }) => ({
      id: clientCallId(session, id),
      type: "function",
      function: { name, arguments: input }
    }))
  }),
  ...(cost !== undefined && { metrics: metricsOf(cost) }),
  created_at: Math.floor(at / 1000)
})
