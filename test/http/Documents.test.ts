import { HttpLayerRouter } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import * as Documents from "../../src/http/Documents.ts"

const loaded = vi.hoisted((): Array<string> => [])

vi.mock("@effect/platform/HttpApiScalar", (original) => {
  loaded.push("scalar")
  return original()
})
vi.mock("@effect/platform/HttpApiSwagger", (original) => {
  loaded.push("swagger")
  return original()
})

describe("The pages that show the API", () => {
  it("load their scripts, five megabytes of text, when somebody first asks for the page", async () => {
    const { dispose, handler } = HttpLayerRouter.toWebHandler(Documents.layer, { disableLogger: true })
    const get = async (path: string) => (await handler(new Request(`http://localhost${path}`))).text()
    try {
      assert.include(await get("/openapi.json"), "openapi")
      assert.deepStrictEqual(loaded, [])
      assert.include(await get("/docs"), "</html>")
      assert.deepStrictEqual(loaded, ["scalar"])
      assert.include(await get("/docs/swagger"), "</html>")
      assert.deepStrictEqual(loaded, ["scalar", "swagger"])
    } finally {
      await dispose()
    }
  })

  it("are there for the others when the first who asked has left", async () => {
    const { dispose, handler } = HttpLayerRouter.toWebHandler(Documents.layer, { disableLogger: true })
    try {
      for (const path of Documents.paths) {
        const leaving = new AbortController()
        const left = handler(new Request(`http://localhost${path}`, { signal: leaving.signal }))
        leaving.abort()
        await left
        assert.strictEqual((await handler(new Request(`http://localhost${path}`))).status, 200, path)
      }
    } finally {
      await dispose()
    }
  }, 60_000)

  it("ask no other host for anything, and are sent again only when they have changed", async () => {
    const { dispose, handler } = HttpLayerRouter.toWebHandler(Documents.layer, { disableLogger: true })
    try {
      for (const path of Documents.paths) {
        const first = await handler(new Request(`http://localhost${path}`))
        assert.strictEqual(first.status, 200, path)
        const etag = first.headers.get("etag")!
        assert.match(etag, /^".{27}"$/)
        const isScript = path.endsWith(".js")
        assert.strictEqual(
          first.headers.get("cache-control"),
          isScript ? "public, max-age=31536000, immutable" : "no-cache"
        )
        const policy = first.headers.get("content-security-policy") ?? ""
        if (first.headers.get("content-type")!.startsWith("text/html")) assert.include(policy, "default-src 'none'")
        assert.notMatch(policy, /https?:|(?<!wasm-)unsafe-eval|script-src[^;]*unsafe-inline/)
        const text = await first.text()
        if (isScript) assert.notInclude(text, "cdn.redoc.ly/redoc/logo")
        if (path === "/redoc") assert.include(text, `src="${Documents.paths[3]}"`)
        const again = await handler(new Request(`http://localhost${path}`, { headers: { "if-none-match": etag } }))
        assert.deepStrictEqual([again.status, await again.text()], [304, ""])
      }
    } finally {
      await dispose()
    }
  }, 60_000)
})
