/** Tools that providers run themselves, where texts say they come from, and thoughts that packages pass over. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ModelPart } from "../../src/services/Models.ts"
import * as Answered from "../support/wires/Answered.ts"
import { finishOf, textIn, thinkingIn } from "../support/wires/Messages.ts"
import * as Talk from "../support/wires/Talk.ts"

const { subjects } = Answered

const withTalk = <A, E>(name: keyof typeof subjects, use: (talk: Talk.Talk) => Effect.Effect<A, E>) =>
  Effect.flatMap(Talk.open(subjects[name]), use)

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"

type Of<Type extends ModelPart["type"]> = Extract<ModelPart, { readonly type: Type }>

const only = <Type extends ModelPart["type"]>(parts: ReadonlyArray<ModelPart>, type: Type): ReadonlyArray<Of<Type>> =>
  parts.filter((part): part is Of<Type> => part.type === type)

const annotationsIn = (parts: ReadonlyArray<ModelPart>) =>
  only(parts, "block_end").flatMap(({ annotations }) => annotations ?? [])

/** Each call is the provider's, begins and ends, and then has one result. */
const resultsIn = (parts: ReadonlyArray<ModelPart>) => {
  const calls = only(parts, "tool_call_start")
  for (const call of calls) {
    assert.isTrue(call.provider_executed)
    const own = parts.filter((part) => "id" in part && part.id === call.id).map(({ type }) => type)
    assert.deepStrictEqual(own.filter((type) => type !== "tool_call_delta"), [
      "tool_call_start",
      "tool_call_end",
      "tool_result"
    ])
  }
  return only(parts, "tool_result").map(({ files, id, state, text }) => ({
    name: calls.find((call) => call.id === id)?.name,
    text,
    files,
    state
  }))
}

const search = (output_index: number) => {
  const item = { type: "web_search_call", id: "ws_1", status: "in_progress" }
  const action = { type: "search", query: "weather in Bern", sources: [{ type: "url", url: "https://bern.example/a" }] }
  return [
    { type: "response.output_item.added", output_index, item },
    { type: "response.web_search_call.searching", output_index, item_id: "ws_1" },
    { type: "response.output_item.done", output_index, item: { ...item, status: "completed", action } }
  ]
}

const said = (output_index: number, text: string, annotations: ReadonlyArray<object>) => {
  const at = { item_id: "msg_0", output_index, content_index: 0 }
  const item = { id: "msg_0", type: "message", role: "assistant", content: [] }
  return [
    { type: "response.output_item.added", output_index, item: { ...item, status: "in_progress" } },
    { type: "response.output_text.delta", ...at, delta: text, logprobs: [] },
    ...annotations.map((annotation, annotation_index) => ({
      type: "response.output_text.annotation.added",
      ...at,
      annotation_index,
      annotation
    })),
    {
      type: "response.output_item.done",
      output_index,
      item: { ...item, status: "completed", content: [{ type: "output_text", text, annotations }] }
    }
  ]
}

