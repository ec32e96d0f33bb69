/** Hubs whose tenants, and whose paths, are not what one would like. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import { resolve } from "node:path"
import * as Stoa from "../../src/layers/Host.ts"
import * as TestHost from "../support/TestHost.ts"
import { skillZip } from "../support/zips.ts"

const { TestHost: Door } = TestHost

let open = 0
let mostOpen = 0

/** A hub that takes a moment to give an archive, and counts who waits for one. */
const served = createServer((request, response) => {
  if (request.url === "/below/hub.json") {
    const skills = [
      { id: "forms", name: "forms", source: "forms.zip" },
      { id: "above", name: "above", source: "%2e%2e/forms.zip" }
    ]
    response.end(JSON.stringify({ hub_id: "far", skills }))
  } else {
    mostOpen = Math.max(mostOpen, ++open)
    setTimeout(() => {
      open--
      response.end(skillZip("forms"))
    }, 50)
  }
})

const address = await new Promise<string>((done) => {
  served.listen(0, "127.0.0.1", () => {
    served.unref()
    const at = served.address()
    done(`http://127.0.0.1:${typeof at === "object" ? at?.port : 0}/below/hub.json`)
  })
})

const hubs = [resolve(import.meta.dirname, "../support/hub"), address]

const user = "hub-user"

layer(TestHost.layer({ host: Layer.fresh(Stoa.over(Stoa.memory, { hubs })) }), { excludeTestServices: true })(
  "Hubs on a bad day",
  (it) => {
    it.effect("hold the bounds of a body, and know their methods, where the id of a card has slashes", () =>
      Effect.gen(function*() {
        const { call, raw } = yield* Door
        const headers = { "content-type": "application/json" }
        for (const card of ["notes", "office/notes", "office%2Fnotes"]) {
          const path = `/hub/mcp/house/cards/${card}/install`
          const forbidden = yield* call("POST", path, { user, headers, text: "{\"__proto__\": 1}" })
          assert.deepStrictEqual([forbidden.status, forbidden.json.code], [422, "forbidden_key"], card)
          const deep = yield* call("POST", path, { user, headers, text: `${"[".repeat(100)}${"]".repeat(100)}` })
          assert.deepStrictEqual([deep.status, deep.json.code], [422, "too_deep"], card)
          // Without a length the bytes have to be counted as they come.
          const large = yield* raw(
            `POST ${path} HTTP/1.1\r\nhost: localhost\r\nx-user-id: ${user}\r\nconnection: close\r\n`
              + "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            `200000\r\n${" ".repeat(0x200000)}\r\n0\r\n\r\n`
          )
          assert.strictEqual(large.status, 413, card)
          const unknown = yield* call("POST", path, { user, body: { values: {}, odd: 1 } })
          assert.include(unknown.headers["stoa-warnings"], "odd", card)
          const other = yield* call("DELETE", `/hub/mcp/house/cards/${card}`, { user })
          assert.deepStrictEqual([other.status, other.headers["allow"]], [405, "GET, HEAD"], card)
        }
      }))

    it.effect("are asked for one archive of a tenant at a time, and by no more than can wait", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const install = (user: string, name: string) =>
          call("POST", `/hub/skill/far/cards/forms/install?name=${name}`, { user })
        yield* call("GET", "/hub/skill")
        const answers = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, i) => `one-${i}`),
          (name) => install(user, name),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(mostOpen, 1)
        const refused = answers.filter(({ status }) => status === 429)
        // Some may be over before the last one is asked for.
        assert.isTrue(refused.length >= 1 && refused.length <= 3)
        assert.strictEqual(refused[0]!.json.code, "too_many_installs")
        assert.isTrue(answers.every(({ status }) => status === 201 || status === 429))
        const others = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => `hub-user-${i}`),
          (user) => install(user, "mine"),
          { concurrency: "unbounded" }
        )
        assert.isTrue(others.every(({ status }) => status === 201))
        assert.isAtMost(mostOpen, 4)
      }))

    it.effect("give nothing from above their list, however its dots are written", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const above = yield* call("POST", "/hub/skill/far/cards/above/install", { user: "other" })
        assert.strictEqual(above.status, 502)
      }))
  }
)
