/** `stoa skills`, against a whole server. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Stoa from "../../src/layers/Host.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"
import { temporary } from "../support/workspaces.ts"
import { skillMd, skillZip } from "../support/zips.ts"
import { stoa } from "./Desk.ts"

layer(TestHost.layer(), { timeout: patience(60_000), excludeTestServices: true })("stoa skills", (it) => {
  it.scoped("adds a folder and an archive, lists, shows, copies and removes them", () =>
    Effect.gen(function*() {
      const { call, url } = yield* TestHost.TestHost
      const { agent_id } = (yield* call("POST", "/agent", { user: "local", body: { name: "A" } })).json
      const { session_id } = (yield* call("POST", "/sessions", { user: "local", body: { agent_id } })).json
      const run = (...words: ReadonlyArray<string>) => stoa({}, "skills", ...words, "--url", url)
      const dir = yield* temporary
      mkdirSync(join(dir, "ref"))
      writeFileSync(join(dir, "SKILL.md"), skillMd("folder"))
      writeFileSync(join(dir, "ref", "a b.md"), "a")
      const zip = join(dir, "..", `${session_id}.zip`)
      yield* Effect.acquireRelease(
        Effect.sync(() => writeFileSync(zip, skillZip("zipped"))),
        () => Effect.sync(() => writeFileSync(zip, ""))
      )
      const added = yield* run("add", dir, "-o", "json")
      assert.strictEqual(added.code, 0, added.err)
      const { id } = JSON.parse(added.out)
      assert.strictEqual((yield* run("add", zip, "--session", session_id)).code, 0)
      assert.match((yield* run("list")).out, /folder\s.*Fills in forms\./)
      assert.include((yield* run("show", "folder")).out, "ref/a b.md")
      for (const called of [id, "folder"]) {
        assert.strictEqual((yield* run("use", called, "--session", session_id)).code, 0)
      }
      assert.match((yield* run("list", "--session", session_id)).out, /folder\s[\s\S]*zipped\s/)
      assert.include((yield* run("show", "zipped", "--session", session_id)).out, "/workspace/skills/zipped")
      for (const name of ["zipped", "folder"]) {
        assert.strictEqual((yield* run("remove", name, "--session", session_id, "--yes")).code, 0)
      }
      assert.strictEqual((yield* run("remove", "folder", "--yes")).code, 0)
      assert.notInclude((yield* run("list")).out, "folder")
      const nothing = yield* run("add", join(dir, "nothing"))
      assert.deepStrictEqual([nothing.code, nothing.err.includes("cannot be read")], [2, true])
      const bare = yield* run("add", join(dir, "ref"))
      assert.include(bare.err, "there is no SKILL.md at the top")
      for (const words of [["show", "folder"], ["show", "folder", "--session", session_id], ["remove", id, "--yes"]]) {
        const { code, err } = yield* run(...words)
        assert.deepStrictEqual([code, err], [3, `stoa: There is no skill '${words[1]}' there.\n`])
      }
    }))
})

const hubs = [fileURLToPath(new URL("../support/hub", import.meta.url))]

layer(TestHost.layer({ host: Layer.fresh(Stoa.over(Stoa.memory, { hubs })) }), {
  timeout: patience(60_000),
  excludeTestServices: true
})("stoa hub", (it) => {
  it.effect("looks for skills and servers, shows one, and installs it", () =>
    Effect.gen(function*() {
      const { url } = yield* TestHost.TestHost
      const run = (...words: ReadonlyArray<string>) => stoa({}, "hub", ...words, "--url", url)
      assert.match((yield* run("search")).out, /office\/letters[\s\S]*notes/)
      assert.notInclude((yield* run("search", "style", "house")).out, "notes")
      assert.strictEqual(JSON.parse((yield* run("search", "--limit", "2", "-o", "json")).out).length, 2)
      assert.include((yield* run("show", "house", "notes", "--kind", "mcp")).out, "api_key")
      const skill = yield* run("install", "house", "office/letters", "--name", "post", "-o", "json")
      assert.deepInclude(JSON.parse(skill.out), { name: "post", card_id: "office/letters" })
      const server = yield* run("install", "house", "notes", "--kind", "mcp", "--value", "api_key=a=b")
      assert.strictEqual(server.code, 0, server.err)
      assert.strictEqual((yield* run("install", "house", "notes", "--kind", "mcp", "--value", "x")).code, 2)
    }))
})
