import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Settings } from "../../src/domain/Settings.ts"
import * as Host from "../../src/layers/Host.ts"
import { stoa } from "./Desk.ts"
import { fakeServer, json, nobody } from "./FakeServer.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-doctor-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

interface Report {
  readonly ok: boolean
  readonly checks: ReadonlyArray<
    { readonly name: string; readonly result: string; readonly message: string; readonly fix?: string }
  >
}

const healthy = fakeServer(() =>
  json({ status: "ok", version: "0.1.0", time: "2026-01-31T09:30:00.000Z", components: { storage: "ok" } })
)

const examine = (env: Record<string, string>, ...words: ReadonlyArray<string>) =>
  Effect.map(stoa({ env }, "doctor", "-o", "json", ...words), ({ code, err, out }) => {
    const report: Report = JSON.parse(out)
    const of = (name: string) => report.checks.filter((check) => check.name === name)
    return { code, err, report, of, one: (name: string) => of(name)[0] }
  })

describe("doctor", () => {
  it.scopedLive("finds nothing wrong with a fresh folder and a healthy server", () =>
    Effect.gen(function*() {
      const { url } = yield* healthy
      const { code, one, report } = yield* examine({}, "--data-dir", join(yield* folder, "new"), "--url", url)
      assert.deepStrictEqual([code, report.ok], [0, true])
      assert.include(one("database")?.message, "power loss")
      assert.deepInclude(one("server"), { result: "ok" })
      assert.include(one("data")?.message, "made by the first start")
    }))

  it.scopedLive("tells an admin how many secrets are sealed with which key, and what to do", () =>
    Effect.gen(function*() {
      const key = (id: string, secrets: number, seals = false) => ({ id, seals, hashes: !seals, secrets })
      const told = (keys: ReadonlyArray<object>, unreadable = 0) =>
        Effect.gen(function*() {
          const { url } = yield* fakeServer((_, line) =>
            json(
              line === "GET /vault"
                ? { source: "file", keys, unreadable, rotation: null }
                : { status: "ok", version: "0.1.0", time: "2026-01-31T09:30:00.000Z", components: {} }
            )
          )
          return (yield* examine({}, "--data-dir", join(yield* folder, "new"), "--url", url)).one("secrets")
        })
      assert.deepInclude(yield* told([key("New", 3, true)]), { result: "ok" })
      const left = yield* told([key("New", 3, true), key("Old", 2)])
      assert.strictEqual(left?.result, "warn")
      assert.include(left?.message, "3 under New (the newest), 2 under Old")
      assert.include(left?.fix, "stoa vault rotate")
      assert.strictEqual((yield* told([key("New", 3, true)], 1))?.result, "warn")
    }))

  it.scopedLive("prints a line a check, with the fix", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* stoa(
        { env: { STOA_PROT: "9" } },
        "doctor",
        "--url",
        yield* nobody
      )
      assert.strictEqual(code, 1)
      assert.match(out, /^fail {2}settings {2}STOA_PROT: there is no such variable\. Did you mean STOA_PORT\?/m)
      assert.match(out, /^fail {2}server {4}no server at/m)
      assert.strictEqual(err, "stoa: 2 things are wrong.\n")
    }))

  it.scopedLive("looks at the key file's mode, the folder's, and who holds it", () =>
    Effect.gen(function*() {
      const { url } = yield* healthy
      const data = yield* folder
      yield* Effect.promise(async () => {
        await chmod(data, 0o700)
        await writeFile(join(data, "vault.key"), "x", { mode: 0o644 })
        await chmod(join(data, "vault.key"), 0o644)
      })
      const lock = createServer((socket) => socket.end("4711\n"))
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void lock.listen(join(data, "stoa.lock"), () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void lock.close(() => resume(Effect.void)))
      )
      const open = yield* examine({}, "--data-dir", data, "--url", url)
      assert.strictEqual(open.code, 1)
      assert.deepInclude(open.one("vault"), { result: "fail", fix: `Run chmod 600 ${join(data, "vault.key")}.` })
      assert.include(open.one("data")?.message, "in use by process 4711")
      yield* Effect.promise(() => rm(join(data, "vault.key")))
      yield* Effect.promise(() => mkdir(join(data, "postgres")))
      const missing = yield* examine({}, "--data-dir", data, "--url", url)
      assert.deepInclude(missing.one("vault"), { result: "warn" })
    }))

  it.scopedLive("warns of a public address with a trusted header, and of an embedded database there", () =>
    Effect.gen(function*() {
      const { url } = yield* healthy
      const env = { STOA_HOST: "0.0.0.0", STOA_TRUST_USER_HEADER: "true" }
      const { code, one } = yield* examine(env, "--data-dir", join(yield* folder, "new"), "--url", url)
      assert.strictEqual(code, 0)
      assert.deepInclude(one("bind"), { result: "warn" })
      assert.deepInclude(one("database"), { result: "warn" })
    }))

  it.scopedLive("says what of the settings is wrong, and never a value", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "stoa.yaml")
      yield* Effect.promise(() => writeFile(path, "prot: sekrit\nvault_key: 7\n"))
      const { code, of, report } = yield* examine({}, "--config", path)
      assert.strictEqual(code, 1)
      assert.strictEqual(of("settings").length, 2)
      assert.notInclude(JSON.stringify(report), "sekrit")
    }))
})

describe("doctor, of a database and a vault key", () => {
  it.scopedLive("says whether they belong together, and makes neither by looking", () =>
    Effect.gen(function*() {
      const { url } = yield* healthy
      const data = yield* folder
      const look = () => Effect.map(examine({}, "--data-dir", data, "--url", url), ({ one }) => one("key"))
      assert.isUndefined(yield* look())
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(data)), [])
      yield* Layer.build(Host.records(Schema.decodeSync(Settings)({ data_dir: data }))).pipe(Effect.scoped)
      assert.deepInclude(yield* look(), { result: "ok" })
      const other = `${Buffer.alloc(32, 7).toString("base64")}\n`
      yield* Effect.promise(() => writeFile(join(data, "vault.key"), other))
      assert.deepInclude(yield* look(), { result: "fail" })
    }), 120_000)
})
