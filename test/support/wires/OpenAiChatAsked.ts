/** Requests of the Chat Completions protocol: https://platform.openai.com/docs/api-reference/chat/create */
import {
  type Asked,
  type AskedChoice,
  type AskedMessage,
  type AskedPart,
  dataUrl,
  type Json,
  listed,
  merged,
  type Received
} from "./Wire.ts"

const image = (url: Json): AskedPart => ({ type: "file", ...dataUrl(typeof url === "string" ? url : url.url) })

/** Parts of a message's content: a text, or an array in which Mistral has its thinking too. */
const contents = (content: Json): ReadonlyArray<AskedPart> => {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }]
  return listed(content).flatMap((part): ReadonlyArray<AskedPart> => {
    switch (part.type) {
      case "text":
        return [{ type: "text", text: part.text }]
      case "image_url":
        return [image(part.image_url)]
      case "file":
        return [{ type: "file", ...dataUrl(part.file.file_data) }]
      case "document_url":
        return [{ type: "file", ...dataUrl(part.document_url) }]
      case "thinking":
        return [{ type: "thinking", text: part.thinking.map(({ text }: Json) => text).join("") }]
      default:
        return []
    }
  })
}

const reasoning = (message: Json): ReadonlyArray<AskedPart> => {
  const details = listed(message.reasoning_details)
  if (details.length > 0) {
    return details.map(({ signature, text }) => ({ type: "thinking", text, ...(signature && { signature }) }))
  }
  const text = message.reasoning_content ?? message.reasoning
  return text ? [{ type: "thinking", text }] : []
}

const messageOf = (message: Json): AskedMessage => {
  switch (message.role) {
    case "tool":
      return {
        role: "tool",
        parts: [{
          type: "result",
          id: message.tool_call_id,
          text: contents(message.content).map((part) => "text" in part ? part.text : "").join("")
        }]
      }
    case "assistant":
      return {
        role: "assistant",
        parts: [
          ...reasoning(message),
          ...contents(message.content),
          ...listed(message.tool_calls).map((call): AskedPart => ({
            type: "call",
            id: call.id,
            name: call.function.name,
            args: JSON.parse(call.function.arguments)
          }))
        ]
      }
    default:
      return { role: "user", parts: contents(message.content) }
  }
}

const isSystem = ({ role }: Json) => role === "system" || role === "developer"

export const choiceOf = (choice: Json): AskedChoice | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice !== "string") return { name: choice.function?.name ?? choice.name }
  return choice === "any" ? "required" : choice as AskedChoice
}

export const read = ({ body }: Received): Asked => ({
  model: body.model,
  system: body.messages.filter(isSystem)
    .flatMap(({ content }: Json) => contents(content).map((part) => "text" in part ? part.text : "")).join("\n"),
  messages: merged(body.messages.filter((message: Json) => !isSystem(message)).map(messageOf)),
  tools: listed(body.tools).map(({ function: { description, name, parameters } }) => ({
    name,
    description,
    parameters
  })),
  tool_choice: choiceOf(body.tool_choice),
  output: body.response_format?.json_schema?.schema,
  temperature: body.temperature,
  top_p: body.top_p,
  max_tokens: body.max_tokens ?? body.max_completion_tokens,
  stop: body.stop === undefined ? undefined : listed(body.stop),
  seed: body.seed ?? body.random_seed
})
