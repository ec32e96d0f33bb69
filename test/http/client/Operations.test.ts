/** The client's table of operations is the API's, and its answers and requests are JSON as they are. */
import * as HttpApi from "@effect/platform/HttpApi"
import { assert, describe, it } from "@effect/vitest"
import { Api } from "../../../src/http/Api.ts"
import { apiOf, operations } from "../../../src/http/client/Operations.ts"
import * as Requests from "../../../src/http/client/Requests.ts"

const defined: Record<string, Record<string, string>> = {}
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    const operations = defined[group.identifier] ??= {}
    operations[endpoint.name] = `${endpoint.method} ${endpoint.path}`
  }
})

const calling = (answer: Response) => {
  const asked: Array<{ readonly url: string; readonly method: unknown; readonly body: unknown }> = []
  const requests = Requests.make({
    url: "http://server/base/",
    fetch: async (url, { body, method } = {}) => {
      asked.push({ url: String(url), method, body })
      return answer
    }
  })
  return { api: apiOf(requests), asked }
}

describe("The operations of the client", () => {
  it("are those of the API, with its methods and paths", () => {
    assert.deepStrictEqual(operations, defined)
  })

  it("put parts of the path, the query and the body where they belong", async () => {
    const { api, asked } = calling(Response.json({ run_id: "r" }))
    const answer = await api.runs.get({ path: { run_id: "a/b ?" } })
    assert.propertyVal(answer, "run_id", "r")
    assert.deepStrictEqual(asked, [{ url: "http://server/base/runs/a%2Fb%20%3F", method: "GET", body: undefined }])
  })

  it("answer nothing for an answer without a body, and bytes for bytes", async () => {
    const nothing = calling(new Response(null, { status: 204 }))
    assert.isUndefined(await nothing.api.agents.remove({ path: { agent_id: "a" } }))
    const bytes = calling(new Response(Uint8Array.of(1, 2), { headers: { "content-type": "image/png" } }))
    assert.deepStrictEqual(await bytes.api.files.get({ path: { session_id: "s", hash: "h" } }), Uint8Array.of(1, 2))
  })
})
