/** The client in a browser, where nothing of Node is, and every byte is loaded. */
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { patience } from "../../support/Patience.ts"

const root = resolve(import.meta.dirname, "../../..")

/** Bytes, compressed, of a program as pages load it. An import of Node's fails this. */
const sizeOf = async (program: string) => {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: resolve(root, "src"), loader: "ts" },
    bundle: true,
    platform: "browser",
    format: "esm",
    minify: true,
    write: false,
    external: ["react"],
    logLevel: "silent"
  })
  return gzipSync(outputFiles[0]!.contents).length
}

describe("The client", () => {
  it("is loaded by a browser in 8 KiB", async () => {
    const size = await sizeOf(`export { make } from "./http/client/Client.ts"`)
    assert.isBelow(size, 8 * 1024)
  }, patience(30_000))

  it("is loaded with the stores and the hooks in 12 KiB, React aside", async () => {
    const size = await sizeOf(
      `export { make } from "./http/client/Client.ts"; export * from "./http/client/React.ts"`
    )
    assert.isBelow(size, 12 * 1024)
  }, patience(30_000))
})
