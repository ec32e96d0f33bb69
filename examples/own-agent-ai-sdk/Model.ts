/** A model that needs no key: it asks for the tool once, and then says what the tool said. Put `openai("…")` in its place. */
import type { LanguageModelV3, LanguageModelV3StreamPart } from "@ai-sdk/provider"

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 }
}

type Prompt = Parameters<LanguageModelV3["doStream"]>[0]["prompt"]

const textIn = (message: Prompt[number] | undefined): string =>
  message?.role === "user" ? message.content.map((part) => part.type === "text" ? part.text : "").join("") : ""

function* answerTo(prompt: Prompt): Generator<LanguageModelV3StreamPart> {
  yield { type: "stream-start", warnings: [] }
  const last = prompt.at(-1)
  if (last?.role === "user") {
    const city = textIn(last).split(" ").at(-1)
    yield {
      type: "tool-call",
      toolCallId: `call-${prompt.length}`,
      toolName: "weather",
      input: JSON.stringify({ city })
    }
    yield { type: "finish", finishReason: { unified: "tool-calls", raw: undefined }, usage }
    return
  }
  const result = last?.role === "tool" ? last.content.find((part) => part.type === "tool-result") : undefined
  const said = result?.output.type === "json" ? JSON.stringify(result.output.value) : JSON.stringify(result?.output)
  const questions = prompt.filter(({ role }) => role === "user").length
  yield { type: "text-start", id: "1" }
  for (const delta of [`Question ${questions}: `, "it says ", said]) yield { type: "text-delta", id: "1", delta }
  yield { type: "text-end", id: "1" }
  yield { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage }
}

export const model: LanguageModelV3 = {
  specificationVersion: "v3",
  provider: "demo",
  modelId: "demo-weather",
  supportedUrls: {},
  doGenerate: () => Promise.reject(new Error("This model streams.")),
  doStream: ({ prompt }) => Promise.resolve({ stream: ReadableStream.from(answerTo(prompt)) })
}
