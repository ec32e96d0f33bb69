/** A compaction over kill -9: the old context holds until the summary is stored, and the new one from then on. */
import { assert, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

const until = async <A>(what: string, look: () => Promise<A>, holds: (found: A) => boolean): Promise<A> => {
  const limit = performance.now() + patience(60_000)
  for (;;) {
    const found = await look()
    if (holds(found)) return found
    if (performance.now() > limit) assert.fail(`It never came to this: ${what}: ${JSON.stringify(found)}`)
    await sleep(50)
  }
}

it("a context is whole when its server is killed in the middle of a summary, and summarised once", {
  timeout: patience(240_000)
}, async () => {
  const folder = await temporaryFolder()
  let server: Server | undefined
  const restart = async () => {
    await server?.kill("SIGKILL")
    server = await startServer(["--data-dir", folder.path])
    return clientOf(server.url)
  }
  try {
    let client = await restart()
    const data = { type: "demo_credential", models: [{ name: "demo-script", context_size: 1_000 }] }
    const { credential_id } = await client.must("POST", "/credential", { data })
    const { agent_id } = await client.must("POST", "/agent", { name: "Friday", tools: "none" })
    const chat_model_config = { type: data.type, credential_id, model: "demo-script" }
    const { session_id } = await client.must("POST", "/sessions", { agent_id, chat_model_config })
    const body = (content: string) => ({ agent_id, session_id, input: { content } })
    const say = (content: string) => client.must("POST", "/chat/reply", body(content))
    const slow = (delay_ms: number) =>
      client.must("PATCH", `/sessions/${session_id}`, {
        chat_model_config: { ...chat_model_config, parameters: { delay_ms } }
      })
    const timeline = async (run: string) => (await client.must("GET", `/runs/${run}/timeline`)).steps
    const given = async () => JSON.parse((await say("context")).content[0].text)

    for (let i = 0; i < 2; i++) await say(`repeat 1 ${"word".repeat(180)}`)
    assert.strictEqual((await given()).messages, 5)
    await slow(150)
    const { run_id } = await client.must("POST", "/chat/async", body(`repeat 1 ${"word".repeat(180)}`))
    const isAsked = (steps: ReadonlyArray<{ readonly type: string }>) => steps.some(({ type }) => type === "model_call")
    await until("the model is asked for a summary", () => timeline(run_id), isAsked)
    await sleep(200)

    client = await restart()
    await until("the run ends", () => client.must("GET", `/runs/${run_id}`), ({ status }) => status === "ended")
    await slow(0)
    const names = (await timeline(run_id)).map(({ name, type }: { name?: string; type: string }) => name ?? type)
    assert.strictEqual(names.filter((name: string) => name === "context_compacted").length, 1, names.join())
    // The summary that was cut off, the one that was made, and the answer.
    assert.strictEqual(names.filter((name: string) => name === "model_call").length, 3, names.join())
    const { messages, total } = await client.must("GET", `/sessions/${session_id}/messages`)
    assert.strictEqual(total, 8)
    assert.isTrue(messages.every(({ finished_at }: { finished_at: string | null }) => finished_at !== null))
    assert.isBelow((await given()).messages, 5)
  } finally {
    await server?.kill("SIGKILL")
    await folder.remove()
  }
})
