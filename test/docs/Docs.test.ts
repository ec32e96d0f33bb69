/** What README.md and docs/ tell a reader to type works as it is written. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { patience } from "../support/Patience.ts"
import { adminKey, startServer, temporaryFolder } from "../support/Server.ts"

const root = resolve(import.meta.dirname, "../..")
const inDocs = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"))
const pages = ["README.md", ...inDocs.map((file) => `docs/${file}`)]

/** Longest time for the commands of one page, in milliseconds. */
const longest = patience(120_000)

/** Characters of what the commands printed that a failure shows: the last. */
const shown = 4_000

interface Block {
  readonly language: string
  /** What follows the language: the file that the block is, or is a part of. */
  readonly file: string
  readonly text: string
}

const read = (page: string) => readFileSync(join(root, page), "utf8")

const blocksOf = (page: string): ReadonlyArray<Block> =>
  Array.from(read(page).matchAll(/^```([a-z]*) ?(\S*)\n(.*?)^```$/gms), ([, language, file, text]) => ({
    language: language!,
    file: file!,
    text: text!
  }))

/** The README's two commands start and test the clone that this test is a part of. */
const isStart = ({ text }: Block) => text.startsWith("npm start ")

/** Ends at the first command that fails; a request fails when its answer is an error. */
const preamble = `set -eo pipefail
curl() { command curl --fail-with-body "$@"; }
stoa() { "${process.execPath}" dist/bin/stoa.js "$@"; }
`

const runScript = (script: string, env: Record<string, string>) =>
  new Promise<{ readonly code: number | null; readonly output: string }>((done, fail) => {
    const child = spawn("bash", ["-c", script], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const timer = setTimeout(() => child.kill("SIGKILL"), longest)
    child.stdout.on("data", (chunk) => output += chunk)
    child.stderr.on("data", (chunk) => output += chunk)
    child.on("error", fail)
    child.on("close", (code) => {
      clearTimeout(timer)
      done({ code, output })
    })
  })

/** A server in a folder of its own that holds the page's own files. */
const serverFor = async (files: ReadonlyArray<Block>) => {
  const folder = await temporaryFolder()
  await mkdir(join(folder.path, "models"))
  for (const { file, text } of files) {
    await mkdir(dirname(join(folder.path, file)), { recursive: true })
    await writeFile(join(folder.path, file), text)
  }
  const server = await startServer(["--models-dir", "models"], {
    cwd: folder.path,
    // Nobody waits ten seconds here for a call to become a task.
    env: { STOA_BACKGROUND_SECONDS: "1" }
  })
  return {
    ...server,
    key: await adminKey(join(folder.path, ".stoa")),
    stop: async () => {
      await server.kill("SIGTERM")
      await folder.remove()
    }
  }
}

describe.each(pages)("%s", (page) => {
  const blocks = blocksOf(page)
  const commands = blocks.filter((block) => block.language === "sh" && !isStart(block))
  const files = blocks.filter(({ language }) => language === "yaml")

  if (commands.length + files.length > 0) {
    it("its commands work, in order, and its files are taken", async () => {
      const server = await serverFor(files)
      try {
        const script = preamble + commands.map(({ text }) => text).join("\n")
          .replaceAll("http://127.0.0.1:8000", server.url)
          .replaceAll("stoa_…", server.key)
        const { code, output } = await runScript(script, { STOA_URL: server.url })
        assert.strictEqual(code, 0, output.slice(-shown))
        for (const { file } of files.filter(({ file }) => file.startsWith("models/"))) {
          const [, provider, name] = /^models\/(.*)\/(.*)\.yaml$/.exec(file)!
          const answer = await fetch(`${server.url}/model/${provider}_credential/${name}`, {
            headers: { "x-user-id": "ada" }
          })
          assert.strictEqual(answer.status, 200, await answer.text())
        }
      } finally {
        await server.stop()
      }
    }, longest)
  }

  it("what it shows of a program is in that program", () => {
    for (const { file, text } of blocks.filter(({ language }) => language === "ts")) {
      assert.include(readFileSync(join(root, file), "utf8"), text, `${page} shows what ${file} does not say`)
    }
  })

  it("what it links to is there", () => {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.isTrue(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`)
    }
  })

  it("every block says what it is, so that none goes untested", () => {
    for (const { file, language, text } of blocks) {
      assert.include(["", "sh", "ts", "yaml"], language, text)
      if (language === "ts" || language === "yaml") assert.notStrictEqual(file, "", text)
    }
  })
})
