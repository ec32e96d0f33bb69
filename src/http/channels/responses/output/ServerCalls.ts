/** Tools that run on the server are shown as calls of an MCP server: it is what clients know best. */
import type { AgentEvent } from "../../../../domain/Event.ts"
import { itemId } from "./ItemIds.ts"
import { endOf, serverCallItem } from "./Items.ts"
import type { Writer } from "./Writer.ts"

interface Running {
  readonly index: number
  readonly id: string
  readonly name: string
  readonly input: string
  text: string
}

export const serverCalls = (session: string, clientTools: ReadonlySet<string>, out: Writer) => {
  const inputs = new Map<string, string>()
  const running = new Map<string, Running>()

  const begin = (id: string, name: string) => {
    if (clientTools.has(name) || running.has(id)) return
    const input = inputs.get(id) ?? ""
    const base = { id, name, output: null, error: null, status: "in_progress" as const }
    const item_id = itemId("mcp", session, id)
    const index = out.add(serverCallItem(session, { ...base, input: "" }))
    running.set(id, { index, id: item_id, name, input, text: "" })
    out.frame("response.mcp_call.in_progress", { item_id, output_index: index })
    if (input !== "") out.delta("response.mcp_call_arguments.delta", item_id, index, "", input)
    out.frame("response.mcp_call_arguments.done", { item_id, output_index: index, arguments: input })
  }

  const end = (id: string, state: string) => {
    const call = running.get(id)
    if (call === undefined) return
    running.delete(id)
    const { id: item_id, index: output_index, input, name, text } = call
    const how = endOf(state, text)
    out.frame(`response.mcp_call.${how.status}`, { item_id, output_index })
    out.done(output_index, serverCallItem(session, { id, name, input, ...how }))
  }

  return {
    step: (event: AgentEvent): void => {
      switch (event.type) {
        case "TOOL_CALL_DELTA":
          inputs.set(event.tool_call_id, (inputs.get(event.tool_call_id) ?? "") + event.delta)
          return
        case "USER_CONFIRM_RESULT":
          // They were asked for in an earlier response, and somebody may have changed what they say.
          for (const { tool_call } of event.confirm_results) inputs.set(tool_call.id, tool_call.input)
          return
        case "TOOL_RESULT_START":
          return begin(event.tool_call_id, event.tool_call_name)
        case "TOOL_RESULT_TEXT_DELTA": {
          const call = running.get(event.tool_call_id)
          if (call !== undefined) call.text += event.delta
          return
        }
        case "TOOL_RESULT_END":
          return end(event.tool_call_id, event.state)
      }
    }
  }
}
