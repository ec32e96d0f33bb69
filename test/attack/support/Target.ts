/** The built server as the victim of an attack, watched from outside and from inside. */
import { afterAll, assert, beforeAll, beforeEach, describe } from "@effect/vitest"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import { chaosBefore } from "../../support/Chaos.ts"
import { patience } from "../../support/Patience.ts"
import { freshDatabase } from "../../support/Postgres.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../../support/Server.ts"

export const storages = ["PGlite", "PostgreSQL"] as const
export type StorageName = typeof storages[number]

/** The promise: longest stretch of CPU time without a turn of the event loop, in milliseconds. */
const longestStretch = 100

/** Longest wait for `/liveness`, however busy the machine is, in milliseconds. */
const longestSilence = 2_000

/** Another tenant's chat may take so many times what it takes in quiet, and this in any case, in milliseconds. */
const timesQuiet = 3
const alwaysFine = 300

/** Longest that an attack may go on, in milliseconds. */
const longestAttack = 20_000

/** How long the neighbour chats in quiet, to know what is usual, in milliseconds. */
const quiet = 2_000

interface Tick {
  readonly at: number
  readonly cpu?: number
  readonly wall?: number
  readonly rss?: number
}

/** Milliseconds of CPU that the work below takes on an ordinary machine. */
const ordinary = 100

/** How much slower this machine is, in CPU time: 1, or more. */
const slowness = (() => {
  const block = Buffer.alloc(1024 * 1024)
  const since = process.cpuUsage()
  for (let i = 0; i < 120; i++) createHash("sha256").update(block).digest()
  const { system, user } = process.cpuUsage(since)
  return Math.min(5, Math.max(1, (user + system) / 1000 / ordinary))
})()

const quantile = (numbers: ReadonlyArray<number>, q: number) =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(q * numbers.length))] ?? 0

const clientAt = (url: string, user: string) => ({ ...clientOf(url, user), url })
export type Client = ReturnType<typeof clientAt>

export interface TargetOptions {
  readonly env?: Record<string, string>
  readonly args?: ReadonlyArray<string>
  /** Files and sockets that the server may have open. */
  readonly descriptors?: number
}

export const makeTarget = async (storage: StorageName, { args = [], descriptors, env = {} }: TargetOptions = {}) => {
  const folder = await temporaryFolder()
  const stretches = join(folder.path, "stretches")
  const chaos = storage === "PostgreSQL" ? await chaosBefore(await freshDatabase()) : undefined
  const launch = () =>
    startServer(["--data-dir", join(folder.path, "data"), ...args], {
      descriptors,
      env: {
        NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "stretch.mjs")).href}`,
        TEST_STRETCHES: stretches,
        ...(chaos !== undefined && { STOA_DATABASE_URL: chaos.url }),
        ...env
      }
    })
  let server: Server = await launch()
  let hasExited = false
  /** What the neighbour's chat takes in quiet: its p99. */
  let usual: number | undefined
  const follow = () => {
    const mine = server
    hasExited = false
    void mine.exited.then(() => {
      if (server === mine) hasExited = true
    })
  }
  follow()

  const ticks = async (since: number): Promise<ReadonlyArray<Tick>> => {
    const text = await readFile(stretches, "utf8").catch(() => "")
    return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Tick).filter(({ at }) => at >= since)
  }

  /** The neighbour and the watch, until `stop`. */
  const watch = async () => {
    const client = clientAt(server.url, "neighbour")
    const { agent_id, session_id } = await client.converse()
    const worker = new Worker(join(import.meta.dirname, "watch.mjs"), {
      workerData: { url: server.url, user: "neighbour", agent_id, session_id, patience: patience(10_000) }
    })
    const seen: Array<{ readonly what: "liveness" | "chat"; readonly took: number }> = []
    worker.on("message", (message) => seen.push(message))
    const gone = new Promise<void>((done) => worker.once("exit", () => done()))
    return {
      mark: () => seen.length,
      of: (what: "liveness" | "chat", from: number, to = seen.length) =>
        seen.slice(from, to).filter((one) => one.what === what).map(({ took }) => took),
      stop: async () => {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
        worker.postMessage("stop")
        const timer = setTimeout(() => void worker.terminate(), patience(10_000))
        await gone
        clearTimeout(timer)
      }
    }
  }

  const restart = async () => {
    await server.kill("SIGKILL")
    server = await launch()
    follow()
  }

  const answers = async () => {
    try {
      const response = await fetch(`${server.url}/liveness`, { signal: AbortSignal.timeout(patience(3_000)) })
      await response.text()
      return response.ok
    } catch {
      return false
    }
  }

  const target = {
    storage,
    chaos,
    dataDir: join(folder.path, "data"),
    url: () => server.url,
    pid: () => server.pid,
    server: () => server,
    client: (user = "mallory"): Client => clientAt(server.url, user),
    hasExited: () => hasExited,
    answers,
    restart,
    /** Starts it again if the test before has broken it. */
    mend: async () => {
      chaos?.back()
      if (hasExited || !await answers()) await restart()
    },
    /** Most resident memory since then, and the present one, in MiB. */
    memory: async (since: number) => {
      const all = (await ticks(since)).flatMap(({ rss }) => rss === undefined ? [] : [rss / 1024 / 1024])
      return { most: Math.max(0, ...all), now: all.at(-1) ?? 0 }
    },
    /**
     * Does harm and says what the others noticed of it. Fails when the server
     * ends, when its event loop stands still, or when a neighbour has to wait.
     */
    unharmed: async (harm: () => Promise<void>, { neighbour = true, within = longestAttack } = {}): Promise<void> => {
      const seen = await watch()
      try {
        if (usual === undefined) {
          await sleep(quiet)
          usual = quantile(seen.of("chat", 0), 0.99)
        }
        const from = seen.mark()
        const since = Date.now()
        let failure: unknown
        const done = harm().then(() => true, (cause: unknown) => {
          failure = cause
          return true
        })
        const limit = new AbortController()
        const silent = (async () => {
          // Nothing gets better by waiting for a server that does not answer any more.
          while (!limit.signal.aborted && seen.of("liveness", from).every((took) => took >= 0)) await sleep(100)
          return false
        })()
        const over = sleep(patience(within), false, { signal: limit.signal }).catch(() => false)
        const ended = await Promise.race([done, silent, over])
        limit.abort()
        // A server that stands still answers now or never.
        const awake = hasExited || await answers()
        await sleep(200)
        const long = (await ticks(since)).flatMap(({ cpu }) => cpu === undefined ? [] : [cpu])
        const chats = seen.of("chat", from)
        const living = seen.of("liveness", from)
        const bound = Math.max(timesQuiet * usual, patience(alwaysFine))
        const found = {
          exited: hasExited,
          ended,
          stretch: Math.max(0, ...long),
          liveness: Math.round(Math.max(...living)),
          unanswered: living.filter((took) => took < 0).length + (awake ? 0 : 1),
          quiet: Math.round(usual),
          chat: Math.round(quantile(chats, 0.9)),
          refused: chats.filter((took) => took < 0).length
        }
        const told = JSON.stringify(found)
        if (hasExited) assert.fail(`The server ended: ${told}\n${server.output().slice(-2_000)}`)
        assert.strictEqual(found.unanswered, 0, `/liveness was not answered: ${told}`)
        assert.isTrue(ended, `The attack goes on: ${told}`)
        assert.isAtMost(found.stretch, longestStretch * slowness, `CPU time of the longest stretch, in ms: ${told}`)
        assert.isBelow(found.liveness, patience(longestSilence), `Longest wait for /liveness, in ms: ${told}`)
        if (neighbour) {
          assert.strictEqual(found.refused, 0, `Chats of another tenant that failed: ${told}`)
          assert.isBelow(found.chat, bound, `Another tenant's chat, in ms: ${told}`)
        }
        if (failure !== undefined) throw failure
      } finally {
        await seen.stop()
      }
    },
    stop: async () => {
      chaos?.back()
      if (!hasExited) await server.kill("SIGKILL")
      await chaos?.close()
      await folder.remove()
    }
  }
  await warm(target.client("warm"))
  return target
}

