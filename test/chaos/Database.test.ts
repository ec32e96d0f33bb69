import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { call, stream } from "../crash/Wire.ts"
import { type Chaos, chaosBefore } from "../support/Chaos.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase, type Postgres, startPostgres } from "../support/Postgres.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

/** How long the database is away, in milliseconds. */
const away = 3_000

/** Longest wait for an answer while it is away, and for everything to be as before when it is back, in milliseconds. */
const refusal = patience(2_000)
const recovery = patience(3_000)

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

interface Talk {
  readonly agent_id: string
  readonly session_id: string
}

/** The end of a run that never began: whoever sent its input got a 503. */
const isRefused = (frame: string) => frame.includes("\"code\":\"storage_unavailable\"")

/** A watcher that comes back whenever its stream ends, until the run of `text` has ended. */
const watch = (server: Server, { session_id }: Talk) => {
  const frames: Array<string> = []
  const stop = new AbortController()
  const last = () =>
    frames.length === 0 ? undefined : JSON.parse(frames.at(-1)!.slice(frames.at(-1)!.indexOf("\n") + 7)) as AgentEvent
  const watching = (async () => {
    while (!stop.signal.aborted) {
      await stream(server.url, `/sessions/${session_id}/stream`, {
        headers: { "last-event-id": String(frames.length) },
        leave: stop.signal,
        frame: (frame) => frames.push(frame)
      })
      await sleep(20)
    }
  })()
  return {
    frames,
    events: () => frames.map((frame) => JSON.parse(frame.slice(frame.indexOf("\n") + 7)) as AgentEvent),
    ends: () => frames.filter((frame) => frame.includes("\"REPLY_END\"") && !isRefused(frame)).length,
    last,
    stop: () => {
      stop.abort()
      return watching
    }
  }
}

const until = async (millis: number, what: string, holds: () => boolean | Promise<boolean>) => {
  const since = performance.now()
  while (!await holds()) {
    if (performance.now() - since > millis) assert.fail(`Not within ${millis} ms: ${what}`)
    await sleep(20)
  }
}

const sendTo = (server: Server, { agent_id, session_id }: Talk, content: string, more: object = {}) =>
  call(server.url, "POST", "/chat", { agent_id, session_id, input: { content }, ...more }, { prefer: "respond-async" })

const timed = async <A>(work: () => Promise<A>): Promise<readonly [A, number]> => {
  const since = performance.now()
  return [await work(), performance.now() - since]
}

