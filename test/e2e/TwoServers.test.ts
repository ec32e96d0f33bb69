import { assert, describe, it } from "@effect/vitest"
import { isNamed } from "../support/events.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import {
  adminKey,
  clientOf,
  type Frame,
  safeJson,
  type Server,
  startServer,
  temporaryFolder
} from "../support/Server.ts"

const withTwo = async (
  use: (a: Server, b: Server, start: () => Promise<Server>, folder: string) => Promise<void>
) => {
  const folder = await temporaryFolder()
  const env = { STOA_DATABASE_URL: await freshDatabase(), STOA_VAULT_KEY: Buffer.alloc(32, 7).toString("base64") }
  const servers: Array<Server> = []
  const start = async () => {
    const server = await startServer(["--data-dir", folder.path], { env })
    servers.push(server)
    return server
  }
  try {
    await use(await start(), await start(), start, folder.path)
  } finally {
    await Promise.all(servers.map((server) => server.kill("SIGKILL")))
    await folder.remove()
  }
}

const isGapless = (frames: ReadonlyArray<Frame>, after: number) =>
  assert.deepStrictEqual(frames.map(({ seq }) => seq), frames.map((_, i) => after + i + 1))

const typesOf = (frames: ReadonlyArray<Frame>) => frames.map(({ event }) => event.type)

/** Those of a session's stream that a run's own stream shows too: it leaves out what other inputs do meanwhile. */
const sameAs = (ofRun: ReadonlyArray<Frame>, ofSession: ReadonlyArray<Frame>) => {
  const shown = new Set(ofRun.map(({ seq }) => seq))
  return ofSession.filter(({ seq }) => shown.has(seq))
}

const chat = (talk: object, content: string) => ({
  method: "POST",
  body: JSON.stringify({ ...talk, input: { content } })
})

