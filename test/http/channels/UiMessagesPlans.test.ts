/** What a request of the AI SDK's chat wants, from what its client has and what the log has. */
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { planOf } from "../../../src/http/channels/uimessages/Deciding.ts"
import * as Outputs from "../../../src/http/channels/uimessages/Outputs.ts"
import type { ChatBody, UiMessage } from "../../../src/http/channels/uimessages/Requests.ts"

const user = (id: string): UiMessage => ({ id, role: "user", parts: [{ type: "text", text: id }] })
const reply = (id: string): UiMessage => ({ id, role: "assistant", parts: [] })

const plan = (
  messages: ReadonlyArray<UiMessage>,
  log: ReadonlyArray<string>,
  more: Partial<Pick<ChatBody, "messageId" | "trigger">> = {}
) => {
  const asked = planOf({ messages, ...more }, { isEmpty: log.length === 0, isKnown: (id) => log.includes(id) })
  return Either.map(asked, (plan) => ({
    type: plan.type,
    input: "input" in plan ? plan.input.map(({ message }) => message.id) : [],
    ..."before" in plan && { before: plan.before },
    ..."history" in plan && { history: plan.history.map(({ message }) => message.id) }
  }))
}

const is = (planned: ReturnType<typeof plan>, wanted: object) =>
  assert.deepStrictEqual(planned, Either.right(wanted) as never)

describe("What a client asks for", () => {
  it("begins a chat with all that it has said, where the log has nothing", () => {
    is(plan([user("u1"), reply("r1"), user("u2")], []), { type: "begin", input: ["u2"], history: ["u1", "r1"] })
  })

  it("is only what the log does not have, whatever else the client has lost or made up", () => {
    const log = ["u1", "r1", "u2", "r2"]
    is(plan([user("u1"), reply("r1"), user("u3")], log), { type: "append", input: ["u3"] })
    is(plan([user("u2"), user("u3")], log), { type: "append", input: ["u3"] })
    is(plan([user("u3"), reply("other"), user("u4"), user("u5")], log), { type: "append", input: ["u4", "u5"] })
    is(plan([user("u1"), reply("r1"), user("u2")], log), { type: "nothing", input: [] })
  })

  it("leaves what was said since only where it says so", () => {
    const log = ["u1", "r1", "u2", "r2"]
    const trigger = "regenerate-message"
    is(plan([user("u1")], log, { trigger }), { type: "branch", before: "u1", input: ["u1"] })
    is(plan([user("u1"), reply("r1"), user("u2")], log, { messageId: "u2" }), {
      type: "branch",
      before: "u2",
      input: ["u2"]
    })
    // What was never taken can be said once more.
    is(plan([user("u1"), reply("r1"), user("u9")], log, { trigger }), { type: "append", input: ["u9"] })
    is(plan([user("u1"), reply("r1"), user("u9")], log, { messageId: "u9" }), { type: "append", input: ["u9"] })
  })

  it("is an answer where its last message is a reply, and no wish for another one", () => {
    is(plan([user("u1"), reply("r1")], ["u1", "r1"]), { type: "answer", input: [] })
    assert.isTrue(Either.isLeft(plan([user("u1"), reply("r1")], ["u1", "r1"], { trigger: "regenerate-message" })))
  })
})

describe("The output of a client's tool", () => {
  it("comes back as it was, whatever it is", () => {
    for (const output of ["", "nine", "9", "\"9\"", "null", "{\"a\":1}", 9, null, true, [], { a: [1, null, "x"] }]) {
      assert.deepStrictEqual(Outputs.valueOf(Outputs.textOf(output)), output, JSON.stringify(output))
    }
    assert.strictEqual(Outputs.textOf("nine degrees"), "nine degrees")
  })
})
