/** The client in a browser, where nothing of Node is. */
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { resolve } from "node:path"
import { patience } from "../../support/Patience.ts"

const root = resolve(import.meta.dirname, "../../..")

describe("The client", () => {
  it("is made of modules that a browser loads", async () => {
    // An import of Node's fails this build.
    const { outputFiles } = await build({
      entryPoints: [resolve(root, "src/http/client/Client.ts")],
      bundle: true,
      platform: "browser",
      format: "esm",
      minify: true,
      write: false,
      logLevel: "silent"
    })
    assert.isBelow(outputFiles[0]!.contents.length, 1_000_000)
  }, patience(30_000))
})
