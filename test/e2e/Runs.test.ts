/** Looking back on runs and sessions, over the built server and the built program. */
import { assert, describe, it } from "@effect/vitest"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Run } from "../../src/domain/Run.ts"
import type { Timeline } from "../../src/domain/TimelineRecord.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, safeJson, type Server, startServer, stoa, temporaryFolder } from "../support/Server.ts"

type Client = ReturnType<typeof clientOf>

const world = async (client: Client) => {
  const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
  const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } = await client.must("POST", "/sessions", { agent_id, name: "Walks", chat_model_config })
  const say = async (content: string): Promise<string> => {
    const { run_id } = await client.must("POST", "/chat/async", { agent_id, session_id, input: { content } })
    return run_id
  }
  return { agent_id, session_id, say }
}

/** Asks again and again until the answer is as it should be. */
const until = async <A>(ask: () => Promise<A>, isRight: (answer: A) => boolean): Promise<A> => {
  const limit = performance.now() + patience(60_000)
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    assert.isBelow(performance.now(), limit, JSON.stringify(answer))
    await sleep(50)
  }
}

const ended = (client: () => Client, id: string) =>
  until((): Promise<Run> => client().must("GET", `/runs/${id}`), ({ status }) => status === "ended")

const within = async (work: (start: () => Promise<Server>) => Promise<void>) => {
  const folder = await temporaryFolder()
  let server: Server | undefined
  try {
    await work(async () => server = await startServer(["--data-dir", folder.path]))
  } finally {
    await server?.kill("SIGKILL")
    await folder.remove()
  }
}

describe("Looking back", () => {
  it(
    "a run is found, told, sent again and watched; its session is found, renamed and exported",
    () =>
      within(async (start) => {
        const { url } = await start()
        const client = clientOf(url)
        const { agent_id, say, session_id } = await world(client)
        const id = await say("say Good morning\ncall Pause {\"seconds\":0,\"note\":\"x\"}")
        const waiting = await until(
          (): Promise<Run> => client.must("GET", `/runs/${id}`),
          ({ status }) => status === "awaiting_permission"
        )
        const env = { STOA_URL: url, STOA_USER: "ada" }
        const early = await client.call("POST", `/runs/${id}/retry`)
        assert.deepStrictEqual([early.status, early.json.code], [409, "run_not_ended"])
        const answered = await stoa(["runs", "answer", waiting.id, "--approve"], { env })
        assert.strictEqual(answered.code, 0, answered.stderr)
        await ended(() => client, id)

        const { runs, total } = await client.must("GET", `/runs?q=GOOD%20morning&agent_id=${agent_id}&status=ended`)
        assert.deepStrictEqual([runs.map((run: Run) => run.id), total], [[id], null])
        const timeline: Timeline = await client.must("GET", `/runs/${id}/timeline`)
        assert.deepStrictEqual(timeline.steps.map(({ type }) => type), [
          "input",
          "attempt",
          "model_call",
          "wait",
          "tool",
          "model_call",
          "end"
        ])
        assert.deepInclude(timeline.totals, { model_calls: 2, tool_calls: 1, waits: 1, attempts: 1, cost: 0 })
        const shown = await stoa(["runs", "show", id], { env })
        assert.match(shown.stdout, /wait .*for a person's permission/)

        const again = await stoa(["runs", "retry", id, "-o", "json"], { env })
        const { run_id } = JSON.parse(again.stdout)
        const watched = await stoa(["runs", "watch", run_id], { env })
        assert.include(watched.stdout, "Good morning", watched.stderr)
        assert.strictEqual((await client.must("GET", `/runs/${run_id}`)).retried_from, id)
        const headers = { ...client.headers, "idempotency-key": "once" }
        await client.must("POST", `/runs/${run_id}/cancel`)
        await ended(() => client, run_id)
        const retry = async () =>
          safeJson(await (await fetch(`${url}/runs/${id}/retry`, { method: "POST", headers })).text())
        const [first, second] = await Promise.all([retry(), retry()])
        assert.isString(first.run_id)
        assert.deepStrictEqual(first, second)

        for (const text of ["good morning", "WALKS"]) {
          const found = await stoa(["sessions", "search", text, "-o", "json"], { env })
          assert.deepStrictEqual(JSON.parse(found.stdout).map((session: { id: string }) => session.id), [session_id])
        }
        assert.strictEqual((await stoa(["sessions", "rename", session_id, "Mornings"], { env })).code, 0)
        const none = await stoa(["sessions", "search", "walks", "-o", "json"], { env })
        assert.deepStrictEqual(JSON.parse(none.stdout), [])
        const markdown = await stoa(["sessions", "export", session_id], { env })
        assert.match(markdown.stdout, /^# Mornings\n/)
        assert.include(markdown.stdout, "**Calls `Pause`**")
        const folder = await temporaryFolder()
        try {
          const file = join(folder.path, "morning.json")
          const written = await stoa(["sessions", "export", session_id, "--format", "json", "--file", file], { env })
          assert.strictEqual(written.code, 0, written.stderr)
          const { messages, session } = JSON.parse(await readFile(file, "utf8"))
          const transcript = await client.must("GET", `/sessions/${session_id}/messages?offset=0`)
          assert.deepStrictEqual([session.id, messages.slice(0, 2)], [session_id, transcript.messages.slice(0, 2)])
        } finally {
          await folder.remove()
        }
      }),
    patience(400_000)
  )

  it(
    "the timeline of a run that was cut off by kill -9 tells its attempts, and what the lost call was",
    () =>
      within(async (start) => {
        const first = await start()
        let client = clientOf(first.url)
        const { say } = await world(client)
        const id = await say("say before\nsleep 3000\nsay after")
        const timeline = (): Promise<Timeline> => client.must("GET", `/runs/${id}/timeline`)
        await until(timeline, ({ steps }) => steps.some((step) => step.type === "model_call" && step.events > 2))
        await first.kill("SIGKILL")
        const second = await start()
        client = clientOf(second.url)
        await ended(() => client, id)
        const { is_complete, steps, totals } = await timeline()
        assert.isTrue(is_complete)
        assert.deepStrictEqual(
          steps.flatMap((step) => step.type === "attempt" ? [step.attempt] : []),
          [1, 2]
        )
        const calls = steps.flatMap((step) => step.type === "model_call" ? [step.outcome] : [])
        assert.deepStrictEqual(calls, ["lost", "completed"])
        assert.deepInclude(totals, { attempts: 2, model_calls: 2 })
        assert.strictEqual(steps.reduce((sum, { events }) => sum + events, 0), totals.events)
        assert.deepStrictEqual(await timeline(), await timeline())
        assert.strictEqual(await second.kill("SIGTERM"), 0)
      }),
    patience(400_000)
  )
})
