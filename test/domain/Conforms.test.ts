/** The strict clients that all tests are held against find what real ones found. */
import { assert, describe, it } from "@effect/vitest"
import { complaintsAbout, complaintsAboutA } from "../support/agentservice/Conforms.ts"
import { messageOf, time } from "../support/fixtures.ts"

const event = (type: string, fields: object) => ({ id: "e", created_at: time, type, ...fields })
const ids = { session_id: "s", run_id: "u" }
const reply = { reply_id: "r" }
const used = { ...reply, input_tokens: 1, output_tokens: 1 }
const end = (how: object) => event("REPLY_END", { ...ids, ...reply, usage: null, error: null, ...how })
const fails = (type: string) => ({
  finished_reason: "error",
  error: { type, message: "No.", code: "c", retryable: true }
})

describe("A strict client", () => {
  it("refuses types that its union does not have", () => {
    for (const type of ["USER_MESSAGE", "RUN_QUEUED", "RUN_RESUMED", "RUN_PARKED"]) {
      assert.deepStrictEqual(complaintsAbout(event(type, ids)), [
        `2.0.0 ${type} no such type`,
        `HEAD ${type} no such type`
      ])
    }
    assert.deepStrictEqual(complaintsAbout(event("CUSTOM", { name: "run_parked", value: ids })), [])
    assert.lengthOf(complaintsAbout(event("CUSTOM", { name: "x", value: null })), 1)
  })

  it("of the newest version refuses words that its enumerations do not have; 2.0.0 has none of them", () => {
    for (const finished_reason of ["stop", "tool_calls", "error"]) {
      const [complaint, ...more] = complaintsAbout(event("MODEL_CALL_END", { ...used, finished_reason }))
      assert.include(complaint, "HEAD MODEL_CALL_END finished_reason")
      assert.deepStrictEqual(more, [])
    }
    assert.lengthOf(complaintsAbout(end({ finished_reason: "max_tokens" })), 1)
    assert.lengthOf(complaintsAbout(end(fails("context_length"))), 1)
    assert.deepStrictEqual(
      complaintsAbout(end({ ...fails("invalid_request"), stop_reason: "x", structured_output: 1 })),
      []
    )
    const message = messageOf("x", { role: "assistant" })
    assert.deepStrictEqual(complaintsAboutA("Msg", message), [])
    for (const how of [fails("content_policy"), { finished_reason: "content_filter" }, { structured_output: [1] }]) {
      const [complaint] = complaintsAboutA("Msg", { ...message, ...how })
      assert.include(complaint, "HEAD Msg")
    }
  })

  it("refuses fields that are missing or of another type, and ignores those it does not know", () => {
    assert.isNotEmpty(complaintsAbout(event("TEXT_BLOCK_DELTA", { ...reply, block_id: "b" })))
    assert.isNotEmpty(complaintsAbout(event("TOOL_RESULT_END", { ...reply, tool_call_id: "c", state: "lost" })))
    assert.deepStrictEqual(complaintsAbout(event("TOOL_CALL_END", { ...reply, tool_call_id: "c", more: 1 })), [])
    const data = { ...reply, tool_call_id: "c", media_type: "a/b" }
    assert.isNotEmpty(complaintsAbout(event("TOOL_RESULT_DATA_DELTA", data)))
    assert.isNotEmpty(complaintsAbout(event("TOOL_RESULT_DATA_DELTA", { ...data, data: "", url: "u" })))
    assert.deepStrictEqual(complaintsAbout(event("TOOL_RESULT_DATA_DELTA", { ...data, data: "" })), [])
    assert.isNotEmpty(
      complaintsAboutA("Msg", { ...messageOf("x"), content: [{ type: "thinking", id: "t", thinking: "" }] })
    )
    assert.isNotEmpty(complaintsAboutA("AgentRecord", { id: "a" }))
    assert.isNotEmpty(complaintsAboutA("SessionRecord", { id: "s", user_id: "u", agent_id: "a", config: {} }))
    assert.isNotEmpty(complaintsAboutA("CredentialRecord", { id: "c", user_id: "u", data: "secret" }))
  })

  it("of 2.0.0 knows hints of text alone", () => {
    const hint = (hint: unknown) => ({
      ...messageOf("", { role: "assistant" }),
      content: [{ type: "hint", id: "h", hint }]
    })
    assert.deepStrictEqual(complaintsAboutA("Msg", hint("Hurry.")), [])
    assert.lengthOf(complaintsAboutA("Msg", hint([{ type: "text", id: "t", text: "Hurry." }])), 1)
  })

  it("refuses a card whose hidden parameters are null", () => {
    const card = {
      name: "m",
      label: "M",
      status: "active",
      input_types: [],
      output_types: [],
      context_size: 1,
      output_size: 1,
      parameter_schema: {}
    }
    assert.deepStrictEqual(
      complaintsAboutA("ModelCard", { ...card, parameters_overrides: { a: { hidden: true } } }),
      []
    )
    assert.lengthOf(complaintsAboutA("ModelCard", { ...card, parameters_overrides: { a: null } }), 2)
    assert.lengthOf(complaintsAboutA("ModelCard", { ...card, context_size: null, parameters_overrides: {} }), 2)
  })
})
