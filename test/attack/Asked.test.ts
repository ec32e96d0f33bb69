/** What was asked for is not forgotten, whatever happens beside it. */
import { assert, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { type Client, idle, onEach, send, until } from "./support/Target.ts"

interface Talk {
  readonly agent_id: string
  readonly session_id: string
}

const accept = async (client: Client, talk: Talk, content: string, more: object = {}): Promise<string> => {
  const { status, text } = await send(client, talk, content, more)
  assert.strictEqual(status, 202, text)
  return JSON.parse(text).run_id
}

/** A session whose run goes on for long: 5 ms between two deltas. */
const busy = async (client: Client, deltas = 100_000) => {
  const talk = await client.converse("demo-script", { delay_ms: 5 })
  const first = await accept(client, talk, `repeat ${deltas} word `)
  return { talk, first }
}

const runOf = (client: Client, id: string) => client.must("GET", `/runs/${id}`)

const transcriptOf = async (client: Client, { session_id }: Talk) =>
  JSON.stringify((await client.must("GET", `/sessions/${session_id}/messages?limit=200`)).messages)

const timed = async <A>(work: () => Promise<A>): Promise<readonly [A, number]> => {
  const since = performance.now()
  return [await work(), performance.now() - since]
}

/** Asks and gives up when nothing comes. */
const post = async (client: Client, path: string, within: number) => {
  try {
    const response = await fetch(client.url + path, {
      method: "POST",
      headers: client.headers,
      signal: AbortSignal.timeout(within)
    })
    await response.text()
    return response.status
  } catch {
    return "no answer"
  }
}

onEach("What was asked for", (target) => {
  it("a queued run that was cancelled has ended when that is answered, says nothing, and does not run after a crash", async () => {
    const client = target().client()
    const { first, talk } = await busy(client, 400)
    const cancelled = await accept(client, talk, "say CANCELLED")
    const other = await accept(client, talk, "say OTHER")
    const { status } = await client.call("POST", `/runs/${cancelled}/cancel`)
    assert.strictEqual(status, 202)
    const ended = await runOf(client, cancelled)
    await target().restart()
    const again = target().client()
    await idle(again, talk.session_id, 30_000)
    assert.notInclude(await transcriptOf(again, talk), "CANCELLED")
    assert.include(await transcriptOf(again, talk), "OTHER")
    assert.strictEqual(ended.status, "ended", "as the answer came")
    for (const id of [first, other]) assert.strictEqual((await runOf(again, id)).status, "ended")
    assert.strictEqual((await runOf(again, cancelled)).finished_reason, "interrupted")
  })

  it("queued runs that were dropped have ended when that is answered, and do not run after a crash", async () => {
    const client = target().client()
    const { talk } = await busy(client)
    const dropped = [await accept(client, talk, "say DROPPED1"), await accept(client, talk, "say DROPPED2")]
    const { status } = await client.call("POST", `/sessions/${talk.session_id}/interrupt?queue=drop`)
    assert.strictEqual(status, 202)
    const ended = await Promise.all(dropped.map((id) => runOf(client, id)))
    await target().restart()
    const again = target().client()
    await idle(again, talk.session_id, 30_000)
    assert.notInclude(await transcriptOf(again, talk), "DROPPED")
    assert.deepStrictEqual(ended.map(({ status }) => status), ["ended", "ended"], "as the answer came")
  })

  it("a cancelled or dropped run frees its place among the 32", async () => {
    const client = target().client()
    const { talk } = await busy(client)
    const waiting = []
    for (let i = 0; i < 32; i++) waiting.push(await accept(client, talk, `say ${i}`))
    assert.strictEqual((await send(client, talk, "say one too many")).status, 429)
    await client.must("POST", `/runs/${waiting[5]}/cancel`)
    await accept(client, talk, "say in the place of another")
    await client.must("POST", `/sessions/${talk.session_id}/interrupt?queue=drop`)
    await idle(client, talk.session_id)
  })

  it("a keyed chat into a streaming session is followed every time, without a 409", async () => {
    const client = target().client()
    const { talk } = await busy(client)
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      await sleep(i * 20)
      const response = await fetch(`${client.url}/chat`, {
        method: "POST",
        headers: { ...client.headers, "idempotency-key": `key-${i}-${talk.session_id}` },
        body: JSON.stringify({ ...talk, input: { content: `say keyed${i}` } })
      })
      const reader = response.body!.getReader()
      const first = await reader.read()
      await reader.cancel().catch(() => {})
      return response.status === 200 ? 200 : `${response.status} ${new TextDecoder().decode(first.value)}`
    }))
    await client.must("POST", `/sessions/${talk.session_id}/interrupt?queue=drop`)
    assert.deepStrictEqual(answers, answers.map(() => 200))
  })

  it("of 200 keyed inputs that come at once at most 32 wait, and the others are refused", async () => {
    const client = target().client()
    const { talk } = await busy(client)
    const answers = await Promise.all(
      Array.from(
        { length: 200 },
        (_, i) => send(client, talk, `say ${i}`, {}, { "idempotency-key": `many-${i}-${talk.session_id}` })
      )
    )
    await client.must("POST", `/sessions/${talk.session_id}/interrupt?queue=drop`)
    const having = (wanted: number) => answers.filter(({ status }) => status === wanted).length
    assert.isAtMost(having(202), 32)
    assert.strictEqual(having(202) + having(429), 200)
    await idle(client, talk.session_id)
  })

  it("two inputs that each interrupt run in the order in which they came", async () => {
    const client = target().client()
    for (let round = 0; round < 5; round++) {
      const { talk } = await busy(client)
      const first = send(client, talk, "say FIRST", { on_busy: "interrupt" })
      await sleep(2)
      const second = send(client, talk, "say SECOND", { on_busy: "interrupt" })
      const seqs = (await Promise.all([first, second])).map(({ status, text }) => {
        assert.strictEqual(status, 202, text)
        return JSON.parse(text).seq as number
      })
      await idle(client, talk.session_id)
      const transcript = await transcriptOf(client, talk)
      const places = [transcript.indexOf("say FIRST"), transcript.indexOf("say SECOND")]
      // Two that came in the same moment have the same seq, and may run in either order.
      const inOrder = Math.sign(seqs[0]! - seqs[1]!) * (places[0]! - places[1]!) >= 0
      assert.isTrue(places.every((place) => place >= 0) && inOrder, `seqs ${seqs}, places ${places}`)
    }
  })
})