layer(Talk.base, { excludeTestServices: true })("A tool that the provider runs", (it) => {
  it.scoped("is a call with its result over Responses, and no reason for another round", () =>
    withTalk("responses", ({ ask, server }) =>
      Effect.gen(function*() {
        const citation = {
          type: "url_citation",
          url: "https://bern.example/a",
          title: "Bern",
          start_index: 0,
          end_index: 6
        } as const
        server.answer(Answered.response(...search(0), ...said(1, "Sunny.", [citation])))
        const parts = yield* ask()
        const [result, ...others] = resultsIn(parts)
        assert.strictEqual(others.length, 0)
        assert.deepInclude(result, { name: "web_search", state: "success", files: [] })
        assert.include(result?.text, "weather in Bern")
        assert.strictEqual(finishOf(parts).reason, "stop")
        assert.deepStrictEqual(annotationsIn(parts), [citation])
      })))

  it.scoped("that makes an image over Responses keeps it", () =>
    withTalk("responses", ({ ask, server }) =>
      Effect.gen(function*() {
        const item = { type: "image_generation_call", id: "ig_1", status: "in_progress" }
        server.answer(Answered.response(
          { type: "response.output_item.added", output_index: 0, item },
          {
            type: "response.image_generation_call.partial_image",
            output_index: 0,
            item_id: "ig_1",
            partial_image_b64: "iVBORw0KGgopreview",
            partial_image_index: 0
          },
          { type: "response.output_item.done", output_index: 0, item: { ...item, status: "completed", result: png } }
        ))
        const results = resultsIn(yield* ask())
        assert.deepStrictEqual(results, [{
          name: "image_generation",
          state: "success",
          text: "",
          files: [{ media_type: "image/png", data: png }]
        }])
      })))

  it.scoped("over Groq is a call with its result and its sources, however often it is told", () =>
    withTalk("groqCompound", ({ ask, server }) =>
      Effect.gen(function*() {
        const search = { index: 0, type: "search", arguments: "{\"query\":\"Bern\"}" }
        const python = { index: 1, type: "python", arguments: "{\"code\":\"plot()\"}" }
        const results = [{ title: "Bern", url: "https://bern.example/a", content: "Sunny.", score: 0.9 }]
        const found = { ...search, output: "Title: Bern", search_results: { images: null, results } }
        const drawn = { ...python, output: "done", code_results: [{ text: "plot", png }] }
        server.answer(Answered.chunks(
          { delta: { role: "assistant", content: null, executed_tools: [search] } },
          { delta: { content: null, executed_tools: [found, python] } },
          { delta: { content: null, executed_tools: [found, drawn, null, "odd", { type: "visit" }] } },
          { delta: { content: "Sunny." } },
          { delta: { executed_tools: [found, drawn] }, finish_reason: "stop" }
        ))
        const parts = yield* ask()
        const whole = parts.filter((part) =>
          !("id" in part) || only(parts, "tool_result").some(({ id }) => id === part.id)
        )
        const told = resultsIn(whole)
        assert.deepStrictEqual(told.map(({ files, name }) => [name, files.length]), [["search", 0], ["python", 1]])
        assert.include(told[0]?.text, "Title: Bern")
        assert.deepStrictEqual(told[1]?.files, [{ media_type: "image/png", data: png }])
        assert.strictEqual(finishOf(parts).reason, "stop")
        assert.deepStrictEqual(annotationsIn(parts), [
          { type: "url_citation", url: "https://bern.example/a", title: "Bern", cited_text: "Sunny." }
        ])
      })))

  it.scoped("over Azure leaves what it found in the owner's data as sources", () =>
    withTalk("azure", ({ ask, server }) =>
      Effect.gen(function*() {
        const citations = [
          { title: "Plan", url: "https://blob.example/plan.pdf", filepath: "plan.pdf", content: "Text", chunk_id: "0" },
          { title: "Notes", url: null, filepath: "notes.md", content: "More", chunk_id: "1" },
          null,
          "odd"
        ]
        server.answer(Answered.chunks(
          { delta: { role: "assistant", context: { citations, intent: "[]" } } },
          { delta: { content: "Sunny." } },
          { delta: {}, finish_reason: "stop" }
        ))
        assert.deepStrictEqual(annotationsIn(yield* ask()), [
          { type: "url_citation", url: "https://blob.example/plan.pdf", title: "Plan", cited_text: "Text" },
          { type: "file_citation", title: "notes.md", cited_text: "More" }
        ])
      })))

  it.scoped("of an MCP server or in a sandbox over Responses is one too", () =>
    withTalk("responses", ({ ask, server }) =>
      Effect.gen(function*() {
        const code = { type: "code_interpreter_call", id: "ci_1", container_id: "c", code: null, outputs: null }
        const mcp = {
          type: "mcp_call",
          id: "mcp_1",
          server_label: "docs",
          name: "look",
          arguments: "{\"q\":1}",
          status: "completed"
        }
        server.answer(Answered.response(
          { type: "response.output_item.added", output_index: 0, item: { ...code, status: "in_progress" } },
          { type: "response.code_interpreter_call_code.done", output_index: 0, item_id: "ci_1", code: "print(1)" },
          {
            type: "response.output_item.done",
            output_index: 0,
            item: {
              ...code,
              status: "completed",
              code: "print(1)",
              outputs: [{ type: "logs", logs: "1\n" }, { type: "image", url: `data:image/png;base64,${png}` }]
            }
          },
          { type: "response.output_item.added", output_index: 1, item: mcp },
          { type: "response.output_item.done", output_index: 1, item: { ...mcp, output: "found it" } }
        ))
        const parts = yield* ask()
        const [ran, looked] = resultsIn(parts)
        assert.deepInclude(ran, { name: "code_interpreter", files: [{ media_type: "image/png", data: png }] })
        assert.include(ran?.text, "1\\n")
        assert.include(looked?.text, "found it")
        assert.strictEqual(finishOf(parts).reason, "stop")
      })))

  it.scoped("is a call with its result at Anthropic's, with what is cited", () =>
    withTalk("anthropic", ({ ask, server }) =>
      Effect.gen(function*() {
        const found = {
          type: "web_search_result",
          url: "https://bern.example/a",
          title: "Bern",
          encrypted_content: "c2VjcmV0",
          page_age: null
        }
        const location = {
          type: "web_search_result_location",
          url: found.url,
          title: found.title,
          cited_text: "It is sunny.",
          encrypted_index: "aW5kZXg="
        }
        server.answer(Answered.message([
          [
            { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} },
            { type: "input_json_delta", partial_json: "{\"query\":\"Bern\"}" }
          ],
          [{ type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [found] }],
          [
            { type: "text", text: "" },
            { type: "text_delta", text: "Sunny." },
            { type: "citations_delta", citation: location }
          ]
        ]))
        const parts = yield* ask()
        const [result] = resultsIn(parts)
        assert.deepInclude(result, { name: "web_search", state: "success" })
        assert.include(result?.text, "https://bern.example/a")
        assert.notInclude(result?.text, "c2VjcmV0")
        assert.deepStrictEqual(annotationsIn(parts), [{
          type: "url_citation",
          url: found.url,
          title: found.title,
          cited_text: "It is sunny."
        }])
        assert.strictEqual(finishOf(parts).reason, "stop")
      })))

  it.scoped("that failed at Anthropic's is told as failed", () =>
    withTalk("anthropic", ({ ask, server }) =>
      Effect.gen(function*() {
        const content = { type: "web_search_tool_result_error", error_code: "max_uses_exceeded" }
        server.answer(Answered.message([
          [{ type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} }],
          [{ type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content }]
        ]))
        const [result] = resultsIn(yield* ask())
        assert.strictEqual(result?.state, "error")
        assert.include(result?.text, "max_uses_exceeded")
      })))

  it.scoped("of an MCP server at Anthropic's is one too", () =>
    withTalk("anthropic", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(Answered.message([
          [{ type: "mcp_tool_use", id: "mcptoolu_1", name: "look", server_name: "docs", input: { q: 1 } }],
          [{
            type: "mcp_tool_result",
            tool_use_id: "mcptoolu_1",
            is_error: false,
            content: [{ type: "text", text: "found it" }]
          }]
        ]))
        const parts = yield* ask()
        assert.deepStrictEqual(resultsIn(parts), [{ name: "look", text: "found it", files: [], state: "success" }])
        assert.strictEqual(only(parts, "tool_call_delta").map(({ delta }) => delta).join(""), "{\"q\":1}")
      })))

  it.scoped("runs code at Google's, draws, and names the web pages that it read", () =>
    withTalk("gemini", ({ ask, server }) =>
      Effect.gen(function*() {
        const content = (...parts: ReadonlyArray<object>) => ({ content: { parts, role: "model" }, index: 0 })
        server.answer(Answered.candidates(
          { candidates: [content({ executableCode: { language: "PYTHON", code: "print(1)" } })] },
          { candidates: [content({ codeExecutionResult: { outcome: "OUTCOME_OK", output: "1\n" } })] },
          { candidates: [content({ inlineData: { mimeType: "image/png", data: png } })] },
          { candidates: [content({ text: "It is one." })] },
          {
            candidates: [{
              ...content(),
              finishReason: "STOP",
              groundingMetadata: {
                groundingChunks: [{ web: { uri: "https://one.example/", title: "One" } }]
              }
            }]
          }
        ))
        const parts = yield* ask()
        assert.deepInclude(resultsIn(parts)[0], { name: "code_execution", state: "success" })
        assert.deepStrictEqual(only(parts, "data").map(({ data }) => data), [png])
        assert.deepStrictEqual(annotationsIn(parts), [{
          type: "url_citation",
          url: "https://one.example/",
          title: "One"
        }])
        assert.strictEqual(finishOf(parts).reason, "stop")
      })))
})

