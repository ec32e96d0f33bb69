/**
 * What many schedules cost that are not due, over the built server: `npx tsx bench/schedules.ts [count]`. It prints how long
 * a start takes, the memory and the CPU time while idle, without them and with them.
 */
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const count = Number(process.argv[2] ?? 10_000)

/**
 * Seconds that an idle server is watched, seconds before: the garbage of a start is collected for about a minute, and
 * requests that are made at the same time.
 */
const watched = 60
const settles = 60
const atOnce = 16

/** Kilobytes in a megabyte, and milliseconds in a tick of /proc. */
const kilo = 1024
const tick = 10

const folder = await mkdtemp(join(tmpdir(), "stoa-schedules-"))
const main = new URL("../dist/bin/stoa.js", import.meta.url).pathname

const start = async () => {
  const since = performance.now()
  const child = spawn(process.execPath, [main, "serve", "--port", "0", "--data-dir", folder], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  const url = await new Promise<string>((done, fail) => {
    let output = ""
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const [, found] = /listens on (http:\/\/[^\s"]+)/.exec(output) ?? []
      if (found !== undefined) done(found)
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("exit", () => fail(new Error(output)))
  })
  const cpu = async () => {
    const stat = await readFile(`/proc/${child.pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) * tick
  }
  return {
    url,
    took: performance.now() - since,
    cpu,
    memory: async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))![1]) / kilo,
    stop: () =>
      new Promise<void>((done) => {
        child.removeAllListeners("exit")
        child.once("exit", () => done())
        child.kill("SIGTERM")
      })
  }
}

const call = async (url: string, path: string, body: unknown) => {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "x-user-id": "ada", "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return JSON.parse(text)
}

const fill = async (url: string) => {
  const { agent_id } = await call(url, "/agent", { name: "Clock" })
  const { credential_id } = await call(url, "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  let made = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (made < count) {
      // All for one minute that is far away.
      await call(url, "/schedule", {
        name: `Schedule ${made++}`,
        description: "say hello",
        agent_id,
        chat_model_config,
        cron_expression: "0 4 1 1 *"
      })
    }
  }))
}

const measure = async (what: string) => {
  const server = await start()
  await sleep(settles * 1_000)
  const before = await server.cpu()
  await sleep(watched * 1_000)
  const used = await server.cpu() - before
  const figures = {
    what,
    start_ms: Math.round(server.took),
    memory_mb: Math.round(await server.memory()),
    idle_percent_of_a_core: Number((used / (watched * 10)).toFixed(2))
  }
  await server.stop()
  console.log(JSON.stringify(figures))
}

try {
  await measure("none")
  const server = await start()
  const since = performance.now()
  await fill(server.url)
  console.log(JSON.stringify({ what: "made", count, ms_each: (performance.now() - since) / count }))
  await server.stop()
  await measure(`${count} schedules`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
