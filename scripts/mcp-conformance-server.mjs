/**
 * A Stoa with one channel more, which has what the conformance suite of MCP wants to find in a server. Everything else of
 * it is the channel for agents: the paths, the sessions, the streams. `mcp-conformance.mjs` starts it, with `tsx`.
 */
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { main } from "../src/cli/Program.ts"
import * as Channel from "../src/http/channels/Channel.ts"
import { api } from "../src/http/channels/mcp/Api.ts"
import { errors, respond } from "../src/http/channels/mcp/Errors.ts"
import { layer } from "../src/http/channels/mcp/Handlers.ts"

const text = (words) => ({ content: [{ type: "text", text: words }] })
const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
const image = { type: "image", data: png, mimeType: "image/png" }

const object = (properties, required = []) => ({ type: "object", properties, required })
const string = { type: "string" }

const titled = (...titles) => titles.map((title, i) => ({ const: `value${i + 1}`, title }))
const options = ["option1", "option2", "option3"]

const defaults = object({
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true }
})

const enums = object({
  untitledSingle: { type: "string", enum: options },
  titledSingle: { type: "string", oneOf: titled("First Option", "Second Option", "Third Option") },
  legacyEnum: {
    type: "string",
    enum: ["opt1", "opt2", "opt3"],
    enumNames: ["Option One", "Option Two", "Option Three"]
  },
  untitledMulti: { type: "array", items: { type: "string", enum: options } },
  titledMulti: { type: "array", items: { anyOf: titled("First Choice", "Second Choice", "Third Choice") } }
})

const elicited = (message, requestedSchema) => ({ method: "elicitation/create", params: { message, requestedSchema } })
const sampled = (words, maxTokens) => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: { type: "text", text: words } }], maxTokens }
})
const roots = { method: "roots/list", params: {} }
const named = elicited("What is your name?", object({ name: string }, ["name"]))

const key = randomBytes(32)

