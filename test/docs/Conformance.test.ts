/** The table of what is served of the Agent Service says what the OpenAPI document says. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"

const root = resolve(import.meta.dirname, "../..")

interface Script {
  readonly conformance: (endpoints?: unknown, document?: unknown) => string
}

const script = import(pathToFileURL(resolve(root, "scripts/conformance.mjs")).href) as Promise<Script>

const read = (path: string) => readFileSync(resolve(root, path), "utf8")

describe("The table of conformance", () => {
  it("is what the list and the OpenAPI document make: npm run docs:conformance writes it", async () => {
    assert.strictEqual(read("docs/conformance.md"), (await script).conformance())
  })

  it("has the 29 endpoints of 2.0.0 and the 83 of the newest version, each once", () => {
    const [, old, newest] = read("docs/conformance.md").split(/^## .*$/m)
    for (const [text, count] of [[old!, 29], [newest!, 83]] as const) {
      const endpoints = Array.from(text.matchAll(/^\| `([^`]+)`/gm), ([, endpoint]) => endpoint)
      assert.strictEqual(new Set(endpoints).size, count)
      assert.strictEqual(endpoints.length, count)
    }
  })

  it("says of an endpoint that it comes later until it is there, and does not let the list say otherwise", async () => {
    const { conformance } = await script
    const document = { paths: { "/agent": { get: {} }, "/agent/{agent_id}": { delete: {} } } }
    const text = conformance({ "2.0.0": ["GET /agent/", { "DELETE /agent/{id}": "Sooner." }, "GET /hub"] }, document)
    assert.include(text, "| `GET /agent/` | served |")
    assert.include(text, "| `DELETE /agent/{id}` | served differently: Sooner. |")
    assert.include(text, "| `GET /hub` | comes later |")
    assert.throws(() => conformance({ "2.0.0": [{ "GET /hub": "As ours." }] }, document), /GET \/hub is not served/)
  })
})
