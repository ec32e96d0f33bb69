import { a2a } from "./a2a/A2a.ts"
import { agentApp } from "./agentapp/AgentApp.ts"
import { agentService } from "./agentservice/AgentService.ts"
import { agUi } from "./agui/AgUi.ts"
import type { Channel } from "./Channel.ts"
import { gateway } from "./gateway/Gateway.ts"
import { langGraph } from "./langgraph/LangGraph.ts"
import { mcp } from "./mcp/Mcp.ts"
import { openAgent } from "./openagent/OpenAgent.ts"
import { chatCompletions } from "./openai/OpenAi.ts"
import { responses } from "./responses/Responses.ts"
import { uiMessages } from "./uimessages/UiMessages.ts"

/** The channels that Stoa brings. Those of a user's own program come after them. */
export const all: ReadonlyArray<Channel> = [
  chatCompletions,
  responses,
  gateway,
  openAgent,
  agentService,
  agentApp,
  a2a,
  agUi,
  mcp,
  uiMessages,
  langGraph
]
