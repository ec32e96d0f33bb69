/** Users who have an agent, and a session in which everything is allowed. */
import { Effect } from "effect"
import { TestHost } from "../TestHost.ts"

let users = 0

export const tenant = Effect.gen(function*() {
  const { call } = yield* TestHost
  const user = `mcp-${users++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "A" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
  yield* call("PATCH", `/sessions/${session_id}`, { user, body: { permission_mode: "bypass" } })
  const chat = (text: string) =>
    call("POST", "/chat", {
      user,
      headers: { accept: "application/json" },
      body: { agent_id, session_id, input: { content: text } }
    })
  return { user, agent_id: agent_id as string, session_id: session_id as string, chat }
})
