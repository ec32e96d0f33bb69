/** Clients talk to a server that is killed at random moments; afterwards the log is compared with what they saw. */
import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import { chance } from "./Chance.ts"
import { check, type Report, type StoredPage } from "./Check.ts"
import { Talk } from "./Talk.ts"
import { Victim } from "./Victim.ts"
import { call } from "./Wire.ts"

export interface Options {
  readonly kills: number
  readonly seed: number
  readonly dataDir: string
  /** Absent: the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined
  readonly sessions: number
  /** Runs are cancelled and dropped too, and inputs are sent with keys. */
  readonly mixed: boolean
  readonly progress: (line: string) => void
  /** Asked before each kill: end here, and look at what there is. */
  readonly enough?: () => boolean
}

/** Watchers of each session. */
const watchers = 3

/** Milliseconds between two deltas, by session. */
const delays = [0, 2, 5, 10, 20]

/** Longest wait, after the last start, for every run to end, in milliseconds. */
const settling = 60_000

const must = async (url: string, method: string, path: string, body?: unknown) => {
  const answer = await call(url, method, path, body)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
  return JSON.parse(answer.text)
}

const openTalks = async (victim: Victim, { mixed, seed, sessions }: Options): Promise<ReadonlyArray<Talk>> => {
  const url = await victim.url()
  const { agent_id } = await must(url, "POST", "/agent/", { name: "Friday" })
  const { credential_id } = await must(url, "POST", "/credential/", { data: { type: "demo_credential" } })
  return Promise.all(Array.from({ length: sessions }, async (_, i) => {
    const delay_ms = delays[i % delays.length]!
    const { session_id } = await must(url, "POST", "/sessions/", {
      agent_id,
      chat_model_config: { type: "demo_credential", credential_id, model: "demo-script", parameters: { delay_ms } }
    })
    if (i % 3 === 2) await must(url, "PATCH", `/sessions/${session_id}`, { permission_mode: "bypass" })
    return new Talk({ session_id, agent_id, delay_ms, mixed }, victim, chance(seed + 1 + i))
  }))
}

const isQuiet = async (url: string, { session_id }: Talk) => {
  const { runs } = await must(url, "GET", `/sessions/${session_id}/runs?limit=20`)
  return runs.every(({ status }: { readonly status: string }) => status === "ended")
}

/** Waits until all runs have ended; names the sessions where they do not. */
const settle = async (url: string, talks: ReadonlyArray<Talk>): Promise<ReadonlyArray<Talk>> => {
  const until = performance.now() + settling
  let busy = talks
  while (busy.length > 0 && performance.now() < until) {
    const quiet = await Promise.all(busy.map((talk) => isQuiet(url, talk)))
    busy = busy.filter((_, i) => !quiet[i])
    if (busy.length > 0) await sleep(100)
  }
  return busy
}

/** The log as PostgreSQL holds it, by session. */
const pagesIn = async (databaseUrl: string) => {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      "select session_id, first_seq, last_seq, frames from log_pages order by session_id, first_seq"
    ) as {
      readonly rows: ReadonlyArray<StoredPage>
    }
    return rows
  } finally {
    await client.end()
  }
}

export const drive = async (options: Options): Promise<Report> => {
  const { dataDir, databaseUrl, kills, progress, seed } = options
  const victim = new Victim({ dataDir, databaseUrl })
  const { between, of } = chance(seed)
  const since = performance.now()
  let starting = 0
  let early = 0
  try {
    await victim.start()
    const talks = await openTalks(victim, options)
    for (const talk of talks) talk.begin(watchers)
    let killed = 0
    const goesOn = () => options.enough?.() !== true
    for (let kill = 1; kill <= kills && goesOn(); kill++) {
      // In the first moments after a start runs are picked up and everybody comes back at once.
      const soon = of(0.3)
      if (soon) early++
      await sleep(soon ? between(0, 80) : between(80, 1_500))
      await victim.kill()
      while (kill < kills && goesOn() && of(0.2)) {
        kill++
        starting++
        void victim.start().catch(() => {})
        await sleep(between(0, Math.round(victim.starts.at(-1)!)))
        await victim.kill()
      }
      await victim.start()
      killed = kill
      if (kill % 10 === 0 || kill >= kills) {
        const events = talks.reduce((sum, { seen }) => sum + seen.size, 0)
        const wrong = talks.reduce((sum, { violations }) => sum + violations.length, 0)
        progress(
          `${kill} of ${kills} kills, ${events} events seen, ${wrong} wrong, ${
            ((performance.now() - since) / 1000).toFixed(0)
          } s`
        )
      }
    }
    if (!goesOn()) progress(`Stopped after ${killed} kills; comparing`)
    await sleep(300)
    await Promise.race([Promise.all(talks.map((talk) => talk.calm())), sleep(settling)])
    const url = await victim.url()
    for (const talk of await settle(url, talks)) {
      const { runs } = await must(url, "GET", `/sessions/${talk.session_id}/runs?limit=20`)
      const open = runs.filter(({ status }: { readonly status: string }) => status !== "ended")
      talk.wrong("run", `These did not end within ${settling} ms: ${JSON.stringify(open)}`)
    }
    await Promise.all(talks.map(async (talk) => {
      const trouble = await talk.isUsable(10_000)
      if (trouble !== undefined) talk.wrong("unusable", trouble)
    }))
    await Promise.all(talks.map((talk) => talk.stop()))
    const pages = databaseUrl === undefined ? undefined : await pagesIn(databaseUrl)
    const report = await check(url, talks, victim, pages)
    return { ...report, kills: killed, starting, early, seconds: (performance.now() - since) / 1000 }
  } finally {
    await victim.kill()
  }
}
