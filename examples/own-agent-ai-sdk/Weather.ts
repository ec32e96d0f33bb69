/**
 * An agent that is built on another framework: the AI SDK's own loop, with a tool of its own. What its stream says
 * becomes the reply; what was said before comes from the session.
 */
import { type ModelMessage, stepCountIs, tool, ToolLoopAgent } from "ai"
import { z } from "zod"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Agent from "../../src/layers/OwnAgents/Agent.ts"
import { model } from "./Model.ts"

const loop = new ToolLoopAgent({
  model,
  instructions: "You know the weather.",
  stopWhen: stepCountIs(5),
  tools: {
    weather: tool({
      description: "The weather of a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => {
        if (city === "Nowhere") throw new Error("There is no such city.")
        return { city, degrees: 20 }
      }
    })
  }
})

const told = ({ content, role }: Message): ModelMessage => ({
  role: role === "assistant" ? "assistant" : "user",
  content: textOf(content)
})

export const weather = Agent.make({
  name: "weather",
  description: "Says how the weather is.",
  async *run({ history, input, signal }) {
    const { fullStream } = await loop.stream({
      messages: [...history, ...input].map(told),
      abortSignal: signal
    })
    for await (const part of fullStream) {
      switch (part.type) {
        case "text-delta":
          yield { type: "text", block: part.id, delta: part.text }
          break
        case "reasoning-delta":
          yield { type: "thinking", block: part.id, delta: part.text }
          break
        case "tool-call":
          yield { type: "tool_call", id: part.toolCallId, name: part.toolName, input: part.input }
          break
        case "tool-result":
          yield { type: "tool_result", id: part.toolCallId, output: part.output }
          break
        case "tool-error":
          yield { type: "tool_result", id: part.toolCallId, output: String(part.error), is_error: true }
          break
        case "error":
          throw part.error
      }
    }
  }
})
