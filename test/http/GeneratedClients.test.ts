/** Clients that others' generators make of /openapi.json: they compile, and they talk. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { generateSource } from "oazapfts"
import { generate } from "openapi-typescript-codegen"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

const root = resolve(import.meta.dirname, "../..")

interface Conversation {
  readonly converse: (url: string, user: string) => Promise<{
    readonly stream: string
    readonly again: string
    readonly [told: string]: unknown
  }>
}

const clients: Readonly<Record<string, (document: object, folder: string) => Promise<unknown>>> = {
  codegen: (input, folder) =>
    generate({
      input: input as Record<string, unknown>,
      output: join(folder, "codegen"),
      httpClient: "fetch",
      useOptions: true,
      useUnionTypes: true
    }),
  oazapfts: async (document, folder) => {
    await writeFile(join(folder, "openapi.json"), JSON.stringify(document))
    const source = await generateSource(join(folder, "openapi.json"), {})
    await writeFile(join(folder, "oazapfts.ts"), source)
  }
}

const settings = {
  compilerOptions: {
    strict: true,
    target: "es2022",
    lib: ["es2022", "dom", "dom.iterable"],
    module: "nodenext",
    skipLibCheck: true,
    types: [],
    rootDir: ".",
    outDir: "out"
  },
  files: ["converse.ts"]
}

/** A folder of its own, where the packages of this repository are found. */
const folder = Effect.acquireRelease(
  Effect.promise(async () => {
    const path = await mkdtemp(join(tmpdir(), "stoa-clients-"))
    await symlink(join(root, "node_modules"), join(path, "node_modules"))
    return path
  }),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const compile = (path: string) =>
  Effect.promise(() =>
    promisify(execFile)(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path]).catch(
      ({ stdout }: { readonly stdout: string }) => assert.fail(stdout)
    )
  )

layer(TestHost.layer(), { excludeTestServices: true })("A generated client", (it) => {
  for (const [name, make] of Object.entries(clients)) {
    it.scoped(`of ${name} compiles, and drives a whole conversation`, () =>
      Effect.gen(function*() {
        const { call, url } = yield* Host
        const path = yield* folder
        const { json } = yield* call("GET", "/openapi.json")
        yield* Effect.promise(() => make(json, path))
        yield* Effect.promise(async () => {
          await cp(resolve(import.meta.dirname, `../support/clients/${name}.ts.txt`), join(path, "converse.ts"))
          await writeFile(join(path, "package.json"), JSON.stringify({ type: "commonjs" }))
          await writeFile(join(path, "tsconfig.json"), JSON.stringify(settings))
        })
        yield* compile(path)
        const { converse }: Conversation = createRequire(path)(join(path, "out/converse.js"))
        const { again, stream, ...told } = yield* Effect.promise(() => converse(url, `${name}-user`))
        assert.match(stream, /data: \{.*"type":"REPLY_END"/)
        assert.strictEqual(again, stream)
        assert.deepStrictEqual(told, {
          reply: "two",
          run: "ended",
          runs: [2, 4],
          transcript: ["user", "assistant", "user", "assistant", "user", "assistant", "user", "assistant"],
          status: "idle",
          missing: { status: 404, code: "not_found" },
          left: 0
        })
      }), 300_000)
  }
})
