/** The AI SDK's chat by its default transport: words, thoughts, tools, permissions, files, and streams that are lost. */
import { assert, layer } from "@effect/vitest"
import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
  type UIMessage
} from "ai"
import { Effect } from "effect"
import { asked, tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"
import { chatting, chunksOf, readOf, textIn } from "../../support/uimessages.ts"

const { TestHost: Host } = TestHost

const body = { agent: "Ada" }

const types = (text: string) => chunksOf(text).map(({ type }) => type)

const toolsIn = (message: UIMessage | undefined) =>
  (message?.parts ?? []).flatMap((part) => part.type === "dynamic-tool" || part.type.startsWith("tool-") ? [part] : [])

/** Waits until a promise of the client's own has come to something. */
const until = (isSo: () => boolean) =>
  Effect.promise(async () => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
  })

const sessionsOf = (user: string) =>
  Effect.flatMap(Host, ({ call }) => Effect.map(call("GET", "/sessions", { user }), ({ json }) => json.sessions))

layer(TestHost.layer(), { excludeTestServices: true })("A chat of the AI SDK", (it) => {
  it.effect("gets thoughts, words and what was used, and goes on where it was", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const { chat, exchanges } = yield* chatting(user, { id: "a chat/1", body })
      yield* asked(() => chat.sendMessage({ text: "think Hm\nsay one two" }))
      assert.strictEqual(chat.status, "ready", String(chat.error))
      const [, reply] = chat.messages
      assert.deepStrictEqual(reply!.parts.map(({ type }) => type), ["step-start", "reasoning", "text"])
      assert.strictEqual(textIn(reply), "one two")
      assert.containsAllKeys(reply!.metadata as object, ["sessionId", "runId", "usage"])
      const { headers, text } = exchanges[0]!
      assert.strictEqual(headers.get("x-vercel-ai-ui-message-stream"), "v1")
      assert.match(yield* asked(() => text), /data: \[DONE\]\n\n$/)
      yield* asked(() => chat.sendMessage({ text: "context" }))
      // The model has seen all that was said.
      assert.match(textIn(chat.lastMessage), /"messages":3,/)
      assert.strictEqual((yield* sessionsOf(user)).length, 1)
    }))

  it.effect("begins with what its client has said before, and knows no other client's chat", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const messages: Array<UIMessage> = [
        { id: "1", role: "user", parts: [{ type: "text", text: "say old" }] },
        { id: "2", role: "assistant", parts: [{ type: "text", text: "old" }] }
      ]
      const { chat } = yield* chatting(user, { id: "same", body, messages })
      yield* asked(() => chat.sendMessage({ text: "context" }))
      assert.match(textIn(chat.lastMessage), /"messages":3,/)
      const { user: other } = yield* tenant()
      const { chat: others, exchanges } = yield* chatting(other, { id: "same", body })
      yield* asked(() => others.resumeStream())
      assert.strictEqual(exchanges[0]!.status, 404)
      yield* asked(() => others.sendMessage({ text: "context" }))
      assert.match(textIn(others.lastMessage), /"messages":1,/)
    }))

  it.effect("runs tools of its own, whose results come back as they were", () =>
    Effect.gen(function*() {
      const client_tools = [{ name: "weather", parameters: { type: "object", properties: {} } }]
      const { user } = yield* tenant({ client_tools })
      for (const output of [{ degrees: 9 }, "9 degrees", "9", 9, null]) {
        const called: Array<string> = []
        const { chat, exchanges } = yield* chatting(user, {
          id: `tools-${JSON.stringify(output)}`,
          body,
          onToolCall: ({ toolCall }) => {
            if (toolCall.dynamic) return
            called.push(toolCall.toolName)
            void chat.addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output } as never)
          },
          sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls
        })
        yield* asked(() => chat.sendMessage({ text: "call weather {\"city\":\"Kiel\"}\nthen\nsay Thanks: \nresults" }))
        yield* until(() => textIn(chat.lastMessage).includes("Thanks") && chat.status === "ready")
        const [part] = toolsIn(chat.lastMessage)
        assert.deepInclude(part, { type: "tool-weather", state: "output-available", input: { city: "Kiel" }, output })
        assert.deepStrictEqual([called, exchanges.length, chat.messages.length], [["weather"], 2, 2])
        const { message } = yield* asked(async () =>
          await readOf((await exchanges[0]!.text) + (await exchanges[1]!.text))
        )
        assert.deepInclude(toolsIn(message)[0], { state: "output-available", output })
      }
    }))

  it.effect("is asked for permission, and what it says holds", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* tenant({ client_tools: [{ name: "pay", effect: "write" }] })
      for (const approved of [true, false]) {
        const paid: Array<string> = []
        const { chat } = yield* chatting(user, {
          id: `approval-${approved}`,
          body,
          onToolCall: ({ toolCall }) => {
            paid.push(toolCall.toolName)
            void chat.addToolOutput({ tool: "pay", toolCallId: toolCall.toolCallId, output: "paid" } as never)
          },
          sendAutomaticallyWhen: (state) =>
            lastAssistantMessageIsCompleteWithApprovalResponses(state) ||
            lastAssistantMessageIsCompleteWithToolCalls(state)
        })
        yield* asked(() => chat.sendMessage({ text: "call pay {}\nthen\nsay Done" }))
        const [part] = toolsIn(chat.lastMessage) as Array<{ state: string; approval: { id: string } }>
        assert.strictEqual(part!.state, "approval-requested")
        assert.deepStrictEqual(paid, [])
        const { id } = part!.approval
        // A page that is behind has answered a call of another reply, whose id is the same by chance.
        const parts = [{ ...part, state: "approval-responded", approval: { id, approved: true } }]
        const messages = [chat.messages[0], { id: "another-reply", role: "assistant", parts }]
        const behind = yield* call("POST", "/ui-messages", { user, body: { ...body, id: chat.id, messages } })
        assert.strictEqual(behind.status, 409, behind.text)
        yield* asked(async () => {
          await chat.addToolApprovalResponse({ id, approved })
        })
        yield* until(() => textIn(chat.lastMessage) === "Done" && chat.status === "ready")
        const [after] = toolsIn(chat.lastMessage) as Array<{ state: string }>
        assert.strictEqual(after!.state, approved ? "output-available" : "output-denied")
        assert.deepStrictEqual(paid, approved ? ["pay"] : [])
      }
    }))

  it.effect("sees the agent's own tools, by their names", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant({ tools: "all" })
      const { chat, exchanges } = yield* chatting(user, { id: "own-tools", body })
      yield* asked(() => chat.sendMessage({ text: "call TaskCreate {\"subject\": \"sow\"}\nthen\nsay Done" }))
      const [part] = toolsIn(chat.lastMessage)
      assert.deepInclude(part, { type: "dynamic-tool", toolName: "TaskCreate", state: "output-available" })
      assert.strictEqual(textIn(chat.lastMessage), "Done")
      // The plan is told beside the reply, and is one part however often it changes.
      const states = chat.lastMessage!.parts.filter(({ type }) => type === "data-state")
      assert.strictEqual(states.length, 1, yield* asked(() => exchanges[0]!.text))
    }))

  it.effect("shows files, and takes them", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const { call } = yield* Host
      const { chat } = yield* chatting(user, { id: "files", body })
      const url = `data:text/plain;base64,${Buffer.from("nine").toString("base64")}`
      const files = [{ type: "file" as const, mediaType: "text/plain", filename: "nine.txt", url }]
      yield* asked(() => chat.sendMessage({ text: "say seen", files }))
      assert.strictEqual(textIn(chat.lastMessage), "seen", String(chat.error))
      const [{ id }] = yield* sessionsOf(user)
      const { messages } = (yield* call("GET", `/sessions/${id}/messages`, { user })).json
      assert.deepInclude(messages[0].content[0], { type: "data", name: "nine.txt" })
    }))

  it.effect("is told why there is no reply: before it, in it, and where it was stopped", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const { chat } = yield* chatting(user, { id: "errors" })
      yield* asked(() => chat.sendMessage({ text: "say x" }))
      assert.match(chat.error!.message, /^No agent is named\./)
      const { chat: known } = yield* chatting(user, { id: "errors", body })
      yield* asked(() => known.sendMessage({ text: "say half\nfail invalid_request Not this" }))
      assert.include(known.error!.message, "Not this")
      assert.strictEqual(textIn(known.lastMessage), "half")
      yield* asked(() => known.sendMessage({ text: "say again" }))
      assert.deepStrictEqual([known.status, textIn(known.lastMessage)], ["ready", "again"])
      // A stop is no error.
      const { call } = yield* Host
      const { chat: stopped, exchanges } = yield* chatting(user, { id: "stopped", body })
      const sent = stopped.sendMessage({ text: "say half\nsleep 60000\nsay whole" })
      yield* until(() => textIn(stopped.lastMessage) === "half")
      assert.strictEqual((yield* call("POST", "/ui-messages/stopped/stop", { user })).status, 204)
      yield* asked(() => sent)
      assert.strictEqual(stopped.status, "ready")
      assert.include(types(yield* asked(() => exchanges[0]!.text)), "abort")
    }))

  it.effect("goes on when its client has gone, which gets it again from its start", () =>
    Effect.gen(function*() {
      const { call, watch } = yield* Host
      const { user } = yield* tenant({ client_tools: [{ name: "weather" }] })
      const { chat } = yield* chatting(user, { id: "lost", body })
      const sent = chat.sendMessage({ text: "say one\nsleep 1500\nsay two" })
      yield* until(() => textIn(chat.lastMessage) === "one")
      yield* asked(() => chat.stop())
      yield* asked(() => sent)
      const watching = yield* watch("GET", "/ui-messages/lost/stream", { user })
      yield* asked(() => chat.resumeStream())
      assert.strictEqual(textIn(chat.lastMessage), "onetwo")
      assert.strictEqual(chat.messages.length, 2)
      assert.deepInclude(types(yield* watching.ended), "finish")
      assert.strictEqual((yield* call("GET", "/ui-messages/lost/stream", { user })).status, 204)
      yield* asked(() => chat.resumeStream())
      assert.strictEqual(chat.status, "ready")
    }).pipe(Effect.scoped))

  it.effect("is replayed byte by byte, also where it has waited in between", () =>
    Effect.gen(function*() {
      const { watch } = yield* Host
      const { user } = yield* tenant({ client_tools: [{ name: "weather" }] })
      const { chat, exchanges } = yield* chatting(user, { id: "again", body })
      const replay = Effect.flatMap(watch("GET", "/ui-messages/again/stream", { user }), ({ ended }) => ended)
      yield* asked(() => chat.sendMessage({ text: "say a\ncall weather {}\nthen\nsay b\nsleep 1500\nsay c" }))
      const first = yield* asked(() => exchanges[0]!.text)
      assert.strictEqual(yield* replay, first)
      const [part] = toolsIn(chat.lastMessage) as Array<{ toolCallId: string }>
      const { toolCallId } = part!
      yield* asked(async () => {
        await chat.addToolOutput({ tool: "weather", toolCallId, output: { degrees: 9 } } as never)
      })
      const sent = chat.sendMessage()
      yield* until(() => textIn(chat.lastMessage).includes("b"))
      const replayed = yield* replay
      yield* asked(() => sent)
      const second = yield* asked(() => exchanges[1]!.text)
      const whole = (text: string) => text.replace(/^: ok\n/, "")
      const asks = chunksOf(first).find(({ type }) => type === "tool-input-available")
      const before = whole(first).replace("data: [DONE]\n\n", "").replace(`data: ${JSON.stringify(asks)}\n\n`, "")
      assert.strictEqual(whole(replayed), before + whole(second))
      const { message } = yield* asked(() => readOf(replayed))
      assert.strictEqual(textIn(message), "abc")
      assert.deepInclude(toolsIn(message)[0], { state: "output-available", output: { degrees: 9 } })
    }).pipe(Effect.scoped))

  it.effect("gives another reply, and takes an edited message, in a branch that knows what was said before", () =>
    Effect.gen(function*() {
      const { user } = yield* tenant()
      const { chat } = yield* chatting(user, { id: "branches", body })
      yield* asked(() => chat.sendMessage({ text: "say one" }))
      yield* asked(() => chat.sendMessage({ text: "context" }))
      assert.match(textIn(chat.lastMessage), /"messages":3,/)
      const first = chat.lastMessage!.id
      yield* asked(() => chat.regenerate())
      assert.notStrictEqual(chat.lastMessage!.id, first)
      assert.match(textIn(chat.lastMessage), /"messages":3,/)
      const messageId = chat.messages[2]!.id
      yield* asked(() => chat.sendMessage({ text: "context", messageId }))
      assert.match(textIn(chat.lastMessage), /"messages":3,/)
      yield* asked(() => chat.sendMessage({ text: "context" }))
      assert.match(textIn(chat.lastMessage), /"messages":5,/)
      assert.deepStrictEqual([chat.status, chat.messages.length], ["ready", 6])
      // What was left is in sessions of its own.
      assert.strictEqual((yield* sessionsOf(user)).length, 3)
    }))

  it.effect("is refused with a sentence what cannot be", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* tenant()
      const user1 = { id: "1", role: "user", parts: [{ type: "text", text: "say x" }] }
      const reply = { id: "2", role: "assistant", parts: [] }
      const refusals: ReadonlyArray<readonly [number, object]> = [
        [422, { id: "x", agent: "Ada", messages: [] }],
        [422, { id: "x", agent: "Ada", messages: [{ ...user1, parts: [] }] }],
        [422, {
          id: "x",
          agent: "Ada",
          messages: [{ ...user1, parts: [{ type: "file", url: "file:///etc/passwd" }] }]
        }],
        [409, { id: "x", agent: "Ada", messages: [user1, reply] }],
        [422, { id: "x", agent: "Ada", messages: [user1, reply], trigger: "regenerate-message" }],
        [404, { id: "y", agent: "Nobody", messages: [user1] }],
        [400, { id: " ", agent: "Ada", messages: [user1] }]
      ]
      for (const [status, body] of refusals) {
        const answer = yield* call("POST", "/ui-messages", { user, body })
        assert.strictEqual(answer.status, status, answer.text)
        assert.match(answer.headers["content-type"]!, /^text\/plain/)
        assert.match(answer.text, /^[A-Za-z]/)
      }
      const twice = { id: "z", agent: "Ada", messages: [user1] }
      const { chat } = yield* chatting(user, { id: "z", body, messages: [user1 as UIMessage] })
      yield* asked(() => chat.sendMessage())
      assert.strictEqual((yield* call("POST", "/ui-messages", { user, body: twice })).status, 409)
    }))
})
