import { agentApp } from "./agentapp/AgentApp.ts"
import type { Channel } from "./Channel.ts"
import { chatCompletions } from "./openai/OpenAi.ts"

/** The channels that Stoa brings. Those of a user's own program come after them. */
export const all: ReadonlyArray<Channel> = [chatCompletions, agentApp]
