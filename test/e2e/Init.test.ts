/** What `stoa init` makes is a project that works as it is, with the package that made it. */
import { assert, describe, it } from "@effect/vitest"
import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { install, longest, must, pack } from "../support/packed.ts"
import { patience } from "../support/Patience.ts"
import { adminKey, clientOf, type Server, startProject, stoa, temporaryFolder } from "../support/Server.ts"

const root = resolve(import.meta.dirname, "../..")

const until = async <A>(ask: () => Promise<A>, isRight: (answer: A) => boolean): Promise<A> => {
  const limit = performance.now() + patience(60_000)
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    assert.isBelow(performance.now(), limit, JSON.stringify(answer))
    await sleep(50)
  }
}

describe("stoa init", () => {
  it("makes a project that names the package which made it, and never a version of a registry", async () => {
    const folder = await temporaryFolder()
    try {
      const made = await stoa(["init", "demo", "-o", "json"], { cwd: folder.path })
      assert.strictEqual(made.code, 0, made.stderr)
      const { files } = JSON.parse(made.stdout)
      assert.includeMembers(files, ["package.json", ".gitignore", ".env.example", "agents/helper/AGENT.md", "app.ts"])
      const source = async (name: string) =>
        JSON.parse(await readFile(join(folder.path, name, "package.json"), "utf8")).dependencies.stoa as string
      const [protocol, path] = (await source("demo")).split(":")
      assert.strictEqual(protocol, "file")
      assert.strictEqual(await realpath(join(folder.path, "demo", path!)), await realpath(root))
      assert.include(await readFile(join(folder.path, "demo", "README.md"), "utf8"), "# demo")
    } finally {
      await folder.remove()
    }
  }, longest)

  it("refuses a folder that has something in it, and names that are none", async () => {
    const folder = await temporaryFolder()
    try {
      await mkdir(join(folder.path, "full"))
      await mkdir(join(folder.path, "empty"))
      await writeFile(join(folder.path, "full", "kept"), "kept")
      await writeFile(join(folder.path, "file"), "kept")
      const init = (name: string) => stoa(["init", name], { cwd: folder.path })
      for (const name of ["full", "file", "stoa", "effect", "../out", "Upper", ".hidden", "a/b", "node_modules", ""]) {
        const { code, stderr } = await init(name)
        assert.notStrictEqual(code, 0, name)
        assert.match(stderr, /^stoa: .*\n$/, name)
      }
      assert.strictEqual((await init("empty")).code, 0)
      assert.deepStrictEqual((await readdir(folder.path)).toSorted(), ["empty", "file", "full"])
      assert.deepStrictEqual(await readdir(join(folder.path, "full")), ["kept"])
    } finally {
      await folder.remove()
    }
  }, longest)
})

describe("A project that stoa init has made", () => {
  it("serves its agents, tools, hook and schedules, reads its files again, and passes its own tests", async () => {
    const folder = await temporaryFolder()
    let server: Server | undefined
    try {
      const packed = await pack(folder.path)
      const tools = join(folder.path, "tools")
      await mkdir(tools)
      await install(packed, tools)
      // As npm writes it down.
      const resolved = `file:../${basename(packed)}`
      const lock = { packages: { "node_modules/stoa": { version: "0.1.0", resolved } } }
      await writeFile(join(tools, "node_modules/.package-lock.json"), JSON.stringify(lock))
      await must(tools, process.execPath, "node_modules/stoa/dist/bin/stoa.js", "init", "demo")
      const demo = join(tools, "demo")
      const manifest = JSON.parse(await readFile(join(demo, "package.json"), "utf8"))
      assert.deepInclude(manifest, { name: "demo", private: true })
      assert.strictEqual(manifest.dependencies.stoa, `file:../../${basename(packed)}`)
      for (const version of [manifest.dependencies.effect, ...Object.values(manifest.devDependencies)]) {
        assert.match(String(version), /^\d+\.\d+\.\d+$/)
      }
      await install(packed, demo)

      server = await startProject(demo, { STOA_SCHEDULE_MIN_SECONDS: "0.1" })
      const { output, url } = server
      const app = (...words: ReadonlyArray<string>) =>
        must(demo, process.execPath, "--import", "tsx", "app.ts", ...words, "--url", url)

      const said = await app("chat", "helper", "hello there")
      assert.include(said, "hello there")
      const invoked = await app("invoke", "rehearsal", "call add {\"a\": 2, \"b\": 40}\nthen\nresults")
      assert.include(invoked, "2 + 40 = 42")
      const refused = await app("invoke", "rehearsal", "call Dice {\"count\": 11}\nthen\nresults")
      assert.include(refused, "Nobody throws more than 10 dice here")
      await until(async () => output(), (text) => /The run \w+ has ended: completed/.test(text))

      const client = clientOf(url, "local")
      const { agents } = await client.must("GET", "/agent")
      const { id } = agents.find(({ data }: { readonly data: { readonly name: string } }) => data.name === "rehearsal")
      await app(
        "schedules",
        "create",
        "Morning",
        "--agent",
        id,
        "--model",
        "demo:demo-script",
        "--every",
        "1s",
        "--max-fires",
        "1",
        "--input",
        "say Good morning"
      )
      const { schedules } = await client.must("GET", "/schedule")
      await until(
        () => client.must("GET", `/schedule/${schedules[0].id}/fires`),
        ({ fires }) => fires[0]?.status === "completed"
      )

      const file = join(demo, "agents/helper/AGENT.md")
      await writeFile(file, (await readFile(file, "utf8")).replace(/^description: .*$/m, "description: Knows the way"))
      await app("reload", "--key", await adminKey(join(demo, ".stoa")))
      assert.deepInclude(await client.must("GET", "/v1/agents/helper"), { description: "Knows the way" })

      await must(demo, "npm", "run", "check")
      await must(demo, "npm", "test")
    } finally {
      await server?.kill("SIGTERM")
      await folder.remove()
    }
  }, longest * 4)
})
