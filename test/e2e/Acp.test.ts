/** `stoa acp` as an editor has it: the built program, driven by ACP's own SDK. */
import { RequestError, type SessionUpdate } from "@agentclientprotocol/sdk"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { addressFor, type Editor, editorOf } from "../support/acp.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const timeout = patience(120_000)

const textIn = (updates: ReadonlyArray<SessionUpdate>, kind: SessionUpdate["sessionUpdate"]): string =>
  updates.flatMap((update) =>
    update.sessionUpdate === kind && "content" in update && !Array.isArray(update.content) &&
      update.content?.type === "text"
      ? [update.content.text]
      : []
  ).join("")

const of = (updates: ReadonlyArray<SessionUpdate>, kind: SessionUpdate["sessionUpdate"]) =>
  updates.filter(({ sessionUpdate }) => sessionUpdate === kind)

describe("An editor", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: Server
  let address: Awaited<ReturnType<typeof addressFor>>
  const start = () => startServer(["--data-dir", folder.path])

  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await start()
    address = await addressFor(() => server.url)
    const { must } = clientOf(server.url)
    const { credential_id } = await must("POST", "/credential", { data: { type: "demo_credential" } })
    const config = (parameters: object) => ({
      type: "demo_credential",
      credential_id,
      model: "demo-script",
      parameters
    })
    await must("POST", "/agent", { name: "Ada", chat_model_config: config({}), tools: "all" })
    await must("POST", "/agent", { name: "Slow", chat_model_config: config({ delay_ms: 20 }) })
  }, timeout)

  afterAll(async () => {
    await server.kill("SIGTERM")
    await address.close()
    await folder.remove()
  }, timeout)

  const begin = async (name: string, decide?: Parameters<typeof editorOf>[0]["decide"]) => {
    const editor = editorOf({ url: address.url, args: ["--agent", name], ...decide !== undefined && { decide } })
    const made = await editor.agent.request("initialize", { protocolVersion: 1, clientCapabilities: {} })
    assert.deepInclude(made, { protocolVersion: 1 })
    assert.isTrue(made.agentCapabilities?.loadSession)
    const { sessionId } = await editor.agent.request("session/new", { cwd: "/tmp", mcpServers: [] })
    return { editor, sessionId }
  }

  const say = async ({ agent, updates }: Editor, sessionId: string, text: string) => {
    updates.length = 0
    return await agent.request("session/prompt", { sessionId, prompt: [{ type: "text", text }] })
  }

  it(
    "sees thoughts, words, tools, the plan and what was used; and again when it loads the session",
    { timeout },
    async () => {
      const { editor, sessionId } = await begin("Ada")
      const { updates } = editor
      const script = "think Hm\nsay one two\ncall TaskCreate {\"subject\": \"sow\"}\nthen\nsay Done"
      assert.deepStrictEqual(await say(editor, sessionId, script), { stopReason: "end_turn" })
      assert.strictEqual(textIn(updates, "agent_thought_chunk"), "Hm")
      assert.strictEqual(textIn(updates, "agent_message_chunk"), "one twoDone")
      assert.deepInclude(of(updates, "tool_call")[0], { title: "TaskCreate", kind: "think", status: "pending" })
      assert.deepInclude(of(updates, "tool_call_update").at(-1), { status: "completed", rawOutput: "#1 [pending] sow" })
      assert.deepInclude(of(updates, "plan")[0], {
        entries: [{ content: "sow", priority: "medium", status: "pending" }]
      })
      assert.isNotEmpty(of(updates, "usage_update"))
      const words = [{ type: "resource" as const, resource: { uri: "file:///a.txt", text: "the text of a file" } }]
      updates.length = 0
      await editor.agent.request("session/prompt", {
        sessionId,
        prompt: [{ type: "text", text: "say seen" }, ...words]
      })
      assert.deepStrictEqual(editor.stray(), [])
      assert.strictEqual(await editor.leave(), 0)

      const other = editorOf({ url: address.url, args: ["--agent", "Ada"] })
      await other.agent.request("initialize", { protocolVersion: 1, clientCapabilities: {} })
      const { sessions } = await other.agent.request("session/list", {})
      assert.include(sessions.map(({ sessionId }) => sessionId), sessionId)
      await other.agent.request("session/load", { sessionId, cwd: "/tmp", mcpServers: [] })
      assert.include(textIn(other.updates, "user_message_chunk"), "the text of a file")
      assert.include(textIn(other.updates, "agent_message_chunk"), "one twoDone")
      assert.deepInclude(of(other.updates, "tool_call_update")[0], { status: "completed" })
      assert.lengthOf(of(other.updates, "plan"), 1)
      const missing = await other.agent.request("session/load", { sessionId: "nothing", cwd: "/tmp", mcpServers: [] })
        .catch((error: unknown) => error)
      assert.instanceOf(missing, RequestError)
      assert.strictEqual(missing.code, -32002)
      assert.strictEqual(await other.leave(), 0)
    }
  )

  it("is asked what may run, once, for always, or not at all", { timeout }, async () => {
    const asked: Array<string> = []
    let answer = "allow_once"
    const { editor, sessionId } = await begin("Ada", ({ toolCall }) => {
      asked.push(toolCall.title ?? "")
      return answer === "cancel"
        ? { outcome: { outcome: "cancelled" } }
        : { outcome: { outcome: "selected", optionId: answer } }
    })
    const { updates } = editor
    const write = (name: string) => `call Write {"file_path": "${name}", "content": "x"}\nthen\nsay Done`
    await say(editor, sessionId, write("a.txt"))
    assert.deepStrictEqual(asked, ["Write: a.txt"])
    assert.deepInclude(of(updates, "tool_call_update").at(-1), { status: "completed" })
    answer = "reject_once"
    assert.deepStrictEqual(await say(editor, sessionId, write("b.txt")), { stopReason: "end_turn" })
    assert.deepInclude(of(updates, "tool_call_update").at(-1), { status: "failed" })
    answer = "cancel"
    assert.deepStrictEqual(await say(editor, sessionId, write("c.txt")), { stopReason: "cancelled" })
    answer = "allow_always"
    await say(editor, sessionId, write("d.txt"))
    const before = asked.length
    await say(editor, sessionId, write("d.txt"))
    assert.strictEqual(asked.length, before)
    assert.deepInclude(of(updates, "tool_call_update").at(-1), { status: "completed" })
    await editor.leave()
  })

  it("stops a prompt, is told why one failed, and has one at a time", { timeout }, async () => {
    const { editor, sessionId } = await begin("Ada")
    const working = say(editor, sessionId, "say half\nsleep 60000\nsay whole")
    await editor.until(() => textIn(editor.updates, "agent_message_chunk") === "half")
    const second = await editor.agent.request("session/prompt", {
      sessionId,
      prompt: [{ type: "text", text: "say x" }]
    })
      .catch((error: unknown) => error)
    assert.instanceOf(second, RequestError)
    await editor.agent.notify("session/cancel", { sessionId })
    assert.deepStrictEqual(await working, { stopReason: "cancelled" })
    const failed = await say(editor, sessionId, "fail invalid_request Not this").catch((error: unknown) => error)
    assert.instanceOf(failed, RequestError)
    assert.strictEqual(failed.message, "Not this")
    assert.deepStrictEqual(await say(editor, sessionId, "say again"), { stopReason: "end_turn" })
    await editor.leave()
  })

  it("hears the rest of a prompt whose server was killed in the middle", { timeout }, async () => {
    const { editor, sessionId } = await begin("Slow")
    const working = say(editor, sessionId, "repeat 60 word ")
    await editor.until(() => textIn(editor.updates, "agent_message_chunk").length > 20)
    await server.kill("SIGKILL")
    server = await start()
    assert.deepStrictEqual(await working, { stopReason: "end_turn" })
    const heard = textIn(editor.updates, "agent_message_chunk")
    const { messages } = await clientOf(server.url).must("GET", `/sessions/${sessionId}/messages`)
    const said = messages.at(-1).content.map(({ text }: { readonly text: string }) => text).join("")
    assert.strictEqual(heard, said)
    await editor.leave()
  })

  it("leaves a run to itself when it closes", { timeout }, async () => {
    const { editor, sessionId } = await begin("Slow")
    void say(editor, sessionId, "repeat 60 word ").catch(() => {})
    await editor.until(() => textIn(editor.updates, "agent_message_chunk").length > 20)
    assert.strictEqual(await editor.leave(), 0)
    const { must } = clientOf(server.url)
    const { runs } = await must("GET", `/runs?session_id=${sessionId}`)
    assert.notStrictEqual(runs[0].finished_reason, "interrupted")
    // What it was asked is not answered by its leaving.
    let isAsked = false
    const asking = await begin("Ada", () => {
      isAsked = true
      return new Promise(() => {})
    })
    void say(asking.editor, asking.sessionId, "call Write {\"file_path\": \"e.txt\", \"content\": \"x\"}").catch(
      () => {}
    )
    await asking.editor.until(() => isAsked)
    assert.strictEqual(await asking.editor.leave(), 0)
    assert.strictEqual((await must("GET", `/sessions/${asking.sessionId}`)).status, "awaiting_permission")
  })
})
