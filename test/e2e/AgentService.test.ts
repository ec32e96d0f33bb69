/**
 * A client written for AgentScope's Agent Service 2.0.0, as its documents show
 * it: its paths with trailing slashes, its bodies, its way of reading frames.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { safeJson, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const hex = () => randomUUID().replaceAll("-", "")

let server: Server
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder()
  server = await startServer(["--data-dir", folder.path])
})

afterAll(async () => {
  await server.kill("SIGTERM")
  await folder.remove()
})

const clientFor = (slash: "" | "/", user: string) => {
  const send = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(server.url + path, {
      method,
      // It follows no redirects: one would lose the body.
      redirect: "error",
      headers: { "X-User-ID": user, ...(body !== undefined && { "Content-Type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: text === "" ? null : safeJson(text) }
  }
  return {
    send,
    collection: (name: string, query = "") => `/${name}${slash}${query}`,
    /** Reads `data:` lines, and nothing else. */
    chat: async (body: unknown) => {
      const { headers, status, text } = await send("POST", `/chat${slash}`, body)
      const events = text.split("\n").filter((line) => line.startsWith("data:")).map((line) =>
        JSON.parse(line.slice(5))
      )
      return { status, type: headers.get("content-type"), events }
    }
  }
}

const userMsg = (text: string) => ({
  id: hex(),
  name: "ada",
  role: "user",
  content: [{ type: "text", id: hex(), text }],
  metadata: {},
  created_at: "2026-01-31T09:30:00.123456",
  finished_at: null,
  usage: null
})

describe.each([["with trailing slashes", "/"], ["without", ""]] as const)(
  "A client of the Agent Service, %s",
  (name, slash) => {
    const client = clientFor(slash, `ada-${slash === "" ? "bare" : "slash"}`)

    it("drives agent, credential, session, chat and messages unchanged", async () => {
      const schemas = await client.send("GET", "/credential/schemas")
      assert.strictEqual(schemas.status, 200)
      const demo = schemas.body.schemas.find((schema: { properties: { type: { const: string } } }) =>
        schema.properties.type.const === "demo_credential"
      )
      assert.isDefined(demo, name)

      const agent = await client.send("POST", client.collection("agent"), {
        name: "Friday",
        system_prompt: "You're a helpful assistant named Friday.",
        react_config: { max_iters: 5 }
      })
      assert.deepStrictEqual([agent.status, Object.keys(agent.body)], [201, ["agent_id"]])
      const { agent_id } = agent.body
      const agents = await client.send("GET", client.collection("agent"))
      assert.deepStrictEqual([
        agents.body.total,
        agents.body.agents[0].id,
        agents.body.agents[0].data.react_config.max_iters
      ], [1, agent_id, 5])
      const renamed = await client.send("PATCH", `/agent/${agent_id}`, { name: "Jarvis", system_prompt: null })
      assert.deepStrictEqual([renamed.status, renamed.body.data.name, renamed.body.data.system_prompt], [
        200,
        "Jarvis",
        "You're a helpful assistant named Friday."
      ])

      const credential = await client.send("POST", client.collection("credential"), {
        data: { type: "demo_credential" }
      })
      assert.strictEqual(credential.status, 201)
      const { credential_id } = credential.body
      const listed = await client.send("GET", client.collection("credential"))
      assert.deepStrictEqual([listed.body.total, listed.body.credentials[0].data.name], [1, "Demo"])
      const models = await client.send("GET", client.collection("model", "?provider=demo_credential"))
      assert.sameMembers(models.body.models.map((card: { name: string }) => card.name), ["demo-chat", "demo-script"])

      const session = await client.send("POST", client.collection("sessions"), {
        agent_id,
        workspace_id: hex(),
        chat_model_config: { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
      })
      assert.strictEqual(session.status, 201)
      const { session_id } = session.body
      const sessions = await client.send("GET", client.collection("sessions", `?agent_id=${agent_id}`))
      assert.deepStrictEqual([sessions.body.total, sessions.body.sessions[0].config.chat_model_config.model], [
        1,
        "demo-script"
      ])

      const script = "think hm\ncall Calculate {\"expression\":\"6*7\"}\nthen\nresults"
      const chat = await client.chat({ agent_id, session_id, input: userMsg(script) })
      assert.deepStrictEqual([chat.status, chat.type], [200, "text/event-stream; charset=utf-8"])
      const types = chat.events.map(({ type }: { type: string }) => type)
      for (
        const type of [
          "REPLY_START",
          "MODEL_CALL_START",
          "THINKING_BLOCK_DELTA",
          "TOOL_CALL_START",
          "TOOL_CALL_END",
          "MODEL_CALL_END",
          "TOOL_RESULT_START",
          "TOOL_RESULT_END",
          "TEXT_BLOCK_DELTA",
          "REPLY_END"
        ]
      ) assert.include(types, type)
      assert.strictEqual(types.at(-1), "REPLY_END")
      const several = await client.chat({ agent_id, session_id, input: [userMsg("say one"), userMsg("say two")] })
      assert.strictEqual(several.events.at(-1).finished_reason, "completed")
      const goOn = await client.chat({ agent_id, session_id, input: null })
      assert.strictEqual(goOn.events.at(-1).type, "REPLY_END")

      const messages = await client.send(
        "GET",
        `/sessions/${session_id}/messages?agent_id=${agent_id}&offset=0&limit=50`
      )
      assert.isFalse(messages.body.is_running)
      assert.deepStrictEqual(messages.body.messages.map(({ role }: { role: string }) => role), [
        "user",
        "assistant",
        "user",
        "user",
        "assistant",
        "assistant"
      ])
      const [, reply] = messages.body.messages
      assert.strictEqual(reply.id, chat.events.find(({ type }: { type: string }) => type === "REPLY_START").reply_id)
      assert.deepStrictEqual(reply.content.map(({ type }: { type: string }) => type), [
        "thinking",
        "tool_call",
        "tool_result",
        "text"
      ])
      const page = await client.send("GET", `/sessions/${session_id}/messages?agent_id=${agent_id}&offset=1&limit=1`)
      assert.deepStrictEqual(page.body.messages.map(({ id }: { id: string }) => id), [reply.id])

      const patched = await client.send("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, {
        name: "renamed",
        permission_mode: "bypass"
      })
      assert.deepStrictEqual([patched.body.config.name, patched.body.state.permission_context.mode], [
        "renamed",
        "bypass"
      ])
      for (
        const path of [
          `/sessions/${session_id}?agent_id=${agent_id}`,
          `/credential/${credential_id}`,
          `/agent/${agent_id}`
        ]
      ) {
        assert.strictEqual((await client.send("DELETE", path)).status, 204)
        const again = await client.send("DELETE", path)
        assert.strictEqual(again.status, 404)
        assert.isString(again.body.detail)
      }
    })

    it("reads its errors from `detail`", async () => {
      const missing = await client.send("POST", client.collection("sessions"), { agent_id: hex() })
      assert.strictEqual(missing.status, 404)
      assert.match(missing.body.detail, /^Agent '[0-9a-f]{32}' not found\.$/)
      const invalid = await client.send("POST", client.collection("agent"), {})
      assert.strictEqual(invalid.status, 422)
      assert.include(invalid.body.detail, "name")
      assert.strictEqual((await client.send("GET", "/model/?provider=nobody")).status, 404)
    })
  }
)
