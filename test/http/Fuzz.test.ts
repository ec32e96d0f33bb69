/** Whatever comes, the answer is one that the OpenAPI document declares, and none is our fault. Generated from the API. */
import { OpenApi } from "@effect/platform"
import { assert, layer } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { Api } from "../../src/http/Api.ts"
import { type Endpoint, endpoints, fill } from "../support/endpoints.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

const numRuns = Number(process.env["STOA_FUZZ_RUNS"] ?? 40)

const spec = OpenApi.fromApi(Api)

const declared = ({ method, path }: Endpoint) => {
  const operation = spec.paths[path.replace(/:(\w+)/g, "{$1}")]![method.toLowerCase() as "get"]!
  return Object.keys(operation.responses).map(Number)
}

const anything = FastCheck.oneof(
  FastCheck.string({ unit: "binary" }),
  FastCheck.string(),
  FastCheck.constantFrom(
    "",
    "0",
    "-1",
    "1e309",
    "null",
    "..",
    "../keys",
    "%",
    "\0",
    "\ud800",
    "'; --",
    "x".repeat(600)
  ),
  FastCheck.hexaString({ minLength: 32, maxLength: 32 })
)

/** A body with one of its values, however deep, replaced. */
const spoiled = (bodies: FastCheck.Arbitrary<unknown>) =>
  FastCheck.tuple(bodies, FastCheck.jsonValue(), FastCheck.nat(20)).map(([body, value, at]) => {
    let left = at
    return JSON.parse(JSON.stringify(body), (_, old) => left-- === 0 ? value : old)
  })

const requestsFor = ({ bodies, params, query }: Endpoint) =>
  FastCheck.record({
    ids: FastCheck.record(Object.fromEntries(params.map((name) => [name, anything]))),
    query: FastCheck.record(Object.fromEntries(query.map((name) => [name, anything])), { requiredKeys: [] }),
    body: bodies === undefined
      ? FastCheck.constant(undefined)
      : FastCheck.oneof(bodies, spoiled(bodies), FastCheck.jsonValue())
  })

const wellFormed = (text: string) => Buffer.from(text, "utf8").toString("utf8")

layer(TestHost.layer(), { excludeTestServices: true })("Fuzzing", (it) => {
  for (const endpoint of endpoints) {
    it.effect(`${endpoint.name} answers everything as declared`, () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const statuses = declared(endpoint)
        for (const { body, ids, query } of FastCheck.sample(requestsFor(endpoint), { numRuns, seed: 2026 })) {
          const path = fill(
            endpoint,
            Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, wellFormed(id)]))
          )
          const search = new URLSearchParams(query as Record<string, string>).toString()
          const answer = yield* call(endpoint.method, `${path}?${search}`, {
            user: "ada",
            ...(body !== undefined && { body })
          })
          // An id of dots is a path of its own to every client.
          if (answer.json?.code === "no_such_path" || answer.json?.code === "method_not_allowed") continue
          assert.include(statuses, answer.status, `${path}?${search} ${JSON.stringify(body)} ${answer.text}`)
          assert.isBelow(answer.status, 500, answer.text)
          if (answer.status < 400) continue
          assert.strictEqual(answer.headers["content-type"], "application/problem+json")
          assert.isNotEmpty(answer.json.detail)
          assert.notProperty(answer.json, "_tag", "a word of our own code")
        }
      }))
  }
})
