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
})
