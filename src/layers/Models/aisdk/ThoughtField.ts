/** Servers of the Chat Completions protocol tell thoughts in `reasoning_content` or in `reasoning`, and want them back where they had them. */
import { Schema } from "effect"

const field = Schema.optional(Schema.Unknown)

const isChunk = Schema.is(
  Schema.Struct({
    choices: Schema.NonEmptyArray(
      Schema.Struct({
        delta: Schema.Struct({ reasoning_content: field, reasoning: field, content: field, tool_calls: field })
      })
    )
  })
)

/** The field in which the chunk has thoughts, "" when it begins the answer without, else undefined. */
export const fieldIn = (chunk: unknown): string | undefined => {
  if (!isChunk(chunk)) return undefined
  const { content, reasoning, reasoning_content, tool_calls } = chunk.choices[0].delta
  if (reasoning_content) return "reasoning_content"
  if (reasoning) return "reasoning"
  return content || tool_calls ? "" : undefined
}