/** Longest drain, in seconds, and what the end may take beside it, in milliseconds. */
const drain = 2
const beside = 10_000

onEach("A server whose storage has frozen", (target) => {
  const freeze = async (client: Client, deltas?: number) => {
    const { first, talk } = await busy(client, deltas)
    await sleep(300)
    target().chaos!.stall()
    await sleep(500)
    return { first, talk }
  }

  it("answers interrupt and cancel within two seconds, and does what was asked when it is back", async () => {
    const client = target().client()
    const { first, talk } = await freeze(client)
    const limit = patience(2_000)
    const [interrupted, byInterrupt] = await timed(() =>
      post(client, `/sessions/${talk.session_id}/interrupt`, 2 * limit)
    )
    const [cancelled, byCancel] = await timed(() => post(client, `/runs/${first}/cancel`, 2 * limit))
    target().chaos!.back()
    assert.include([202, 503], interrupted, `interrupt, after ${byInterrupt} ms`)
    assert.include([202, 503], cancelled, `cancel, after ${byCancel} ms`)
    assert.isBelow(Math.max(byInterrupt, byCancel), limit)
    await until(
      "the run has been stopped",
      20_000,
      async () => (await client.call("GET", `/runs/${first}`)).json?.status === "ended"
    )
  })

  it.each([
    ["goes on", 100_000],
    // A second: it says all and cannot end.
    ["waits for its end to be stored", 200]
  ])("ends on SIGTERM within the drain time and ten seconds while a run %s", async (_, deltas) => {
    const client = target().client()
    const { talk } = await freeze(client, deltas)
    void send(client, talk, "say waits").catch(() => {})
    await sleep(1_500)
    const limit = drain * 1_000 + patience(beside)
    const [ended, took] = await timed(() =>
      Promise.race([
        target().server().kill("SIGTERM").then((code) => `exit ${code}`),
        sleep(limit, "it goes on", { ref: false })
      ])
    )
    target().chaos!.back()
    assert.match(ended, /^exit/, `after ${Math.round(took)} ms`)
  })

  it("ends on SIGTERM while inputs come and runs begin", async () => {
    const client = target().client()
    const talks = await Promise.all(Array.from({ length: 5 }, () => client.converse("demo-script", { delay_ms: 5 })))
    let goesOn = true
    const sending = Promise.all(talks.map(async (talk) => {
      while (goesOn) await send(client, talk, "repeat 50 word ").catch(() => sleep(20))
    }))
    await sleep(200)
    const killing = target().server().kill("SIGTERM").then((code) => `exit ${code}`)
    await sleep(50)
    target().chaos!.stall()
    const ended = await Promise.race([killing, sleep(drain * 1_000 + patience(beside), "it goes on", { ref: false })])
    goesOn = false
    target().chaos!.back()
    await sending
    assert.match(ended, /^exit/)
  })
}, { only: "PostgreSQL", args: ["--drain-seconds", String(drain)] })