layer(Talk.base, { excludeTestServices: true })("Sources", (it) => {
  const page = { url: "https://a.example/", title: "A", start_index: 0, end_index: 4 }

  for (const name of ["openai", "azure", "openrouter", "compatible"] as const) {
    it.scoped(`that ${subjects[name].name} names are kept with the text`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(Answered.chunks(
            { delta: { role: "assistant", content: "Text" } },
            { delta: { content: "", annotations: [{ type: "url_citation", url_citation: page }] } },
            { delta: {}, finish_reason: "stop" }
          ))
          const parts = yield* ask()
          const [annotation, ...others] = annotationsIn(parts)
          assert.deepStrictEqual(others, [])
          assert.deepInclude(annotation, { type: "url_citation", url: page.url, title: page.title })
          assert.strictEqual(only(parts, "block_end").length, 1)
        })))
  }

  for (const name of ["xai", "compatible"] as const) {
    it.scoped(`that ${subjects[name].name} lists beside the answer are kept with the text`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          const head = { id: "1", object: "chat.completion.chunk", created: 1, model: "fake" }
          server.answer(Answered.events(
            { ...head, choices: [{ index: 0, delta: { role: "assistant", content: "Text" } }] },
            {
              ...head,
              citations: ["https://a.example/", "https://b.example/", "javascript:alert(1)"],
              choices: [{ index: 0, delta: {}, finish_reason: "stop" }]
            },
            "[DONE]"
          ))
          const urls = annotationsIn(yield* ask()).map(({ url }) => url)
          assert.deepStrictEqual(urls, ["https://a.example/", "https://b.example/"])
        })))
  }
})