const serverOf = (sdk) => {
  const states = sdk.createRequestStateCodec({ key })
  const server = new sdk.Server({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: {},
      resources: { subscribe: true },
      prompts: {},
      completions: {},
      logging: {}
    },
    requestState: { verify: states.verify }
  })

  /** Asks until all of it is there, and says what there is then. */
  const asking = (requests, answer) => async ({ mcpReq: { inputResponses = {} } }) =>
    Object.keys(requests).every((name) => inputResponses[name] !== undefined && isWell(name, inputResponses[name]))
      ? text(answer(inputResponses))
      : sdk.inputRequired({ inputRequests: requests })
  const isWell = (name, response) =>
    typeof response === "object" && response !== null &&
    (name !== "user_name" || typeof response.content?.name === "string")

  /** The same, with a state that only this server can have made. */
  const keeping = (requests, answer) => async ({ mcpReq: { inputResponses = {}, requestState } }) =>
    requestState() !== undefined && Object.keys(requests).every((name) => inputResponses[name] !== undefined)
      ? text(answer)
      : sdk.inputRequired({ inputRequests: requests, requestState: await states.mint({ round: 1 }) })

  const confirm = { confirm: elicited("Please confirm", object({ ok: { type: "boolean" } }, ["ok"])) }
  const form = (message, schema) => async ({ mcpReq }) => {
    const { action, content } = await mcpReq.elicitInput({ message, requestedSchema: schema })
    return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)
  }

  const tools = {
    test_simple_text: () => text("This is a simple text response for testing."),
    test_image_content: () => ({ content: [image] }),
    test_audio_content: () => ({ content: [{ type: "audio", data: wav, mimeType: "audio/wav" }] }),
    test_embedded_resource: () => ({
      content: [{
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content."
        }
      }]
    }),
    test_multiple_content_types: () => ({
      content: [{ type: "text", text: "Multiple content types test:" }, image, {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 })
        }
      }]
    }),
    test_tool_with_logging: async ({ mcpReq }) => {
      await mcpReq.log("info", "Tool execution started")
      await sleep(50)
      await mcpReq.log("info", "Tool processing data")
      await sleep(50)
      await mcpReq.log("info", "Tool execution completed")
      return text("Done.")
    },
    test_error_handling: () => ({
      ...text("This tool intentionally returns an error for testing"),
      isError: true
    }),
    test_tool_with_progress: async ({ mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } })
        }
        await sleep(50)
      }
      return text("Done.")
    },
    test_sampling: async ({ mcpReq }, { prompt }) => {
      const { content } = await mcpReq.requestSampling(sampled(prompt, 100).params)
      return text(`LLM response: ${content.text}`)
    },
    test_elicitation: async ({ mcpReq }, { message }) => {
      const schema = object({
        username: { type: "string", description: "User's response" },
        email: { type: "string", description: "User's email address" }
      }, ["username", "email"])
      const { action, content } = await mcpReq.elicitInput({ message, requestedSchema: schema })
      return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`)
    },
    test_elicitation_sep1034_defaults: form("Please confirm the defaults", defaults),
    test_elicitation_sep1330_enums: form("Please choose", enums),
    test_input_required_result_elicitation: asking(
      { user_name: named },
      ({ user_name }) => `Hello, ${user_name.content.name}!`
    ),
    test_input_required_result_sampling: asking(
      { capital_question: sampled("What is the capital of France?", 100) },
      ({ capital_question }) => capital_question.content?.text ?? JSON.stringify(capital_question)
    ),
    test_input_required_result_list_roots: asking(
      { client_roots: roots },
      ({ client_roots }) => JSON.stringify(client_roots.roots)
    ),
    test_input_required_result_request_state: keeping(confirm, "state-ok"),
    test_input_required_result_tampered_state: keeping(confirm, "state-ok"),
    test_input_required_result_multiple_inputs: keeping(
      { user_name: named, greeting: sampled("Generate a greeting", 50), client_roots: roots },
      "All of it is there."
    ),
    test_input_required_result_multi_round: async ({ mcpReq: { inputResponses = {}, requestState } }) => {
      const round = requestState()?.round ?? 0
      if (round === 2 && inputResponses.step2 !== undefined) return text("Both steps are done.")
      if (round === 1 && inputResponses.step1 !== undefined) {
        const step2 = elicited("Step 2: What is your favorite color?", object({ color: string }, ["color"]))
        return sdk.inputRequired({ inputRequests: { step2 }, requestState: await states.mint({ round: 2 }) })
      }
      const step1 = elicited("Step 1: What is your name?", object({ name: string }, ["name"]))
      return sdk.inputRequired({ inputRequests: { step1 }, requestState: await states.mint({ round: 1 }) })
    },
    test_input_required_result_capabilities: async ({ mcpReq: { envelope, inputResponses } }) => {
      if (inputResponses !== undefined) return text("Done.")
      const can = envelope?.[sdk.CLIENT_CAPABILITIES_META_KEY] ?? {}
      const requests = {
        ...(can.elicitation !== undefined && { user_name: named }),
        ...(can.sampling !== undefined && { greeting: sampled("Generate a greeting", 50) }),
        ...(can.roots !== undefined && { client_roots: roots })
      }
      return Object.keys(requests).length === 0
        ? text("Nothing can be asked.")
        : sdk.inputRequired({ inputRequests: requests })
    },
    test_missing_capability: async ({ mcpReq: { inputResponses } }) =>
      inputResponses === undefined
        ? sdk.inputRequired({ inputRequests: { greeting: sampled("Generate a greeting", 50) } })
        : text("Done."),
    test_streaming_elicitation: async (context) => {
      await context.mcpReq.log("info", "A word on the way")
      return asking({ user_name: named }, ({ user_name }) => `Hello, ${user_name.content.name}!`)(context)
    },
    test_logging_tool: async ({ mcpReq }) => {
      await mcpReq.log("info", "A word on the way")
      return text("Done.")
    }
  }
  const inputs = {
    test_sampling: object({ prompt: string }, ["prompt"]),
    test_elicitation: object({ message: string }, ["message"])
  }

  server.setRequestHandler("tools/list", () => ({
    tools: Object.keys(tools).map((name) => ({
      name,
      description: `For the suite: ${name}`,
      inputSchema: inputs[name] ?? object({})
    }))
  }))
  server.setRequestHandler("tools/call", ({ params }, context) => {
    const tool = tools[params.name]
    if (tool === undefined) throw new sdk.ProtocolError(-32602, `Unknown tool: ${params.name}`)
    return tool(context, params.arguments ?? {})
  })

  const resources = {
    "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
    "test://static-binary": { mimeType: "image/png", blob: png },
    "test://watched-resource": { mimeType: "text/plain", text: "Watched." }
  }
  server.setRequestHandler("resources/list", () => ({
    resources: Object.entries(resources).map(([uri, { mimeType }]) => ({
      uri,
      name: uri,
      description: "For the suite",
      mimeType
    }))
  }))
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" }]
  }))
  server.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? []
    const found = id === undefined ? resources[uri] : {
      mimeType: "application/json",
      text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    }
    if (found === undefined) throw new sdk.ResourceNotFoundError(uri)
    return { contents: [{ uri, ...found }] }
  })
  server.setRequestHandler("resources/subscribe", () => ({}))
  server.setRequestHandler("resources/unsubscribe", () => ({}))

  const user = (content) => ({ role: "user", content })
  const words = (said) => user({ type: "text", text: said })
  const prompts = {
    test_simple_prompt: { args: [], get: () => ({ messages: [words("This is a simple prompt for testing.")] }) },
    test_prompt_with_arguments: {
      args: ["arg1", "arg2"],
      get: (_, { arg1, arg2 }) => ({ messages: [words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] })
    },
    test_prompt_with_embedded_resource: {
      args: ["resourceUri"],
      get: (_, { resourceUri: uri }) => ({
        messages: [
          user({
            type: "resource",
            resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." }
          }),
          words("Please process the embedded resource above.")
        ]
      })
    },
    test_prompt_with_image: {
      args: [],
      get: () => ({ messages: [user(image), words("Please analyze the image above.")] })
    },
    test_input_required_result_prompt: {
      args: [],
      get: ({ mcpReq: { inputResponses } }) =>
        inputResponses?.user_context === undefined
          ? sdk.inputRequired({
            inputRequests: {
              user_context: elicited("What context should the prompt use?", object({ context: string }, ["context"]))
            }
          })
          : { messages: [words(`In the context: ${inputResponses.user_context.content?.context}`)] }
    }
  }
  server.setRequestHandler("prompts/list", () => ({
    prompts: Object.entries(prompts).map(([name, { args }]) => ({
      name,
      description: "For the suite",
      arguments: args.map((arg) => ({ name: arg, description: arg, required: true }))
    }))
  }))
  server.setRequestHandler("prompts/get", ({ params }, context) => {
    const prompt = prompts[params.name]
    if (prompt === undefined) throw new sdk.ProtocolError(-32602, `Unknown prompt: ${params.name}`)
    return prompt.get(context, params.arguments ?? {})
  })
  server.setRequestHandler("completion/complete", () => ({ completion: { values: [], total: 0, hasMore: false } }))
  return server
}

main(process.argv.slice(2), {
  channels: [Channel.make({
    name: "conformance",
    title: "Conformance",
    mount: "/conformance",
    api,
    handlers: (mounted, options) => layer(mounted, Effect.succeed(serverOf), options),
    respond,
    errors,
    options: []
  })]
})