describe("Two built servers on one PostgreSQL", () => {
  it("show on one what is sent to the other, and stop it from there", () =>
    withTwo(async (a, b) => {
      const [onA, onB] = [clientOf(a.url), clientOf(b.url)]
      const talk = await onA.converse("demo-script", { delay_ms: 10 })
      const watching = await onB.stream(`/sessions/${talk.session_id}/stream?after=0`)
      const sent = await onA.stream("/chat", chat(talk, "repeat 1000 word "))
      await watching.until((frame) => frame?.event.type === "TEXT_BLOCK_DELTA")
      assert.strictEqual((await onB.must("GET", `/sessions/${talk.session_id}/status`)).status, "running")
      assert.strictEqual((await onB.call("POST", `/sessions/${talk.session_id}/interrupt`)).status, 202)
      await sent.end()
      await watching.until((frame) => frame?.event.type === "REPLY_END")
      watching.leave()
      assert.deepInclude(watching.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "interrupted" })
      assert.deepStrictEqual(sameAs(sent.frames, watching.frames), sent.frames)
      isGapless(watching.frames, 0)

      // The same by AgentApp's protocol.
      const { agent_id, credential_id } = talk
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      await onA.must("PATCH", `/agent/${agent_id}`, { chat_model_config })
      const keys = { session_id: "s", user_id: "u" }
      const run = (script: string) => ({
        method: "POST",
        headers: onA.headers,
        body: JSON.stringify({ ...keys, model: `agent/${agent_id}`, input: [{ role: "user", content: script }] })
      })
      const processing = await fetch(`${a.url}/process`, run("say begun\nsleep 60000"))
      const second = await fetch(`${b.url}/process`, run("say x"))
      assert.strictEqual(second.status, 409)
      assert.include(await second.text(), "Task u:s is already in RUNNING state.")
      assert.deepInclude(await onB.must("POST", "/stop", keys), { status: "success", state: "STOPPED" })
      assert.include((await processing.text()).split("\n\n").at(-2), "\"status\":\"canceled\"")
      assert.include(await (await fetch(`${b.url}/process`, run("say x"))).text(), "\"status\":\"completed\"")
    }), patience(90_000))

  it("end the streams of an API key on one when it is revoked on the other", () =>
    withTwo(async (a, b, _, folder) => {
      const admin = await adminKey(folder)
      const asAdmin = (method: string, path: string, body?: object) =>
        fetch(b.url + path, {
          method,
          headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
          ...(body !== undefined && { body: JSON.stringify(body) })
        }).then((answer) => answer.text()).then(safeJson)
      const onA = clientOf(a.url)
      const { session_id } = await onA.converse()
      const { id, key } = await asAdmin("POST", "/keys", { user_id: "ada", scopes: ["read"] })
      const headers = { authorization: `Bearer ${key}` }
      const watching = await onA.stream(`/sessions/${session_id}/stream`, { headers })
      const free = await onA.stream(`/sessions/${session_id}/stream`)
      assert.strictEqual(watching.response.status, 200)
      const revoked = Date.now()
      assert.isNotNull((await asAdmin("DELETE", `/keys/${id}`)).revoked_at)
      await watching.end()
      assert.isBelow(Date.now() - revoked, 5_000)
      assert.deepStrictEqual([watching.broken(), watching.comments.at(-1)], [false, "key no longer valid"])
      assert.isFalse(free.broken())
      free.leave()
    }), 90_000)

  it(
    "go on with a run whose server was killed, in the stream that the other one shows",
    () =>
      withTwo(async (a, b, start) => {
        const [onA, onB] = [clientOf(a.url), clientOf(b.url)]
        const talk = await onA.converse("demo-script", { delay_ms: 10 })
        const watching = await onB.stream(`/sessions/${talk.session_id}/stream?after=0`)
        const sent = await onA.stream("/chat", chat(talk, "repeat 100 word "))
        await sent.until(() => typesOf(sent.frames).filter((type) => type === "TEXT_BLOCK_DELTA").length > 5)
        const queued = await onB.stream("/chat", chat(talk, "say after"))
        const killed = Date.now()
        await a.kill("SIGKILL")
        await sent.end()
        await watching.until((frame) => isNamed(frame?.event, "run_resumed"))
        assert.isBelow(Date.now() - killed, patience(5_000))
        await watching.until(() => typesOf(watching.frames).filter((type) => type === "REPLY_END").length === 2)
        watching.leave()
        await queued.end()
        isGapless(watching.frames, 0)
        assert.deepStrictEqual(sameAs(sent.frames, watching.frames), sent.frames)
        const ends = watching.frames.flatMap(({ event }) => event.type === "REPLY_END" ? [event.finished_reason] : [])
        assert.deepStrictEqual(ends, ["completed", "completed"])
        const { runs } = await onB.must("GET", `/sessions/${talk.session_id}/runs`)
        assert.deepStrictEqual(
          runs.map(({ attempt, status }: { attempt: number; status: string }) => [status, attempt]),
          [["ended", 1], ["ended", 2]]
        )

        const again = clientOf((await start()).url)
        const answer = await again.stream("/chat", chat(talk, "say back"))
        await answer.end()
        assert.strictEqual(answer.frames.at(-1)?.event.type, "REPLY_END")
        assert.strictEqual((await onB.must("GET", `/sessions/${talk.session_id}/messages`)).messages.length, 6)
      }),
    patience(90_000)
  )

  it("take over from one that is frozen, and let it join them when it wakes", () =>
    withTwo(async (a, b) => {
      const [onA, onB] = [clientOf(a.url), clientOf(b.url)]
      const talk = await onA.converse("demo-script", { delay_ms: 10 })
      const watching = await onB.stream(`/sessions/${talk.session_id}/stream?after=0`)
      const sent = await onA.stream("/chat", chat(talk, "repeat 1000 word "))
      await sent.until(() => typesOf(sent.frames).filter((type) => type === "TEXT_BLOCK_DELTA").length > 5)
      process.kill(a.pid, "SIGSTOP")
      const leaving = setTimeout(watching.leave, patience(20_000))
      try {
        const frozen = Date.now()
        await watching.until((frame) => isNamed(frame?.event, "run_resumed"))
        assert.isBelow(Date.now() - frozen, patience(15_000))
      } finally {
        clearTimeout(leaving)
        process.kill(a.pid, "SIGCONT")
      }
      await watching.until((frame) => frame?.event.type === "REPLY_END")
      watching.leave()
      isGapless(watching.frames, 0)
      assert.deepInclude(watching.frames.at(-1)!.event, { finished_reason: "completed" })
      const answer = await onA.stream("/chat", chat(talk, "say awake"))
      await answer.end()
      assert.deepInclude(answer.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
      assert.strictEqual((await onB.must("GET", `/sessions/${talk.session_id}/messages`)).messages.length, 4)
      const { runs } = await onA.must("GET", `/sessions/${talk.session_id}/runs`)
      assert.deepStrictEqual(runs.map(({ attempt }: { attempt: number }) => attempt), [1, 2])
      sent.leave()
    }), patience(90_000))
})
