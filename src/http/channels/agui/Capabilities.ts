/** What an agent can do, in the words of the protocol. What is not known of its model is not said. */
import type { Agent } from "../../../domain/Agent.ts"
import type { JsonObject } from "../../../domain/Json.ts"

export const capabilitiesOf = ({ data, id }: Agent): JsonObject => ({
  identity: { name: data.name, type: "stoa", metadata: { id } },
  transport: { streaming: true, websocket: false, httpBinary: false, pushNotifications: false, resumable: true },
  tools: {
    supported: true,
    clientProvided: true,
    parallelCalls: true,
    items: data.client_tools.map(({ description, name, parameters }) => ({ name, description, parameters }))
  },
  state: { snapshots: true, deltas: true, memory: false, persistentState: true },
  multiAgent: { supported: false },
  reasoning: { supported: true, streaming: true, encrypted: false },
  humanInTheLoop: { supported: true, approvals: true, interrupts: true, approveWithEdits: true }
})
