/** Requests that are as large as they may be do not hold up anybody else while they are made. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { JsonObject } from "../../src/domain/Json.ts"
import type { Message } from "../../src/domain/Message.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { type ModelCall, Models } from "../../src/services/Models.ts"
import { Outbound } from "../../src/services/Outbound.ts"
import { Storage } from "../../src/services/Storage.ts"
import { credentialOf, freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { longestStretch } from "../support/Stretch.ts"
import { call, file, reply, result, text, user } from "../support/wires/Messages.ts"

/** Milliseconds that others may wait: more than twice of what the packages take to write the largest body. */
const longest = 250

/** Turns that others have at least: a request that is made in one go leaves them three. */
const fewTurns = 5

const calls = (): ReadonlyArray<Message> => {
  const input = JSON.stringify({ text: "x".repeat(2_800) })
  return [
    user(text("go")),
    ...Array.from(
      { length: 40 },
      (_, i) =>
        reply(
          ...Array.from({ length: 100 }, (_, n) => call(`c_${i}_${n}`, "look", input)),
          ...Array.from({ length: 100 }, (_, n) => result(`c_${i}_${n}`, "look", "seen")),
          text("Done.")
        )
    ),
    user(text("on"))
  ]
}

/** Each definition names the next one twice. */
const multiplying = (): JsonObject => ({
  type: "object",
  properties: { a: { $ref: "#/$defs/d0" } },
  $defs: Object.fromEntries(Array.from({ length: 12 }, (_, n) => [
    `d${n}`,
    n === 11
      ? { type: "string" }
      : { type: "object", properties: { a: { $ref: `#/$defs/d${n + 1}` }, b: { $ref: `#/$defs/d${n + 1}` } } }
  ]))
})

const chat = { choices: [{ index: 0, delta: { content: "x" }, finish_reason: "stop" }] }
const gemini = { candidates: [{ content: { parts: [{ text: "x" }] }, finishReason: "STOP" }] }

/** Providers that answer at once, and do not read what they are asked: that would take a turn too. */
const answering = Layer.succeed(
  Outbound,
  Outbound.of({
    fetch: (address) =>
      Promise.resolve(
        new Response(`data: ${JSON.stringify(String(address).includes("gemini") ? gemini : chat)}\n\n`, {
          headers: { "content-type": "text/event-stream" }
        })
      ),
    forbids: () => false
  })
)

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32))] }))

const models = Layer.provideMerge(ModelsRouter.layerDefault, Layer.mergeAll(Host.memory, vault, answering))

layer(models, { excludeTestServices: true })("A request", (it) => {
  const promise = (
    what: string,
    type: "openai_compatible_credential" | "gemini_credential",
    model: string,
    given: () => Partial<Pick<ModelCall, "messages" | "tools">>
  ) =>
    it.scoped(`${what} lets others have their turn`, () =>
      Effect.gen(function*() {
        const { credentials } = yield* Storage
        const { stream } = yield* Models
        const owner = freshOwner()
        const settings = { base_url: `https://${type}.example/v1`, api_key: "key" }
        const { id } = yield* credentials.insert(credentialOf(owner, { type, settings }))
        const config = { type, credential_id: id, model, parameters: {} }
        const ask = (more: Partial<ModelCall>) =>
          stream(
            { owner, config, fallbacks: [], system: "", messages: [user(text("go"))], tools: [], ...more },
            () => undefined
          )
        // The package is loaded once.
        yield* ask({})
        const { longest: stretch, turns } = yield* longestStretch(ask(given()))
        assert.isAbove(turns, fewTurns)
        assert.isBelow(stretch, patience(longest))
      }), patience(60_000))

  promise("with 4,000 tool calls", "openai_compatible_credential", "fake", () => ({ messages: calls() }))
  promise("with a file of 16 MB", "openai_compatible_credential", "fake", () => ({
    messages: [user(text("look"), file("image/png", "A".repeat(16 * 1024 * 1024)))]
  }))
  promise("with 64 tools whose references multiply", "gemini_credential", "gemini-2.5-flash", () => ({
    tools: Array.from({ length: 64 }, (_, n) => ({ name: `t${n}`, description: "Does.", parameters: multiplying() }))
  }))
})