layer(Talk.base, { excludeTestServices: true })("Results of a search", (it) => {
  it.scoped("that a server lists beside the answer are kept with their titles", () =>
    withTalk("compatible", ({ ask, server }) =>
      Effect.gen(function*() {
        const head = { id: "1", object: "chat.completion.chunk", created: 1, model: "fake" }
        const search_results = [{ title: "A", url: "https://a.example/", date: "2026-01-31" }]
        server.answer(Answered.events(
          {
            ...head,
            search_results,
            citations: ["https://a.example/"],
            choices: [{ index: 0, delta: { content: "x" } }]
          },
          { ...head, search_results, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
          "[DONE]"
        ))
        assert.deepStrictEqual(annotationsIn(yield* ask()), [{
          type: "url_citation",
          url: "https://a.example/",
          title: "A"
        }])
      })))
})

layer(Talk.base, { excludeTestServices: true })("Thoughts that the packages pass over", (it) => {
  for (const field of ["reasoning_content", "reasoning"]) {
    for (const name of ["azure", "openai"] as const) {
      it.scoped(`are kept when ${subjects[name].name} streams them as ${field}`, () =>
        withTalk(name, ({ ask, server }) =>
          Effect.gen(function*() {
            server.answer(Answered.chunks(
              { delta: { role: "assistant", content: null, [field]: "let me " } },
              { delta: { content: null, [field]: "see" } },
              { delta: { content: "Good " } },
              { delta: { content: "morning" } },
              { delta: {}, finish_reason: "stop" }
            ))
            const parts = yield* ask()
            assert.strictEqual(thinkingIn(parts), "let me see")
            assert.strictEqual(textIn(parts), "Good morning")
            const kinds = parts.flatMap(({ type }) => type === "text" || type === "thinking" ? [type] : [])
            assert.deepStrictEqual(kinds, ["thinking", "thinking", "text", "text"])
          })))
    }
  }

  for (const name of ["responses", "azureResponses"] as const) {
    it.scoped(`are kept when ${subjects[name].name} streams its reasoning as text`, () =>
      withTalk(name, ({ ask, server }) =>
        Effect.gen(function*() {
          const at = { item_id: "rs_1", output_index: 0, content_index: 0 }
          const item = { id: "rs_1", type: "reasoning", summary: [], content: [] }
          server.answer(Answered.response(
            { type: "response.output_item.added", output_index: 0, item },
            { type: "response.reasoning_text.delta", ...at, delta: "let me " },
            { type: "response.reasoning_text.delta", ...at, delta: "see" },
            { type: "response.reasoning_text.done", ...at, text: "let me see" },
            {
              type: "response.output_item.done",
              output_index: 0,
              item: { ...item, content: [{ type: "reasoning_text", text: "let me see" }] }
            },
            ...said(1, "Good morning", [])
          ))
          const parts = yield* ask()
          assert.strictEqual(thinkingIn(parts), "let me see")
          assert.strictEqual(textIn(parts), "Good morning")
        })))
  }
})
