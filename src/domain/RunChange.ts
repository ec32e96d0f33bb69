/** What a hook may change of a request before its run begins, and what is wrong with a change. */
import { Schema } from "effect"
import { ChatInput, type ChatRequest, isAnswer } from "./Chat.ts"
import { OutputSchema } from "./OutputSchema.ts"
import { ClientToolsInput, ToolChoice } from "./Tool.ts"

/** What a request says of its run. */
export interface Requested extends Pick<ChatRequest, "input" | "output_schema" | "tool_choice" | "tools"> {
  /** Added to the agent's system prompt for this run. */
  readonly instructions: string
}

/** What is to be different. What is not named stays as it is. */
export interface RunChange extends Partial<Requested> {}

/** Most characters of what is put in the place of an input, or of instructions. */
const maxInput = 1024 * 1024

const isInput = Schema.is(Schema.typeSchema(ChatInput))
const isTools = Schema.is(ClientToolsInput)
const isChoice = Schema.is(ToolChoice)
const isOutput = Schema.is(OutputSchema)

type Asked = { readonly [Name in keyof RunChange]-?: RunChange[Name] | undefined }

/** Characters of the texts of messages; their files have limits of their own. */
const charactersOf = (input: ChatInput): number => {
  if (input === null || isAnswer(input)) return 0
  const messages = "role" in input ? [input] : input
  return messages.reduce(
    (sum, { content }) =>
      sum + (typeof content === "string" ?
        content.length :
        content.reduce((all, block) => all + (block.type === "text" ? block.text.length : 0), 0)),
    0
  )
}

/** What is wrong with a change. */
const problemIn = ({ input, instructions, output_schema, tool_choice, tools }: Asked): string | undefined => {
  if (instructions !== undefined && typeof instructions !== "string") return "instructions that are no text"
  if ((instructions?.length ?? 0) > maxInput) return "instructions that are too long"
  if (input !== undefined && !isInput(input)) return "an input that is none"
  if (input !== undefined && charactersOf(input) > maxInput) return "an input that is too long"
  if (tools !== undefined && !isTools(tools)) return "tools that are none"
  if (tool_choice !== undefined && !isChoice(tool_choice)) return "a tool_choice that is none"
  return output_schema === undefined || isOutput(output_schema) ? undefined : "an output_schema that is none"
}

/** The request with the change; a sentence's end (`an input that is none`) where the change cannot be taken. */
export const changed = <A extends Requested>(before: A, change: RunChange): A | string => {
  if (typeof change !== "object" || change === null) return "no object"
  const { input, instructions, output_schema, tool_choice, tools } = change
  const asked = { input, instructions, output_schema, tool_choice, tools }
  const wrong = problemIn(asked)
  if (wrong !== undefined) return wrong
  // An answer may allow what a person is being asked about: no message becomes one.
  if (input !== undefined && isAnswer(input) && (before.input === null || !isAnswer(before.input))) {
    return "an answer in the place of an input"
  }
  return { ...before, ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) }
}
