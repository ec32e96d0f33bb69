import { OpenApi } from "@effect/platform"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { Api } from "../../src/http/Api.ts"
import { endpoints } from "../support/endpoints.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** Written anew with `STOA_GOLDEN=write`. */
const golden = resolve(import.meta.dirname, "../support/golden/openapi.json")

const document = `${JSON.stringify(OpenApi.fromApi(Api), null, 1)}\n`

interface Described {
  readonly content?: Readonly<
    Record<string, { readonly schema: object; readonly itemSchema?: object; readonly "x-item-schema"?: object }>
  >
}

interface Operation {
  readonly operationId: string
  readonly description?: string
  readonly responses: Readonly<Record<string, Described>>
}

const spec = JSON.parse(document) as {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

const operations = Object.values(spec.paths).flatMap((path) => Object.values(path))

describe("The OpenAPI document", () => {
  it("is the one that was agreed on", () => {
    if (process.env["STOA_GOLDEN"] === "write") writeFileSync(golden, document)
    assert.strictEqual(
      document,
      readFileSync(golden, "utf8"),
      "The API has changed. If that is meant: STOA_GOLDEN=write npx vitest run test/http/OpenApi.test.ts"
    )
  })

  it("describes every endpoint", () => {
    assert.strictEqual(spec.openapi, "3.1.0")
    assert.sameMembers(operations.map(({ operationId }) => operationId), endpoints.map(({ name }) => name))
  })

  it("refers to nothing that is not there", () => {
    const references = [...document.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!)
    assert.isNotEmpty(references)
    for (const name of references) assert.property(spec.components.schemas, name)
  })

  it("describes every failure as a problem document, and none as the framework's", () => {
    assert.notInclude(document, "HttpApiDecodeError")
    for (const { operationId, responses } of operations) {
      assert.containsAllKeys(responses, ["400", "405", "413", "415", "422", "429", "500", "503"], operationId)
      for (const [status, { content }] of Object.entries(responses)) {
        const isHealth = operationId.startsWith("health.") && status === "503"
        if (Number(status) < 400 || isHealth) continue
        assert.deepStrictEqual(Object.keys(content ?? {}), ["application/problem+json"], `${operationId} ${status}`)
      }
    }
  })

  it("says what the frames of a stream hold", () => {
    const streams = operations.filter(({ responses }) => responses["200"]?.content?.["text/event-stream"] !== undefined)
    assert.sameMembers(streams.map(({ operationId }) => operationId), ["chat.send", "sessions.stream"])
    for (const { responses } of streams) {
      assert.deepInclude(responses["200"]!.content!["text/event-stream"]!, {
        itemSchema: { $ref: "#/components/schemas/AgentEvent" },
        "x-item-schema": { $ref: "#/components/schemas/AgentEvent" }
      })
    }
    assert.containsAllKeys(spec.components.schemas, ["AgentEvent", "Message", "REPLY_END"])
  })
})

layer(TestHost.layer(), { excludeTestServices: true })("The documents", (it) => {
  it.effect("are served to anybody, and need no network to be shown", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const served = yield* call("GET", "/openapi.json")
      assert.deepStrictEqual(served.json, spec)
      for (const path of ["/docs", "/docs/", "/docs/swagger"]) {
        const { headers, status, text } = yield* call("GET", path)
        assert.strictEqual(status, 200)
        assert.include(headers["content-type"], "text/html")
        assert.include(text, "Stoa")
        assert.notMatch(text, /<(script|link)[^>]+(src|href)="https?:/)
      }
    }))
})
