/** A tenant of the test host as OpenAI's own client sees it: an API key, an agent, and a credential of demo models. */
import { Effect } from "effect"
import OpenAI, { APIError } from "openai"
import type { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { TestHost } from "./TestHost.ts"

let tenants = 0

export const tenant = (agent: object = {}) =>
  Effect.gen(function*() {
    const { call, url } = yield* TestHost
    const { issue } = yield* ApiKeys
    const user = `openai-${tenants++}` as UserId
    const { key } = yield* issue({ user_id: user, name: "", scopes: ["read", "write", "chat"], expires_at: null })
    const data = { type: "demo_credential", name: "Demo" }
    const { credential_id } = (yield* call("POST", "/credential", { user, body: { data } })).json
    const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
    const made = yield* call("POST", "/agent", { user, body: { name: "Ada", chat_model_config, ...agent } })
    const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 })
    return { user, key, client, credential_id: credential_id as string, agent_id: made.json.agent_id as string }
  })

/** What the client's promise came to, or the error that it was rejected with. */
export const asked = <A>(ask: () => PromiseLike<A>): Effect.Effect<A> => Effect.promise(async () => await ask())

export const refused = (ask: () => PromiseLike<unknown>): Effect.Effect<InstanceType<typeof APIError>> =>
  Effect.promise(async () => {
    try {
      await ask()
    } catch (error) {
      if (error instanceof APIError) return error
      throw error
    }
    throw new Error("The request was not refused")
  })
