/** Workflows over the built server, which is killed in the middle of one. */
import { assert, describe, it } from "@effect/vitest"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Message } from "../../src/domain/Message.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const until = async <A>(ask: () => Promise<A>, isRight: (answer: A) => boolean): Promise<A> => {
  const limit = performance.now() + patience(60_000)
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    assert.isBelow(performance.now(), limit, JSON.stringify(answer))
    await sleep(20)
  }
}

/** Writes down that it was called; `wait` hangs as long as the file of this name is not there. */
const handler = (folder: string) => `
import { appendFileSync, existsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
export default async ({ note, wait }) => {
  appendFileSync(${JSON.stringify(join(folder, "calls"))}, note + "\\n")
  while (wait !== undefined && !existsSync(${JSON.stringify(folder)} + "/" + wait)) await sleep(20)
  return { noted: note }
}`

const parameters = "parameters: { note: { required: true }, wait: {} }\ntimeout_seconds: 100\n"

const files = (folder: string): Readonly<Record<string, string>> => ({
  "agents/worker/AGENT.md": "---\nmodel: demo/demo-script\nskills: [three, twice, thinks]\n---\nYou work.",
  "tools/again/TOOL.md": `---\ndescription: May be repeated\nidempotent: true\n${parameters}---\n`,
  "tools/again/handler.mjs": handler(folder),
  "tools/once/TOOL.md": `---\ndescription: Must not be repeated\n${parameters}---\n`,
  "tools/once/handler.mjs": handler(folder),
  "skills/three/SKILL.md": `---
description: Three steps.
steps:
  - { name: first, tool: once, input: { note: first } }
  - { name: second, tools: [{ tool: once, input: { note: beside } }, { tool: again, input: { note: open, wait: go } }] }
  - { name: third, tool: once, input: { note: "$.steps.second.output[0].noted" } }
---
`,
  "skills/twice/SKILL.md": `---
description: A step that must not be done twice.
steps:
  - { name: first, tool: once, input: { note: begun, wait: never } }
  - { name: second, tool: once, input: { note: after } }
---
`,
  "skills/thinks/SKILL.md": `---
description: A step that asks the model.
steps:
  - { name: first, tool: once, input: { note: before } }
  - { name: second, prompt: "sleep 4000\\nsay thought" }
---
`
})

const within = async (
  work: (world: {
    readonly client: () => ReturnType<typeof clientOf>
    readonly crash: () => Promise<void>
    readonly notes: () => Promise<ReadonlyArray<string>>
    readonly folder: string
  }) => Promise<void>
) => {
  const data = await temporaryFolder()
  const { path: folder, remove } = await temporaryFolder()
  let server: Server | undefined
  try {
    for (const [path, text] of Object.entries(files(folder))) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    const start = async () => {
      server = await startServer(["--data-dir", data.path, "--definitions-dir", folder])
    }
    await start()
    await work({
      folder,
      client: () => clientOf(server!.url),
      crash: async () => {
        await server!.kill("SIGKILL")
        await start()
      },
      notes: async () => (await readFile(join(folder, "calls"), "utf8").catch(() => "")).split("\n").filter(Boolean)
    })
  } finally {
    await server?.kill("SIGKILL")
    await remove()
    await data.remove()
  }
}

const begin = async (client: ReturnType<typeof clientOf>, content: string) => {
  await client.must("POST", "/credential", { data: { type: "demo_credential" } })
  const { agents } = await client.must("GET", "/agent")
  const agent_id = agents.find(({ data }: { data: { name: string } }) => data.name === "worker").id
  const { session_id } = await client.must("POST", "/sessions", { agent_id })
  const { run_id } = await client.must("POST", "/chat/async", { agent_id, session_id, input: { content } })
  return { run_id, session_id }
}

const ended = async (
  client: ReturnType<typeof clientOf>,
  { run_id, session_id }: Awaited<ReturnType<typeof begin>>
) => {
  const run = await until(() => client.must("GET", `/runs/${run_id}`), ({ status }) => status === "ended")
  const { messages }: { messages: ReadonlyArray<Message> } = await client.must(
    "GET",
    `/sessions/${session_id}/messages`
  )
  const content = messages.at(-1)!.content
  const resultOf = (name: string) => {
    const result = content.find((block) => block.type === "tool_result" && block.name === name)
    assert.isDefined(result, JSON.stringify(content))
    return JSON.stringify(result)
  }
  return { run, resultOf }
}

describe("A workflow whose server is killed", () => {
  it(
    "goes on at the step that was open: what had been done is not done again",
    () =>
      within(async ({ client, crash, folder, notes }) => {
        const begun = await begin(client(), "call three {}\nthen\nsay over")
        await until(notes, (notes) => notes.includes("open") && notes.includes("beside"))
        // The result of the step beside it is in the log.
        await sleep(500)
        await crash()
        await writeFile(join(folder, "go"), "")
        const { resultOf, run } = await ended(client(), begun)
        assert.strictEqual(run.error, null)
        assert.include(resultOf("three"), "\"state\":\"success\"")
        const said = await notes()
        assert.deepStrictEqual(said.toSorted(), ["beside", "beside", "first", "open", "open"])
        assert.strictEqual(said.at(-1), "beside")
      }),
    patience(120_000)
  )

  it(
    "stops where a step may have been done and must not be done twice",
    () =>
      within(async ({ client, crash, notes }) => {
        const begun = await begin(client(), "call twice {}\nthen\nsay over")
        await until(notes, (notes) => notes.includes("begun"))
        await crash()
        const { resultOf, run } = await ended(client(), begun)
        assert.strictEqual(run.error, null)
        assert.include(resultOf("twice"), "its outcome is unknown")
        assert.deepStrictEqual(await notes(), ["begun"])
      }),
    patience(120_000)
  )

  it(
    "asks the model again for a step that it had not answered, and for nothing else",
    () =>
      within(async ({ client, crash, notes }) => {
        const begun = await begin(client(), "call thinks {}\nthen\nsay over")
        await until(notes, (notes) => notes.includes("before"))
        await until(
          async (): Promise<string> => JSON.stringify(await client().must("GET", `/runs/${begun.run_id}/timeline`)),
          (timeline) => timeline.split("model_call\"").length > 2
        )
        await crash()
        const { resultOf, run } = await ended(client(), begun)
        assert.strictEqual(run.error, null)
        assert.include(resultOf("thinks"), "thought")
        assert.deepStrictEqual(await notes(), ["before"])
      }),
    patience(120_000)
  )
})
