/**
 * A provider of one's own: an oracle somewhere on the web. It is asked with
 * `POST <base_url>/answers` and answers with plain text, as it thinks of it.
 */
import { Effect, Schema } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import { failureOf } from "../../src/layers/Models/aisdk/Failure.ts"
import * as Fields from "../../src/layers/Models/families/Fields.ts"
import * as Provider from "../../src/layers/Models/Provider.ts"
import { type EmitPart, ModelFailed } from "../../src/services/Models.ts"

/** What a user gives to make a credential. `key` is secret: it is sealed, and no answer shows it. */
const Credential = Schema.Struct({
  base_url: Fields.address("Address", "https://oracle.example.com"),
  api_key: Fields.key()
})

/** What a session may choose. */
const Parameters = Schema.Struct(Fields.effort("brief", "cryptic"))

interface Asking {
  readonly credential: typeof Credential.Type
  /** The one to use: it keeps tenants out of the network that the server runs in. */
  readonly fetch: typeof globalThis.fetch
}

/** A sentence of our own: what a provider says may hold anything, the key too. */
const failed = (type: ModelFailed["type"], message: string, retryable = false) =>
  new ModelFailed({ type, message, retryable })

const refused = (status: number) =>
  status === 401
    ? failed("authentication", "The oracle does not know this key (401).")
    : failed("upstream", `The oracle failed (${status}).`, status >= 500)

const ask = async ({ credential, fetch }: Asking, path: string, init: RequestInit) => {
  const headers = { authorization: `Bearer ${credential.api_key}`, "content-type": "application/json" }
  const response = await fetch(`${credential.base_url}${path}`, { ...init, headers })
  if (response.ok) return response
  await response.body?.cancel()
  throw refused(response.status)
}

/** Runs `talk`, which stops when it is told to. What it throws becomes a `ModelFailed`, a refused connection for example. */
const talking = <A>(talk: (signal: AbortSignal) => Promise<A>) =>
  Effect.clockWith((clock) =>
    Effect.tryPromise({ try: talk, catch: (error) => failureOf(error, false, clock.unsafeCurrentTimeMillis()) })
  )

/** Hands over the answer piece by piece. A promise from `emit` asks to wait. */
const pass = async (response: Response, emit: EmitPart) => {
  const decoder = new TextDecoder()
  let words = 0
  for await (const chunk of response.body ?? []) {
    const delta = decoder.decode(chunk, { stream: true })
    words += delta.split(/\s+/).filter((word) => word !== "").length
    await emit({ type: "text", block: "answer", delta })
  }
  // It comes last, once: without it the answer counts as cut off.
  await emit({ type: "finish", reason: "stop", usage: { input_tokens: 0, output_tokens: words } })
}

export const provider: Provider.Provider = Provider.make({
  type: "oracle_credential",
  title: "Oracle",
  fields: Credential,
  parameters: Parameters,
  cards: [],
  accepts: (model) => model === "pythia" || model === "sibyl",
  stream: ({ credential, fetch, messages, model, parameters, system }, emit) =>
    talking(async (signal) => {
      const question = messages.map(({ content, role }) => `${role}: ${textOf(content)}`).join("\n")
      const body = JSON.stringify({ model, system, question, style: parameters.reasoning_effort ?? "brief" })
      await pass(await ask({ credential, fetch }, "/answers", { method: "POST", body, signal }), emit)
    }),
  check: ({ credential, fetch }) =>
    talking(async (signal) => {
      const { models } = Schema.decodeUnknownSync(Names)(
        await (await ask({ credential, fetch }, "/models", { signal })).json()
      )
      return { models }
    })
})

const Names = Schema.Struct({ models: Schema.Array(Schema.String) })