export type Target = Awaited<ReturnType<typeof makeTarget>>

/** Code that runs for the first time is compiled first; that is not what is measured. */
const warm = async (client: Client) => {
  const { agent_id, credential_id, session_id } = await client.converse()
  const chat = (content: string, more: object = {}) =>
    client.call("POST", "/chat", { agent_id, session_id, input: { content }, ...more })
  for (let i = 0; i < 20; i++) await chat("say hello\nthink twice\ncall CurrentTime {}\nthen\nsay bye")
  await chat("json [1]", { output_schema: { type: "array", items: { type: "number" } } })
  await chat("call Calculate {\"expression\":\"1+1\"}\nthen\nsay two")
  await client.call("POST", "/embedding", { credential_id, model: "demo-embedding", input: ["a", "b"], dimensions: 8 })
  await client.call("GET", `/sessions/${session_id}/messages`)
  await client.call("GET", "/agent/")
}

/** `PGlite` and `PostgreSQL` one after the other, each with a server that is started again when a test broke it. */
export const onEach = (
  name: string,
  tests: (target: () => Target) => void,
  options: TargetOptions & { readonly only?: StorageName } = {}
) => {
  for (const storage of options.only === undefined ? storages : [options.only]) {
    describe(`${name}, on ${storage}`, () => {
      let target: Target
      beforeAll(async () => {
        target = await makeTarget(storage, options)
      })
      beforeEach(() => target.mend())
      afterAll(() => target?.stop())
      tests(() => target)
    })
  }
}

/** Sends an input and answers at once. */
export const send = (
  client: Client,
  { agent_id, session_id }: { readonly agent_id: string; readonly session_id: string },
  content: unknown,
  more: object = {},
  headers: Record<string, string> = {}
) =>
  fetch(`${client.url}/chat`, {
    method: "POST",
    headers: { ...client.headers, prefer: "respond-async", ...headers },
    body: JSON.stringify({ agent_id, session_id, input: { content }, ...more })
  }).then(async (response) => ({ status: response.status, text: await response.text() }))

/** Waits until it holds. */
export const until = async (what: string, millis: number, holds: () => Promise<boolean> | boolean) => {
  const limit = performance.now() + patience(millis)
  while (!await holds()) {
    if (performance.now() > limit) assert.fail(`Not within ${patience(millis)} ms: ${what}`)
    await sleep(25)
  }
}

/** Waits until no run of the session goes on or waits. */
export const idle = (client: Client, session_id: string, millis = 20_000) =>
  until("every run has ended", millis, async () => {
    const { runs } = await client.must("GET", `/sessions/${session_id}/runs?limit=200`)
    return runs.every(({ status }: { readonly status: string }) => status === "ended")
  })
