/** Schedules fire once for each slot, whatever happens to the processes. `SCHEDULE_FIRES` makes the second test longer. */
import { assert, describe, it } from "@effect/vitest"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import type { Fire } from "../../src/domain/Fire.ts"
import type { Run } from "../../src/domain/Run.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

type Client = ReturnType<typeof clientOf>

const env = { STOA_SCHEDULE_MIN_SECONDS: "0.1" }

/** A page of everything that a list has. */
const all = async <A>(client: Client, path: string, name: string): Promise<ReadonlyArray<A>> => {
  const found: Array<A> = []
  for (let cursor = "";;) {
    const page = await client.must("GET", `${path}?limit=1000${cursor && `&cursor=${cursor}`}`)
    found.push(...page[name])
    if (page.next_cursor === null) return found
    cursor = page.next_cursor
  }
}

const drafts = async (client: Client) => {
  const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
  const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  return (more: object) =>
    client.must("POST", "/schedule", {
      name: "Pulse",
      description: "say {{fire_number}}",
      agent_id,
      chat_model_config,
      overlap: "queue",
      missed: "all",
      missed_limit: 100,
      ...more
    }).then(({ schedule_id }): string => schedule_id)
}

/** Once the schedule has ended and none of its fires is open. */
const settled = async (client: () => Client, id: string, millis: number) => {
  const limit = performance.now() + patience(millis)
  for (;;) {
    try {
      const { status } = await client().must("GET", `/schedule/${id}`)
      const fires = await all<Fire>(client(), `/schedule/${id}/fires`, "fires")
      const isOpen = fires.some(({ status }) => ["pending", "running", "waiting"].includes(status))
      if (status === "ended" && !isOpen) return fires
    } catch (error) {
      // The server that was asked was killed meanwhile.
      if (performance.now() > limit) throw error
    }
    assert.isBelow(performance.now(), limit, "the schedule has not ended")
    await sleep(100)
  }
}

/** Every slot once, without a gap, each with one run of its own that came to its end. */
const isWhole = (fires: ReadonlyArray<Fire>, runs: ReadonlyArray<Run>, count: number, interval: number) => {
  const slots = fires.map(({ slot_at }) => Date.parse(slot_at)).toSorted((a, b) => a - b)
  assert.deepStrictEqual(slots, slots.map((_, i) => slots[0]! + i * interval), "each slot once")
  assert.deepStrictEqual(fires.map(({ number }) => number).toSorted((a, b) => a! - b!), slots.map((_, i) => i + 1))
  assert.strictEqual(slots.length, count)
  assert.deepStrictEqual(fires.filter(({ status }) => status !== "completed"), [])
  for (const fire of fires) {
    const own = runs.filter(({ source_id }) => source_id === fire.id)
    assert.deepStrictEqual(own.map(({ id }) => id), [fire.run_id], "one run for each fire")
  }
}

describe("Schedules of a built server", () => {
  it("fire once for each slot, over kill -9 again and again", async () => {
    const folder = await temporaryFolder()
    let server: Server | undefined
    try {
      const start = () => startServer(["--data-dir", folder.path], { env })
      server = await start()
      let client = clientOf(server.url)
      const create = await drafts(client)
      const id = await create({ interval_seconds: 0.4, max_fires: 20 })
      for (let n = 0; n < 3; n++) {
        await sleep(900)
        await server.kill("SIGKILL")
        server = await start()
        client = clientOf(server.url)
      }
      const fires = await settled(() => client, id, 60_000)
      isWhole(fires, await all<Run>(client, "/runs", "runs"), 20, 400)
      assert.strictEqual(await server.kill("SIGTERM"), 0)
    } finally {
      await server?.kill("SIGKILL")
      await folder.remove()
    }
  }, patience(120_000))

  it(
    "fire once for each slot and in time on three processes whose clocks differ, of which one after the other is killed",
    async () => {
      const total = Number(process.env["SCHEDULE_FIRES"] ?? 120)
      const schedules = Math.min(50, Math.ceil(total / 12))
      const each = Math.ceil(total / schedules)
      const interval = total > 1000 ? 1_500 : 1_000
      const folder = await temporaryFolder()
      const database = await freshDatabase()
      const vault = Buffer.alloc(32, 7).toString("base64")
      const skews = [-60_000, 0, 60_000]
      const start = (n: number) =>
        startServer(["--data-dir", folder.path], {
          env: {
            ...env,
            STOA_DATABASE_URL: database,
            STOA_VAULT_KEY: vault,
            TEST_CLOCK_SKEW: String(skews[n % skews.length]),
            NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "../support/skew.mjs")).href}`
          }
        })
      const servers: Array<Server> = []
      try {
        for (const n of skews.keys()) servers.push(await start(n))
        const client = () => clientOf(servers[0]!.url)
        const create = await drafts(client())
        const began = Date.now()
        const ids: Array<string> = []
        for (let n = 0; n < schedules; n++) {
          ids.push(await create({ interval_seconds: interval / 1000, max_fires: each }))
        }
        let killed = 0
        while (Date.now() - began < each * interval) {
          await sleep(1_000)
          // The first is asked at the end.
          const n = 1 + killed++ % 2
          await servers[n]!.kill("SIGKILL")
          servers[n] = await start(n)
        }
        const fires: Array<Fire> = []
        const runs = async () => await all<Run>(client(), "/runs", "runs")
        for (const id of ids) {
          const own = await settled(client, id, 120_000)
          fires.push(...own)
        }
        const made = await runs()
        for (const id of ids) isWhole(fires.filter(({ schedule_id }) => schedule_id === id), made, each, interval)
        const late = fires.map(({ lateness_ms }) => lateness_ms!).toSorted((a, b) => a - b)
        const p99 = late[Math.floor(0.99 * (late.length - 1))]!
        if (total > 1000) {
          console.log({ fires: fires.length, killed, p50: late[late.length >> 1], p99, most: late.at(-1) })
        }
        // No process is late because of its clock, and a killed one leaves nothing for long.
        assert.isBelow(p99, patience(20_000))
      } finally {
        await Promise.all(servers.map((server) => server.kill("SIGKILL")))
        await folder.remove()
      }
    },
    patience(Number(process.env["SCHEDULE_FIRES"] ?? 120) * 500 + 180_000)
  )
})