describe("A database that goes away", () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres.stop())

  const administer = async (url: string, ...statements: ReadonlyArray<string>) => {
    const client = new Client({ connectionString: url })
    await client.connect()
    for (const statement of statements) await client.query(statement)
    await client.end()
  }

  /** A server behind the proxy, with a session whose run goes on, one that is idle, and a watcher of each. */
  const during = async (
    trouble: (
      at: {
        readonly chaos: Chaos
        readonly server: Server
        readonly going: Talk
        readonly idle: Talk
        readonly database: string
      }
    ) => Promise<void>,
    { script = "repeat 400 word ", delay_ms = 5 } = {}
  ) => {
    const folder = await temporaryFolder()
    const database = await freshDatabase(postgres)
    const chaos = await chaosBefore(database)
    const server = await startServer(["--data-dir", folder.path], { env: { STOA_DATABASE_URL: chaos.url } })
    try {
      const client = clientOf(server.url)
      const going = await client.converse("demo-script", { delay_ms })
      const idle = await client.converse()
      const watching = watch(server, going)
      assert.strictEqual((await sendTo(server, going, script)).status, 202)
      assert.strictEqual((await sendTo(server, going, "say next")).status, 202)
      await until(10_000, "the run goes on", () => watching.frames.length > 20)

      await trouble({ chaos, server, going, idle, database })

      // Normal again: what is sent runs, and what was accepted before has run.
      const [fresh, took] = await timed(async () => {
        const since = performance.now()
        for (;;) {
          const answer = await sendTo(server, idle, "say back")
          if (answer.status === 202 || performance.now() - since > 2 * recovery) return answer
          await sleep(50)
        }
      })
      assert.isBelow(took, recovery, `${fresh.status} ${fresh.text}`)
      await until(30_000, "both runs end", () => watching.ends() === 2)
      await watching.stop()
      const seqs = watching.frames.map((frame) => Number(frame.slice(4, frame.indexOf("\n"))))
      assert.deepStrictEqual(seqs, numbers(seqs.length))
      const ends = watching.events().flatMap((event) =>
        event.type === "REPLY_END" && event.error?.code !== "storage_unavailable" ? [event.finished_reason] : []
      )
      assert.deepStrictEqual(ends, ["completed", "completed"])
      const again = watch(server, going)
      await until(10_000, "the log holds what was seen", () => again.frames.length >= watching.frames.length)
      await again.stop()
      assert.deepStrictEqual(again.frames, watching.frames)
      const { messages } = await client.must("GET", `/sessions/${going.session_id}/messages`)
      assert.deepStrictEqual(messages.map((message: { readonly role: string }) => message.role), [
        "user",
        "assistant",
        "user",
        "assistant"
      ])
      assert.strictEqual(messages[1].content[0].text, "word ".repeat(400))
      assert.strictEqual(await server.kill("SIGTERM"), 0, server.output())
    } catch (cause) {
      throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${server.output().slice(-3_000)}`, {
        cause
      })
    } finally {
      await server.kill("SIGKILL")
      await chaos.close()
      await folder.remove()
    }
  }

  /** While it is away new inputs are refused at once, with a word on when to come again. */
  const refuses = async (server: Server, idle: Talk) => {
    const [answer, took] = await timed(() => sendTo(server, idle, "say lost"))
    assert.deepStrictEqual([answer.status, JSON.parse(answer.text).code], [503, "storage_unavailable"])
    assert.isAtLeast(JSON.parse(answer.text).retry_after, 1)
    assert.isBelow(took, refusal)
    assert.strictEqual((await call(server.url, "GET", "/liveness")).status, 200)
  }

  const inputsOf = async (server: Server, { session_id }: Talk) => {
    const { messages } = await clientOf(server.url).must("GET", `/sessions/${session_id}/messages`)
    return messages.filter(({ role }: { readonly role: string }) => role === "user")
      .map(({ content }: { readonly content: ReadonlyArray<{ readonly text: string }> }) => content[0]!.text)
  }

  it("goes on with its runs when its connections are cut again and again", () =>
    during(async ({ chaos }) => {
      for (const _ of numbers(8)) {
        chaos.cut()
        await sleep(150)
      }
    }), patience(100_000))

  it(
    "refuses new inputs while it cannot be reached, and goes on when it can",
    () =>
      during(async ({ chaos, idle, server }) => {
        chaos.refuse()
        const back = sleep(away).then(() => chaos.back())
        await refuses(server, idle)
        await sleep(500)
        await refuses(server, idle)
        await back
        await until(
          recovery,
          "answers again",
          async () => (await call(server.url, "GET", `/sessions/${idle.session_id}`)).status === 200
        )
        assert.deepStrictEqual(await inputsOf(server, idle), [])
      }),
    patience(100_000)
  )

  it("lives through a restart of PostgreSQL", () =>
    during(async ({ chaos }) => {
      assert.isAbove(chaos.connections(), 0)
      await postgres.stopHard()
      await sleep(500)
      await postgres.restart()
    }), patience(100_000))

  it(
    "answers every request in time while no byte goes through, and keeps to what it said",
    () =>
      during(async ({ chaos, going, idle, server }) => {
        const other = await clientOf(server.url).converse()
        chaos.stall()
        const back = sleep(2 * away).then(() => chaos.back())
        const session = `/sessions/${idle.session_id}`
        const keyed = { "idempotency-key": "while it was away", prefer: "respond-async" }
        const hold = () => call(server.url, "POST", "/chat", { ...other, input: { content: "say held" } }, keyed)
        const requests = [
          hold,
          () => sendTo(server, going, "say never"),
          () => sendTo(server, going, "say never", { on_busy: "interrupt" }),
          () => call(server.url, "GET", "/sessions/"),
          () => call(server.url, "GET", `${session}/messages`),
          () => call(server.url, "GET", `${session}/stream?after=0`),
          () => call(server.url, "PATCH", session, { name: "renamed" }),
          () => call(server.url, "POST", "/agent/", { name: "Saturday" })
        ]
        for (const _ of numbers(2)) {
          const answers = await Promise.all(requests.map(timed))
          for (const [{ status, text }, took] of answers) {
            assert.deepStrictEqual([status, JSON.parse(text).code], [503, "storage_unavailable"], text)
            assert.isBelow(took, refusal)
          }
        }
        await back
        await until(recovery, "answers again", async () => (await call(server.url, "GET", session)).status === 200)
        const again = await hold()
        assert.strictEqual(again.status, 202, again.text)
        const { run_id } = JSON.parse(again.text)
        await until(recovery, "the input that nobody could be told of has run", async () => {
          const { status } = await clientOf(server.url).must("GET", `/runs/${run_id}`)
          return status === "ended"
        })
        assert.deepStrictEqual(await inputsOf(server, other), ["say held"])
      }),
    patience(100_000)
  )

  it("is slower over a slow network, and nothing else", () =>
    during(async ({ chaos }) => {
      chaos.latency(60)
      await sleep(1_000)
      chaos.latency(0)
    }), patience(100_000))

  it(
    "refuses new inputs while it is read-only, and goes on when it is not",
    () =>
      during(async ({ database, idle, server }) => {
        await administer(database, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        try {
          await sleep(200)
          await refuses(server, idle)
          await sleep(1_000)
          await refuses(server, idle)
        } finally {
          await administer(
            database,
            "set default_transaction_read_only = off",
            "alter system reset default_transaction_read_only",
            "select pg_reload_conf()"
          )
        }
        assert.deepStrictEqual(await inputsOf(server, idle), [])
      }),
    patience(100_000)
  )

  for (const trouble of ["refuse", "stall"] as const) {
    it(`does not keep a server from stopping when it is away: ${trouble}`, async () => {
      const folder = await temporaryFolder()
      const chaos = await chaosBefore(await freshDatabase(postgres))
      const start = () =>
        startServer(["--data-dir", folder.path, "--drain-seconds", "1"], { env: { STOA_DATABASE_URL: chaos.url } })
      const server = await start()
      try {
        const going = await clientOf(server.url).converse("demo-script", { delay_ms: 5 })
        const watching = watch(server, going)
        assert.strictEqual((await sendTo(server, going, "repeat 300 word ")).status, 202)
        await until(10_000, "the run goes on", () => watching.frames.length > 20)
        chaos[trouble]()
        await sleep(300)
        const [code, took] = await timed(() => Promise.race([server.kill("SIGTERM"), sleep(20_000, undefined)]))
        await watching.stop()
        assert.strictEqual(code, 0, server.output())
        assert.isBelow(took, patience(10_000))
      } finally {
        await server.kill("SIGKILL")
        await chaos.close()
        await folder.remove()
      }
    }, patience(60_000))
  }
})
