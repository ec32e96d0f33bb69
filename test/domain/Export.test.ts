/** A session as a document: whole, and nothing in a message can end its code before it ends. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck, Schema } from "effect"
import { documentOf } from "../../src/domain/Export.ts"
import { Message } from "../../src/domain/Message.ts"
import { agentOf, freshOwner, messageOf, sessionOf, strangeTexts, time } from "../support/fixtures.ts"
import { arbitrary } from "./arbitraries.ts"

const session = sessionOf(agentOf(freshOwner()))
const block = { id: "t" as never, name: "Bash" }

describe("An exported session", () => {
  it("is JSON that holds the session and all messages as they are", () =>
    FastCheck.assert(
      FastCheck.property(FastCheck.array(arbitrary(Message), { maxLength: 5 }), (messages) => {
        const { head, of, tail } = documentOf("json", session, time)
        const text = head + messages.map((message, i) => of(message, i === 0)).join("") + tail
        const whole = JSON.parse(text)
        assert.deepStrictEqual(whole.session, session)
        assert.deepStrictEqual(whole.messages, JSON.parse(JSON.stringify(messages)))
        messages.forEach((message) => assert.isTrue(Schema.is(Message)(message)))
      }),
      { numRuns: 50 }
    ))

  it("is Markdown with names, texts, files, calls and results, without thoughts", () => {
    const { head, of } = documentOf("markdown", session, time)
    assert.include(head, "# Porch\n")
    const text = of(
      messageOf("", {
        name: "Zeno\n# not a heading",
        role: "assistant",
        content: [
          { type: "thinking", id: "a" as never, thinking: "secretly" },
          { type: "text", id: "b" as never, text: "Good morning.\n" },
          { type: "tool_call", ...block, input: "{\"command\":\"ls\"}", state: "finished", suggested_rules: [] },
          { type: "tool_result", ...block, output: "a ```` b", state: "success" },
          {
            type: "data",
            id: "d" as never,
            name: "a[1].png",
            source: { type: "url", url: "/sessions/s/files/f>x", media_type: "image/png" }
          }
        ],
        finished_reason: "error",
        error: { type: "upstream", code: "upstream", message: "It broke.", retryable: true }
      }),
      true
    )
    assert.strictEqual(
      text,
      `
## Zeno # not a heading (assistant), ${time}

Good morning.

**Calls \`Bash\`**

\`\`\`json
{"command":"ls"}
\`\`\`

**Result of \`Bash\`: success**

\`\`\`\`\`
a \`\`\`\` b
\`\`\`\`\`

[a\\[1\\].png](</sessions/s/files/f%3Ex>)

*error: It broke.*
`
    )
  })

  it("holds whatever was said", () => {
    for (const format of ["markdown", "json"] as const) {
      const { of } = documentOf(format, session, time)
      for (const strange of strangeTexts) assert.isString(of(messageOf(strange), false))
    }
  })
})
