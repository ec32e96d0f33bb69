/** Every provider of models, but for the demo. */
import type { Provider } from "./Provider.ts"
import * as Anthropic from "./providers/Anthropic.ts"
import * as AzureOpenAi from "./providers/AzureOpenAi.ts"
import * as Bedrock from "./providers/Bedrock.ts"
import * as DashScope from "./providers/DashScope.ts"
import * as DeepSeek from "./providers/DeepSeek.ts"
import * as Gemini from "./providers/Gemini.ts"
import * as Groq from "./providers/Groq.ts"
import * as Mistral from "./providers/Mistral.ts"
import * as Moonshot from "./providers/Moonshot.ts"
import * as Ollama from "./providers/Ollama.ts"
import * as OpenAi from "./providers/OpenAi.ts"
import * as OpenAiCompatible from "./providers/OpenAiCompatible.ts"
import * as OpenRouter from "./providers/OpenRouter.ts"
import * as XAi from "./providers/XAi.ts"

export const all: ReadonlyArray<Provider> = [
  OpenAi.provider,
  Anthropic.provider,
  Gemini.provider,
  DashScope.provider,
  DeepSeek.provider,
  Moonshot.provider,
  XAi.provider,
  Ollama.provider,
  Mistral.provider,
  Groq.provider,
  OpenRouter.provider,
  AzureOpenAi.provider,
  Bedrock.provider,
  OpenAiCompatible.provider
]
