import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { CredentialId, UserId } from "../../src/domain/Ids.ts"
import * as ModelsScripted from "../../src/layers/Models/Scripted.ts"
import { type ModelCall, ModelFailed, type ModelPart, Models } from "../../src/services/Models.ts"

const call: ModelCall = {
  owner: "ada" as UserId,
  config: { type: "t", credential_id: "c" as CredentialId, model: "m", parameters: {} },
  system: "",
  messages: [],
  tools: [],
  fallbacks: []
}
const said: ModelPart = { type: "text", block: "1", delta: "hi" }
const failed = new ModelFailed({ type: "upstream", message: "No.", retryable: true })

it.effect("a scripted model plays one entry a call and remembers the calls", () =>
  Effect.gen(function*() {
    const models = yield* Models
    const parts: Array<ModelPart> = []
    const next = models.stream(call, (part) => void parts.push(part))
    yield* next
    assert.deepStrictEqual(parts, [said])
    assert.strictEqual(yield* Effect.flip(next), failed)
    const fiber = yield* Effect.fork(next)
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(fiber)
    assert.deepStrictEqual(parts, [said, said])
    assert.strictEqual((yield* Effect.flip(next)).type, "unknown")
    assert.deepStrictEqual(yield* ModelsScripted.Calls, [call, call, call, call])
  }).pipe(Effect.provide(ModelsScripted.layer([[said], failed, [said, "hang"]]))))
