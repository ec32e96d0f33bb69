/** Hubs over HTTP: looking for skills and MCP servers, and installing them into the library. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import { resolve } from "node:path"
import { encoded } from "../../src/http/middleware/CardIds.ts"
import * as Stoa from "../../src/layers/Host.ts"
import * as TestHost from "../support/TestHost.ts"
import { skillZip } from "../support/zips.ts"

const { TestHost: Door } = TestHost

/** A hub at an address. */
const served = createServer((request, response) => {
  if (request.url === "/hub.json") {
    response.end(JSON.stringify({
      hub_id: "far",
      skills: [
        { id: "forms", name: "forms", markdown: "# Forms", source: "files/forms.zip" },
        { id: "lost", name: "lost", source: "files/lost.zip" }
      ]
    }))
  } else if (request.url === "/files/forms.zip") response.end(skillZip("forms"))
  else {
    response.statusCode = 404
    response.end()
  }
})

const address = await new Promise<string>((done) => {
  served.listen(0, "127.0.0.1", () => {
    served.unref()
    const at = served.address()
    done(`http://127.0.0.1:${typeof at === "object" ? at?.port : 0}/hub.json`)
  })
})

const hubs = [resolve(import.meta.dirname, "../support/hub"), address, "/nowhere/at/all"]

const user = "hub-user"

layer(TestHost.layer({ host: Layer.fresh(Stoa.over(Stoa.memory, { hubs })) }), { excludeTestServices: true })(
  "Hubs over HTTP",
  (it) => {
    it.effect("are listed to anybody, without those that cannot be read, and searched page by page", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        for (const kind of ["skill", "mcp"]) {
          assert.deepStrictEqual((yield* call("GET", `/hub/${kind}`)).json, [
            { hub_id: "house", display_name: "The house", description: "What the house offers.", icon_url: null },
            { hub_id: "far", display_name: "far", description: "", icon_url: null }
          ])
        }
        const get = (path: string) => call("GET", path, { user })
        assert.strictEqual((yield* call("GET", "/hub/mcp/house/cards")).status, 401)
        const first = (yield* get("/hub/mcp/house/cards?limit=2")).json
        assert.deepStrictEqual([first.cards.length, first.next_cursor], [2, "2"])
        const rest = (yield* get(`/hub/mcp/house/cards?limit=2&cursor=${first.next_cursor}`)).json
        assert.deepStrictEqual([rest.cards.map(({ id }: { id: string }) => id), rest.next_cursor], [["program"], null])
        assert.deepStrictEqual(
          (yield* get("/hub/skill/house/cards?q=OFFICE%20style")).json.cards.map(({ id }: { id: string }) => id),
          ["office/letters"]
        )
        assert.deepStrictEqual((yield* get("/hub/skill/house/cards?q=nothing")).json, { cards: [], next_cursor: null })
        assert.strictEqual((yield* get("/hub/skill/house/cards?cursor=x")).status, 400)
        assert.deepStrictEqual(first.cards[0], {
          hub_id: "house",
          id: "notes",
          name: "notes",
          display_name: "notes",
          description: "Keeps notes.",
          tags: [],
          version: null,
          updated_at: null,
          author: null,
          icon_url: null,
          url: null,
          installs: null,
          downloads: null,
          readme: "",
          is_stateful: false,
          auth: "inputs",
          inputs_schema: {
            type: "object",
            properties: { api_key: { type: "string", format: "password" } },
            required: ["api_key"]
          },
          config_template: {
            type: "http_mcp",
            url: "https://notes.example.com/mcp",
            headers: { Authorization: "Bearer ${api_key}" }
          }
        })
      }))

    it.effect("give skills to the library, also those whose ids have slashes, under a name that is free", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const cards = "/hub/skill/house/cards"
        for (const id of ["office/letters", "office%2Fletters"]) {
          const { json } = yield* call("GET", `${cards}/${id}`, { user })
          assert.deepInclude(json, { id: "office/letters", name: "letters", version: "1.2" })
          assert.include(json.markdown, "Begin with a greeting.")
        }
        const installed = yield* call("POST", `${cards}/office/letters/install`, { user })
        assert.strictEqual(installed.status, 201, installed.text)
        assert.deepInclude(installed.json, {
          name: "letters",
          hub_id: "house",
          card_id: "office/letters",
          author: "Ada"
        })
        const named = yield* call("POST", `${cards}/office%2Fletters/install?name=post`, { user })
        assert.deepStrictEqual([named.status, named.json.name], [201, "post"])
        const far = yield* call("POST", "/hub/skill/far/cards/forms/install?name=letters", { user })
        assert.deepStrictEqual([far.status, far.json.code], [409, "skill_exists"])
        assert.strictEqual((yield* call("POST", "/hub/skill/far/cards/forms/install", { user })).status, 201)
        assert.strictEqual((yield* call("GET", "/skill", { user })).json.length, 3)
        for (
          const [path, status] of [
            ["house/cards/outside", 502],
            ["house/cards/nothing", 404],
            ["house/cards/office", 404],
            ["far/cards/lost", 502],
            // One hub cannot be read, and this may be it.
            ["nothing/cards/x", 502]
          ] as const
        ) {
          const refused = yield* call("POST", `/hub/skill/${path}/install`, { user })
          assert.deepStrictEqual([refused.status, typeof refused.json.detail], [status, "string"], path)
          assert.notInclude(refused.text, "ENOENT")
        }
      }))

    it.effect("give MCP servers to the library, with values that are kept in secret, and programs to admins alone", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const install = (card: string, body: object) =>
          call("POST", `/hub/mcp/house/cards/${card}/install`, { user, body })
        const missing = yield* install("notes", {})
        assert.deepStrictEqual([missing.status, missing.json.errors[0].path], [422, "values.api_key"])
        const body = { name: "mine", values: { api_key: "sk-very-secret" } }
        const installed = yield* install("notes", body)
        assert.strictEqual(installed.status, 201, installed.text)
        assert.deepInclude(installed.json, { name: "mine", hub_id: "house", card_id: "notes", is_stateful: false })
        assert.deepStrictEqual(installed.json.mcp_config.headers, { Authorization: "********" })
        assert.deepStrictEqual([(yield* install("notes", body)).status], [409])
        const bad = yield* install("notes", { values: { api_key: "sk-very\nsecret" } })
        assert.strictEqual(bad.status, 422)
        assert.notInclude(bad.text, "sk-very")
        assert.strictEqual((yield* install("program", { values: { file: "x" } })).status, 403)
        assert.strictEqual((yield* call("GET", "/mcp", { user })).json.length, 1)
      }))
  }
)

describe("The path of a card", () => {
  it("is one part for the router, whatever slashes its id has", () => {
    for (
      const [from, to] of [
        ["/hub/skill/h/cards/a/b", "/hub/skill/h/cards/a%2Fb"],
        ["/hub/skill/h/cards/a/b/install?name=x/y", "/hub/skill/h/cards/a%2Fb/install?name=x/y"],
        ["/hub/mcp/h/cards/a/b/c/install/", "/hub/mcp/h/cards/a%2Fb%2Fc/install/"],
        ["/hub/mcp/h/cards/a", "/hub/mcp/h/cards/a"],
        ["/hub/mcp/h/cards?limit=1", "/hub/mcp/h/cards?limit=1"],
        ["/hub/mcp", "/hub/mcp"],
        ["/agent/a/b", "/agent/a/b"]
      ] as const
    ) assert.strictEqual(encoded(from), to)
  })
})
