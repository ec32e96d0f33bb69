/** For the tests of programs that use Stoa: a host in memory, whose model plays a script and remembers what it was asked. */
import { Effect, Schema } from "effect"
import type { Message } from "../domain/Message.ts"
import type { Client } from "../http/client/Client.ts"
import * as Provider from "../layers/Models/Provider.ts"
import { ModelFailed, type ModelPart } from "../services/Models.ts"
import type { Extensions } from "./Extensions.ts"
import * as Host from "./Host.ts"

/** A tool that the model asks for; `input` is sent as JSON. */
export interface Call {
  readonly call: string
  readonly input?: unknown
}

/** What the model was asked. */
export interface Asked {
  readonly model: string
  readonly system: string
  readonly messages: ReadonlyArray<Message>
  /** Names of the tools that it could have called. */
  readonly tools: ReadonlyArray<string>
}

type Said = string | Call | ReadonlyArray<string | Call>

/** The answer to one call of the model: what it says and asks for, an error, or what a function makes of the question. */
export type Answer = Said | Error | ((asked: Asked) => Said | Error)

const type = "scripted_credential"
const model = "scripted"

const partsOf = (said: Said, answer: number): ReadonlyArray<ModelPart> => {
  const all = typeof said === "string" || "call" in said ? [said] : said
  const parts = all.flatMap((piece, i): ReadonlyArray<ModelPart> => {
    if (typeof piece === "string") return [{ type: "text", block: `text-${i}`, delta: piece }]
    const id = `call-${answer}-${i}`
    return [
      { type: "tool_call_start", id, name: piece.call },
      { type: "tool_call_delta", id, delta: JSON.stringify(piece.input ?? {}) },
      { type: "tool_call_end", id }
    ]
  })
  const reason = all.some((piece) => typeof piece !== "string") ? "tool_calls" as const : "stop" as const
  return [...parts, { type: "finish", reason, usage: { input_tokens: 1, output_tokens: 1 } }]
}

/** @public A provider for `extensions.providers`, whose calls take one answer after the other; `asked` is what they were, oldest first. */
export const scripted = (script: ReadonlyArray<Answer>) => {
  const asked: Array<Asked> = []
  const provider = Provider.make({
    type,
    title: "Scripted",
    fields: Schema.Struct({}),
    parameters: Schema.Struct({}),
    cards: [],
    accepts: (name) => name === model,
    check: () => Effect.succeed({ models: [model] }),
    stream: Effect.fnUntraced(function*({ messages, model, system, tools }, emit) {
      const question: Asked = { model, system, messages, tools: tools.map(({ name }) => name) }
      const number = asked.push(question)
      const entry = script[number - 1]
      const answer = typeof entry === "function" ? entry(question) : entry
      if (answer === undefined || answer instanceof Error) {
        const message = answer?.message ?? "The script has no answer to this call."
        return yield* new ModelFailed({ type: "unknown", message, retryable: false })
      }
      for (const part of partsOf(answer, number)) {
        const behind = emit(part)
        if (behind !== undefined) yield* Effect.promise(() => behind)
      }
    })
  })
  return { provider, asked: asked as ReadonlyArray<Asked> }
}

export interface TestHostOptions extends Host.HostSettings {
  /** Answers of the model, one for each call. */
  readonly script: ReadonlyArray<Answer>
  /** Whom the client acts for; `tester` without it. */
  readonly user?: string
}

/** A host that keeps nothing, a client of it, and an agent whose model plays the script. */
export const make = async ({ script, user = "tester", ...settings }: TestHostOptions, extensions: Extensions = {}) => {
  const { asked, provider } = scripted(script)
  const host = await Host.make({ log_level: "none", drain_seconds: 0, ...settings, storage: "memory" }, {
    ...extensions,
    providers: [...extensions.providers ?? [], provider]
  })
  const client: Client = host.as(user)
  const { credential_id } = await client.credentials.create({ type })
  const chat_model_config = { type, credential_id, model, parameters: {} }
  const { agent_id } = await client.agents.create({ name: "Tested", chat_model_config })
  return { host, client, agent_id, asked, close: host.close }
}
