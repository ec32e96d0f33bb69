/**
 * The model layer under test, from the build. `models.ts provider` is a Chat
 * Completions server that streams deltas, one a turn of the event loop;
 * `models.ts calls <its port>` reads that answer with the provider's package
 * alone, and through `Models` with a stored credential.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { CredentialId, Timestamp, UserId } from "../src/domain/Ids.ts"
import type * as HostModule from "../src/layers/Host.ts"
import type * as RouterModule from "../src/layers/Models/Router.ts"
import type * as GuardedModule from "../src/layers/Outbound/Guarded.ts"
import type * as AesGcmModule from "../src/layers/Vault/AesGcm.ts"
import type * as ModelsModule from "../src/services/Models.ts"
import type * as StorageModule from "../src/services/Storage.ts"
import { deltasPerCall, serving } from "./Probe.ts"

const [role, port = ""] = process.argv.slice(2)

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${
    JSON.stringify({
      id: "chatcmpl-0123456789",
      object: "chat.completion.chunk",
      created: 1_800_000_000,
      model: "bench",
      choices: [{ index: 0, delta, finish_reason }]
    })
  }\n\n`

const answer = (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  const word = chunk({ content: "word " })
  let left = deltasPerCall
  const step = () => {
    if (left-- > 0) {
      response.write(word)
      setImmediate(step)
    } else response.end(`${chunk({}, "stop")}data: [DONE]\n\n`)
  }
  step()
}

const provide = () => {
  const server = createServer((request, response) => {
    request.resume().on("end", () => answer(response))
  })
  server.listen(0, "127.0.0.1", () => {
    serving((server.address() as AddressInfo).port, () => server.close(), {})
  })
}

const built = (file: string) => import(new URL(`../dist/${file}`, import.meta.url).href)

const count = (deltas: number) => {
  if (deltas !== deltasPerCall) throw new Error(`${deltas} of ${deltasPerCall} deltas came`)
}

const call = async () => {
  const Host: typeof HostModule = await built("layers/Host.js")
  const Router: typeof RouterModule = await built("layers/Models/Router.js")
  const Guarded: typeof GuardedModule = await built("layers/Outbound/Guarded.js")
  const AesGcm: typeof AesGcmModule = await built("layers/Vault/AesGcm.js")
  const { Models }: typeof ModelsModule = await built("services/Models.js")
  const { Storage }: typeof StorageModule = await built("services/Storage.js")

  const baseURL = `http://127.0.0.1:${port}/v1`
  const bare = createOpenAICompatible({ name: "bench", baseURL, includeUsage: true }).chatModel("bench")

  const vault = AesGcm.layer({ keys: [Redacted.make(new Uint8Array(32))] })
  const parts = Layer.mergeAll(Host.memory, vault, Guarded.layer({ hosts: [], loopback: true }))
  const runtime = ManagedRuntime.make(Layer.provideMerge(Router.layerDefault, parts))

  const owner = "bench" as UserId
  const credential_id = "bench" as CredentialId
  const at = "2026-01-31T09:30:00.000Z" as Timestamp
  await runtime.runPromise(Effect.flatMap(Storage, ({ credentials }) =>
    credentials.insert({
      id: credential_id,
      user_id: owner,
      created_at: at,
      updated_at: at,
      type: "openai_compatible_credential",
      name: "Bench",
      settings: { base_url: baseURL },
      secrets: [],
      sealed: null
    })))
  const models = await runtime.runPromise(Models)
  const config = { type: "openai_compatible_credential", credential_id, model: "bench", parameters: {} }

  serving(0, () => void runtime.dispose(), {
    bare: async () => {
      const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "hello" }] }]
      const { stream } = await bare.doStream({ prompt })
      let deltas = 0
      for await (const part of stream) if (part.type === "text-delta") deltas++
      count(deltas)
    },
    models: async () => {
      let deltas = 0
      const asked = { owner, config, fallbacks: [], system: "", messages: [], tools: [] }
      await runtime.runPromise(models.stream(asked, (part) => {
        if (part.type === "text") deltas++
        return undefined
      }))
      count(deltas)
    }
  })
}

if (role === "provider") provide()
else await call()
